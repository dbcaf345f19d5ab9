//go:build newest

package main

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// values are of the types that attributes have since 1.44.
func values() {
	leaf("newer types", trace.WithAttributes(newerTypes()...))
	onNothing("newer types by the other tracer", trace.WithAttributes(newerTypes()...))
}

func newerTypes() []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.ByteSlice("bytes", []byte{0, 1, 255}), attribute.ByteSlice("bytes.empty", nil),
		attribute.Slice("slice", attribute.IntValue(1), attribute.StringValue("two"), attribute.BoolSliceValue([]bool{true})),
		attribute.Map("map", attribute.String("a", "b"), attribute.Map("within", attribute.Float64("c", 1))),
		attribute.Bool("old", true),
	}
}
