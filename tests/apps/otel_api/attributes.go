package main

import (
	"context"
	"math"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// everyType has a value of each type, the smallest and the largest, and the empty ones.
func everyType() []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.Bool("bool.true", true), attribute.Bool("bool.false", false),
		attribute.Int("int", 42), attribute.Int64("int.zero", 0),
		attribute.Int64("int.min", math.MinInt64), attribute.Int64("int.max", math.MaxInt64),
		attribute.Float64("float", 0.1), attribute.Float64("float.whole", 1), attribute.Float64("float.zero", 0),
		attribute.Float64("float.negative", -2.5e-300), attribute.Float64("float.max", math.MaxFloat64),
		attribute.Float64("float.least", math.SmallestNonzeroFloat64),
		attribute.String("string", "text"), attribute.String("string.empty", ""),
		attribute.String("string.escaped", "<a href=\"b\\c\">&\t\r\n\x00\x1f\x7f  "),
		attribute.String("string.unicode", "é 語 😀 �"), attribute.String("string.invalid", "a\xffb\xc3"),
		attribute.String("key \"escaped\" <&> é", "value"),
		attribute.Stringer("stringer", trace.SpanKindClient),
		attribute.BoolSlice("bools", []bool{true, false}), attribute.BoolSlice("bools.empty", []bool{}),
		attribute.IntSlice("ints", []int{1, -2}), attribute.Int64Slice("ints.64", []int64{math.MinInt64, math.MaxInt64}),
		attribute.Int64Slice("ints.empty", nil),
		attribute.Float64Slice("floats", []float64{1, -0.5}), attribute.Float64Slice("floats.empty", []float64{}),
		attribute.StringSlice("strings", []string{"a", "", "<&>"}), attribute.StringSlice("strings.empty", nil),
	}
}

func attributes() {
	leaf("attributes at the start", trace.WithAttributes(everyType()...))
	span("attributes set", func(_ context.Context, span trace.Span) {
		span.SetAttributes(everyType()...)
		span.SetAttributes()
	})
	span("attributes one by one", func(_ context.Context, span trace.Span) {
		for _, one := range everyType() {
			span.SetAttributes(one)
		}
	})
	twice := []attribute.KeyValue{attribute.String("twice", "first"), attribute.Int("other", 1), attribute.Int("twice", 2)}
	leaf("key twice at the start", trace.WithAttributes(twice...))
	leaf("key twice in two options", trace.WithAttributes(twice[0]), trace.WithAttributes(twice[2]))
	span("key twice set", func(_ context.Context, span trace.Span) { span.SetAttributes(twice...) })
	span("key set again", func(_ context.Context, span trace.Span) {
		span.SetAttributes(attribute.StringSlice("twice", []string{"now"}))
	}, trace.WithAttributes(twice[0]))
	bad := []attribute.KeyValue{attribute.String("", "without a key"), {Key: "without a value"}, attribute.Bool("good", true)}
	leaf("invalid attributes at the start", trace.WithAttributes(bad...))
	span("invalid attributes set", func(_ context.Context, span trace.Span) { span.SetAttributes(bad...) })
	leaf("not a number", trace.WithAttributes(attribute.Float64("nan", math.NaN())))
	leaf("infinite", trace.WithAttributes(attribute.Float64Slice("infinite", []float64{1, math.Inf(-1)})))
}
