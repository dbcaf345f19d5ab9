// api serves requests, for each of which it does a hundred times what its argument says by the OpenTelemetry API: span (it starts one, sets two
// attributes, and ends it), attribute (it adds one to the current span), or nothing.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"example.com/bench/subject"
)

var tracer = otel.Tracer("example.com/bench/api")

// A span may have 128 attributes.
var keys [100]attribute.Key

func init() {
	for number := range keys {
		keys[number] = attribute.Key(fmt.Sprint("order.item.", number))
	}
}

var kinds = map[string]func(ctx context.Context){
	"span": func(ctx context.Context) {
		for number := range keys {
			_, span := tracer.Start(ctx, "check.order")
			span.SetAttributes(attribute.String("order.id", "4711"), attribute.Int("order.items", number))
			span.End()
		}
	},
	"attribute": func(ctx context.Context) {
		for _, key := range keys {
			trace.SpanFromContext(ctx).SetAttributes(key.String("4711"))
		}
	},
	"nothing": func(context.Context) {},
}

func main() {
	subject.Run(func(listener net.Listener) {
		do := kinds[os.Args[1]]
		if do == nil {
			log.Fatal("api: span, attribute or nothing is needed")
		}
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			do(r.Context())
			w.Header().Set("Content-Length", "3")
			if _, err := w.Write([]byte("ok\n")); err != nil {
				log.Print(err)
			}
		})
		log.Fatal(http.Serve(listener, subject.Handler(handler, "api")))
	})
}
