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
	client := &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport)}
	return served(url, client, func(context.Context, http.Header) {})
}

// named is a service that is instrumented by hand, and has no span for what it sends: it names that of what it serves, as caddy does.
func named(url string) http.Handler {
	return served(url, http.DefaultClient, func(ctx context.Context, out http.Header) {
		otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(out))
	})
}

func served(url string, client *http.Client, add func(context.Context, http.Header)) http.Handler {
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(printing{})))
	otel.SetTextMapPropagator(propagation.TraceContext{})
	return otelhttp.NewHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := fetch(r.Context(), client, url, func(out http.Header) { add(r.Context(), out) }, 1); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	}), "middle")
}
