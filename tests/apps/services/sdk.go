package main

import (
	"context"
	"fmt"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
)

// printing prints each span: its trace id, its own id and its parent's.
type printing struct{}

func (printing) ExportSpans(_ context.Context, spans []trace.ReadOnlySpan) error {
	for _, span := range spans {
		fmt.Println("span", span.SpanContext().TraceID(), span.SpanContext().SpanID(), span.Parent().SpanID())
	}
	return nil
}

func (printing) Shutdown(context.Context) error { return nil }

// withSDK is a service that is instrumented by hand.
func withSDK(url string) http.Handler {
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(printing{})))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	client := &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport)}
	return otelhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := fetch(r.Context(), client, url, nil, 1); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	}), "middle")
}
