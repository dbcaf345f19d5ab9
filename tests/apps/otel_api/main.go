// otel_api makes every call of OpenTelemetry's API for traces, with every type of value, and ends. The name of each of its spans is one of
// its own. Nothing is registered, unless the environment says
//
//	WITH_SDK=1  the SDK makes the spans, and each is printed as it ends: a line of OTLP's JSON
//	SERVE=1     serve HTTP on an address that is printed ("listening <address>"), until SIGTERM (serve.go)
//	STRESS=1    collect garbage, write stacks out and allocate meanwhile
package main

import (
	"context"
	"fmt"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Made before anything is registered, as libraries do.
var tracer = otel.Tracer("example.test/otel_api")

func main() {
	if os.Getenv("WITH_SDK") != "" {
		register()
	}
	if os.Getenv("STRESS") != "" {
		stress()
	}
	if os.Getenv("SERVE") != "" {
		serve()
		return
	}
	attributes()
	values()
	events()
	errorEvents()
	statuses()
	links()
	kinds()
	times()
	scopes()
	parents()
	ends()
	limits()
	goroutines()
	nothing()
}

// span starts a root span, does something with it, and ends it.
func span(name string, do func(context.Context, trace.Span), options ...trace.SpanStartOption) {
	ctx, span := tracer.Start(context.Background(), name, options...)
	defer span.End()
	do(ctx, span)
}

// leaf is a span with which nothing is done.
func leaf(name string, options ...trace.SpanStartOption) {
	span(name, func(context.Context, trace.Span) {}, options...)
}

// printed is what logs would say of a span by its context: that they are the span's own ids, the test compares.
func printed(ctx context.Context, name string, span trace.Span) {
	of := trace.SpanContextFromContext(ctx)
	fmt.Println("correlated", name, of.TraceID(), of.SpanID(), of.Equal(span.SpanContext()), of.IsSampled(), span.IsRecording())
}

// nothing calls what does nothing, as there is no span.
func nothing() {
	span := trace.SpanFromContext(context.Background())
	span.SetName("never")
	span.SetAttributes(attribute.Bool("never", true))
	span.AddEvent("never")
	span.RecordError(os.ErrClosed)
	span.SetStatus(2, "never")
	span.AddLink(trace.Link{SpanContext: somewhere(1)})
	span.End()
	printed(context.Background(), "nothing", span)
}
