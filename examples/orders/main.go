// Orders is a small service that says of its requests what only it knows: it uses the API of OpenTelemetry, and no SDK. Run alone, it
// records nothing; started by go-auto-launch, its span and attributes are part of the trace.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

var tracer = otel.Tracer("orders")

type service struct {
	// Where the stock is asked for.
	stock string
}

// order adds to the span of the request, which it has not started, and starts one of its own within.
func (s service) order(w http.ResponseWriter, r *http.Request) {
	span := trace.SpanFromContext(r.Context())
	span.SetAttributes(attribute.String("order.id", r.PathValue("id")), attribute.String("order.type", "express"))
	if err := s.process(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	fmt.Fprintln(w, "ordered, see trace", span.SpanContext().TraceID())
}

func (s service) process(ctx context.Context) error {
	ctx, span := tracer.Start(ctx, "process.order")
	defer span.End()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.stock, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fail(span, err)
	}
	defer response.Body.Close()
	left, err := io.ReadAll(response.Body)
	if err != nil {
		return fail(span, err)
	}
	if string(left) == "0" {
		return fail(span, errors.New("nothing left"))
	}
	span.AddEvent("stock was found", trace.WithAttributes(attribute.String("stock.left", string(left))))
	return nil
}

// fail says of a span why it has failed.
func fail(span trace.Span, err error) error {
	span.RecordError(err)
	span.SetStatus(codes.Error, err.Error())
	return err
}

func main() {
	listener, err := net.Listen("tcp", os.Getenv("ADDRESS"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", listener.Addr())
	orders := service{stock: fmt.Sprintf("http://%s/stock", listener.Addr())}
	http.HandleFunc("POST /orders/{id}", orders.order)
	http.HandleFunc("GET /stock", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, 3) })
	log.Fatal(http.Serve(listener, nil))
}
