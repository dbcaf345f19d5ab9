package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/otel/sdk/trace"
	"golang.org/x/sync/errgroup"
)

type key string

// embedding is a context by the one that is embedded.
type embedding struct {
	number int
	context.Context
}

// holding is a context by one in a field that has a name.
type holding struct {
	name  string
	inner context.Context
}

func (h *holding) Deadline() (time.Time, bool) { return h.inner.Deadline() }
func (h *holding) Done() <-chan struct{}       { return h.inner.Done() }
func (h *holding) Err() error                  { return h.inner.Err() }
func (h *holding) Value(key any) any           { return h.inner.Value(key) }

// derived are contexts that somebody makes of a request's context, by name. What is to be called at the end comes too.
var derived = map[string]func(context.Context) (context.Context, func()){
	"itself": func(ctx context.Context) (context.Context, func()) { return ctx, func() {} },
	"value": func(ctx context.Context) (context.Context, func()) {
		return context.WithValue(ctx, key("some"), "thing"), func() {}
	},
	"timeout": func(ctx context.Context) (context.Context, func()) {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		return ctx, cancel
	},
	"cancel-cause": func(ctx context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancelCause(ctx)
		return ctx, func() { cancel(errors.New("at the end")) }
	},
	"without-cancel": func(ctx context.Context) (context.Context, func()) {
		return context.WithoutCancel(ctx), func() {}
	},
	"embedding": func(ctx context.Context) (context.Context, func()) { return embedding{7, ctx}, func() {} },
	"embedding-pointer": func(ctx context.Context) (context.Context, func()) {
		return &embedding{7, ctx}, func() {}
	},
	"holding": func(ctx context.Context) (context.Context, func()) { return &holding{"name", ctx}, func() {} },
	"all": func(ctx context.Context) (context.Context, func()) {
		limited, cancel := context.WithTimeout(&holding{"name", context.WithValue(ctx, key("some"), "thing")}, time.Minute)
		caused, cause := context.WithCancelCause(embedding{7, context.WithoutCancel(limited)})
		return context.WithValue(caused, key("other"), 1), func() { cause(nil); cancel() }
	},
}

func contextRoutes(mux *http.ServeMux) {
	for name, derive := range derived {
		derive := derive
		mux.HandleFunc("/"+name, func(w http.ResponseWriter, r *http.Request) {
			ctx, end := derive(r.Context())
			defer end()
			byWorker(ctx, target(r, "x"))
		})
	}
	mux.HandleFunc("/with-context", func(w http.ResponseWriter, r *http.Request) {
		request, err := http.NewRequest("GET", target(r, "x"), nil)
		check(err)
		sendByWorker(request.WithContext(context.WithValue(r.Context(), key("some"), "thing")))
	})
	mux.HandleFunc("/errgroup", func(w http.ResponseWriter, r *http.Request) {
		group, ctx := errgroup.WithContext(r.Context())
		for _, sibling := range []string{"1", "2", "3", "4", "5"} {
			sibling := sibling
			group.Go(func() error {
				fetch(ctx, target(r, sibling))
				return nil
			})
		}
		check(group.Wait())
	})
	mux.HandleFunc("/lend", lend)
	mux.HandleFunc("/sdk", sdk)
	mux.HandleFunc("/sdk-by-worker", sdk)

	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.GET("/gin", func(c *gin.Context) { byWorker(c, target(c.Request, "x")) })
	engine.GET("/gin-request", func(c *gin.Context) { byWorker(c.Request.Context(), target(c.Request, "x")) })
	engine.GET("/gin-derived", func(c *gin.Context) { byWorker(context.WithValue(c, key("some"), 1), target(c.Request, "x")) })
	mux.Handle("/gin", engine)
	mux.Handle("/gin-request", engine)
	mux.Handle("/gin-derived", engine)
}

// lent is the context of a handler that waits until another handler has used it.
type lent struct {
	ctx  context.Context
	url  string
	used chan struct{}
}

var lending = make(chan lent)

// lend gives its context to the next handler, or makes the request of the one before with its context: the context's
// request is the parent, not the one that the goroutine serves.
func lend(w http.ResponseWriter, r *http.Request) {
	mine := lent{r.Context(), target(r, "x"), make(chan struct{})}
	select {
	case lending <- mine:
		<-mine.used
	case other := <-lending:
		fetch(other.ctx, other.url)
		close(other.used)
	}
}

// exporter takes spans, and does nothing with them: of a provider without any, nobody would see one.
type exporter struct{}

func (exporter) ExportSpans(context.Context, []trace.ReadOnlySpan) error { return nil }
func (exporter) Shutdown(context.Context) error                          { return nil }

var tracer = trace.NewTracerProvider(trace.WithSyncer(exporter{})).Tracer("parentage")

// sdk makes a request within a span of the SDK, and says which span that was.
func sdk(w http.ResponseWriter, r *http.Request) {
	ctx, span := tracer.Start(r.Context(), "inner")
	defer span.End()
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if r.URL.Path == "/sdk" {
		fetch(limited, target(r, "x"))
	} else {
		byWorker(limited, target(r, "x"))
	}
	identity := span.SpanContext()
	w.Write([]byte(identity.TraceID().String() + " " + identity.SpanID().String()))
}
