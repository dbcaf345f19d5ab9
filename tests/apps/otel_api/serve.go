package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// serve serves:
//
//	/order       two attributes for the server's own span, a span within it, and within that a request to /stock
//	/stock       nothing more
//	/enrich      all that can be said of the server's own span
//	/by-another  the same by a worker that got the request's context by a channel
//	/many?n=     so many spans
//	/late        a span that ends after the response; by /end-late, which returns when that is done
//	/background  a span with a context that leads nowhere
//
// and what load.go has. By ?id= the server's own span gets an attribute of the request's, order.id.
func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	mux := http.NewServeMux()
	mux.HandleFunc("/order", func(w http.ResponseWriter, r *http.Request) {
		order(r.Context(), id(r), "http://"+listener.Addr().String()+"/stock?"+r.URL.RawQuery)
	})
	mux.HandleFunc("/stock", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, 7) })
	mux.HandleFunc("/enrich", func(w http.ResponseWriter, r *http.Request) { answer(w, enrich(r.Context(), id(r))) })
	work, done := make(chan *http.Request), make(chan ids)
	go func() {
		for r := range work {
			done <- enrich(r.Context(), id(r))
		}
	}()
	mux.HandleFunc("/by-another", func(w http.ResponseWriter, r *http.Request) {
		work <- r
		answer(w, <-done)
	})
	mux.HandleFunc("/many", many)
	lateRoutes(mux)
	loadRoutes(mux)
	mux.HandleFunc("/background", func(w http.ResponseWriter, r *http.Request) {
		_, span := tracer.Start(context.Background(), "in the background")
		span.End()
	})
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	server := &http.Server{Handler: mux, ErrorLog: log.New(io.Discard, "", 0)}
	watch(server)
	go server.Serve(listener)
	fmt.Println("listening", listener.Addr())
	<-stop
	afterResponses.Wait()
}

// id is that of the request.
func id(r *http.Request) string {
	if id := r.URL.Query().Get("id"); id != "" {
		return id
	}
	return "4711"
}

func order(ctx context.Context, id, stock string) {
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("order.id", id), attribute.String("order.type", "express"))
	ctx, span := tracer.Start(ctx, "process.order")
	defer span.End()
	request, err := http.NewRequestWithContext(ctx, "GET", stock, nil)
	check(err)
	response, err := http.DefaultClient.Do(request)
	check(err)
	_, err = io.Copy(io.Discard, response.Body)
	check(err)
	response.Body.Close()
}

// ids is what a handler knows of its span.
type ids struct {
	Trace, Span        string
	Recording, Sampled bool
	// Detached is whether it is the same in another context.
	Detached bool
}

func answer(w http.ResponseWriter, said ids) { check(json.NewEncoder(w).Encode(said)) }

// enrich calls every method of a span that something else starts and ends.
func enrich(ctx context.Context, id string) ids {
	span := trace.SpanFromContext(ctx)
	span.SetAttributes(attribute.String("order.id", id))
	span.SetAttributes(everyType()...)
	span.SetAttributes(attribute.String("twice", "first"), attribute.Int("twice", 2))
	span.AddEvent("enriched", trace.WithAttributes(attribute.Int("n", 1)), trace.WithTimestamp(at(1, 0)))
	span.RecordError(refused{7})
	span.RecordError(fmt.Errorf("no stock: %w", refused{7}))
	span.SetStatus(codes.Error, "was refused")
	span.SetName("enriched")
	span.AddLink(trace.Link{SpanContext: somewhere(1), Attributes: []attribute.KeyValue{attribute.Int("n", 2)}})
	said := span.SpanContext()
	detached := trace.SpanFromContext(trace.ContextWithSpan(context.Background(), span))
	same := detached.SpanContext().Equal(said) && detached.IsRecording()
	return ids{said.TraceID().String(), said.SpanID().String(), span.IsRecording(), said.IsSampled(), same}
}

func many(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.FormValue("n"))
	check(err)
	for i := 0; i < n; i++ {
		_, span := tracer.Start(r.Context(), "one of many", trace.WithAttributes(attribute.Int("i", i)))
		span.End()
	}
}

func lateRoutes(mux *http.ServeMux) {
	answered, done := make(chan struct{}), make(chan struct{})
	mux.HandleFunc("/late", func(w http.ResponseWriter, r *http.Request) {
		_, late := tracer.Start(r.Context(), "late")
		ctx := context.WithoutCancel(r.Context())
		go func() {
			<-answered
			late.SetAttributes(attribute.Bool("late", true))
			late.End()
			trace.SpanFromContext(ctx).SetAttributes(attribute.Bool("too late", true))
			_, later := tracer.Start(ctx, "later")
			later.End()
			done <- struct{}{}
		}()
	})
	mux.HandleFunc("/end-late", func(http.ResponseWriter, *http.Request) {
		answered <- struct{}{}
		<-done
	})
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
