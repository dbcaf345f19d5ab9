//go:build otel

package subject

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
)

// instrument sets the OpenTelemetry SDK up as its documentation says: spans in batches, by OTLP over HTTP. Everything else
// (endpoint, sampler, queue) comes from the environment, as for the launcher; only propagators do not.
func instrument() (flush func()) {
	exporter, err := otlptracehttp.New(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter))
	otel.SetTracerProvider(provider)
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}))
	return func() {
		if err := provider.Shutdown(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

// Handler makes a span of each request.
func Handler(handler http.Handler, name string) http.Handler {
	return otelhttp.NewHandler(handler, name)
}

// Transport makes a span of each request.
func Transport(transport http.RoundTripper) http.RoundTripper {
	return otelhttp.NewTransport(transport)
}
