package main

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// at is a time long ago, by which one that is set is told from one that is not.
func at(seconds, nanoseconds int64) time.Time { return time.Unix(1_000_000_000+seconds, nanoseconds) }

// somewhere is a span of another process.
func somewhere(number byte) trace.SpanContext {
	state, _ := trace.ParseTraceState("vendor=a,other=b")
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{15: number}, SpanID: trace.SpanID{7: number}, TraceFlags: trace.FlagsSampled, TraceState: state, Remote: true,
	})
}

func links() {
	attributed := trace.Link{SpanContext: somewhere(1), Attributes: everyType()}
	bare := trace.Link{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})}
	leaf("links at the start", trace.WithLinks(attributed, bare), trace.WithLinks(trace.Link{SpanContext: somewhere(3)}))
	span("links added", func(_ context.Context, span trace.Span) {
		span.AddLink(attributed)
		span.AddLink(bare)
	}, trace.WithLinks(bare))
	nowhere := trace.Link{}
	leaf("links to nowhere", trace.WithLinks(nowhere, bare))
	span("links added to nowhere", func(_ context.Context, span trace.Span) {
		span.AddLink(nowhere)
		span.AddLink(trace.Link{Attributes: []attribute.KeyValue{attribute.Int("n", 1)}})
	})
}

func kinds() {
	for kind := trace.SpanKindUnspecified; kind <= trace.SpanKindConsumer; kind++ {
		leaf("kind "+kind.String()+fmt.Sprint(int(kind)), trace.WithSpanKind(kind))
	}
	leaf("kind that is no kind", trace.WithSpanKind(17))
}

func times() {
	_, span := tracer.Start(context.Background(), "times", trace.WithTimestamp(at(0, 1)))
	span.End(trace.WithTimestamp(at(60, 999_999_999)))
	leaf("time of the start", trace.WithTimestamp(at(0, 0)))
	_, span = tracer.Start(context.Background(), "end before the start", trace.WithTimestamp(at(10, 0)))
	span.End(trace.WithTimestamp(at(9, 0)))
}

func scopes() {
	scoped := otel.Tracer("example.test/scoped", trace.WithInstrumentationVersion("v1.2.3"),
		trace.WithSchemaURL("https://opentelemetry.io/schemas/1.26.0"),
		trace.WithInstrumentationAttributes(attribute.String("of", "the scope")))
	ctx, outer := scoped.Start(context.Background(), "scoped")
	_, inner := tracer.Start(ctx, "of another scope")
	inner.End()
	_, third := otel.GetTracerProvider().Tracer("").Start(ctx, "of a scope without a name")
	third.End()
	// By the span's own provider.
	_, fourth := outer.TracerProvider().Tracer("example.test/own", trace.WithInstrumentationVersion("v4")).Start(ctx, "by its provider")
	fourth.End()
	outer.End()
}

func parents() {
	span("outer", func(ctx context.Context, outer trace.Span) {
		printed(ctx, "outer", outer)
		inner, within := tracer.Start(ctx, "inner")
		printed(inner, "inner", within)
		_, root := tracer.Start(inner, "new root", trace.WithNewRoot())
		root.End()
		within.End()
		// As a context outlives its span.
		_, after := tracer.Start(inner, "after its parent")
		after.End()
		_, sibling := tracer.Start(trace.ContextWithSpan(context.Background(), outer), "by ContextWithSpan")
		sibling.End()
	})
	ctx := context.Background()
	var open []trace.Span
	for depth := 1; depth <= 50; depth++ {
		var span trace.Span
		ctx, span = tracer.Start(ctx, fmt.Sprint("depth ", depth))
		open = append(open, span)
	}
	printed(ctx, "depth 50", open[49])
	for depth := len(open) - 1; depth >= 0; depth-- {
		open[depth].End()
	}
	remote := trace.ContextWithRemoteSpanContext(context.Background(), somewhere(9))
	_, child := tracer.Start(remote, "child of a remote one")
	child.End()
	onNothing("by the provider of no span")
}

// onNothing asks the span that there is where there is none for its provider.
func onNothing(name string, options ...trace.SpanStartOption) {
	provider := trace.SpanFromContext(context.Background()).TracerProvider()
	_, span := provider.Tracer("example.test/nothing").Start(context.Background(), name, options...)
	span.End()
}
