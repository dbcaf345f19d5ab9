package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

func register(provider string) {
	switch provider {
	case "sdk":
		if os.Getenv("OTEL_SDK_DISABLED") == "true" {
			return
		}
		otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(printing{spansTo()})))
		otel.SetTextMapPropagator(propagation.TraceContext{})
	case "otlp":
		otel.SetTracerProvider(exporting())
		otel.SetTextMapPropagator(propagation.TraceContext{})
	case "noop":
		otel.SetTracerProvider(noop.NewTracerProvider())
	case "none":
	default:
		panic("unknown provider " + provider)
	}
}

// flush exports what is left, where something is exported.
var flush = func() {}

// exporting gives its spans to the collector of the SDK's own variables, by HTTP, and to one that is not there, by gRPC.
func exporting() *trace.TracerProvider {
	ctx := context.Background()
	byHTTP, err := otlptracehttp.New(ctx)
	check(err)
	once := otlptracegrpc.WithRetry(otlptracegrpc.RetryConfig{Enabled: false})
	byGRPC, err := otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint("127.0.0.1:1"), otlptracegrpc.WithInsecure(), once)
	check(err)
	provider := trace.NewTracerProvider(trace.WithBatcher(byHTTP), trace.WithBatcher(byGRPC))
	flush = func() { _ = provider.Shutdown(ctx) }
	return provider
}

// spansTo is the file that SPANS names; standard output unless it does.
func spansTo() *os.File {
	name := os.Getenv("SPANS")
	if name == "" {
		return os.Stdout
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	check(err)
	return file
}

// printing prints each span as it ends: a line of OTLP's JSON, in which the values of attributes are text.
type printing struct{ to *os.File }

func (printing) Shutdown(context.Context) error { return nil }

type object = map[string]any

func (p printing) ExportSpans(_ context.Context, spans []trace.ReadOnlySpan) error {
	for _, span := range spans {
		attributes := []object{}
		for _, one := range span.Attributes() {
			attributes = append(attributes, object{"key": one.Key, "value": object{"stringValue": one.Value.Emit()}})
		}
		said := object{
			"name": span.Name(), "kind": int(span.SpanKind()), "attributes": attributes,
			"traceId": span.SpanContext().TraceID(), "spanId": span.SpanContext().SpanID(),
		}
		if parent := span.Parent().SpanID(); parent.IsValid() {
			said["parentSpanId"] = parent
		}
		line, err := json.Marshal(said)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(p.to, "span %s\n", line); err != nil {
			return err
		}
	}
	return nil
}
