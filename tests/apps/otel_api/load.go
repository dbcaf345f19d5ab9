package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Of spans that are ended behind the responses.
var afterResponses sync.WaitGroup

// loadRoutes are for many requests at the same time. Each answers with the request's id:
//
//	/pooled  a worker of a pool, which gets the context by a channel, adds to the server's own span, and has a span within it
//	/shared  32 goroutines add to the server's own span at the same time, three attributes each
//	/deep    a span within which the stack grows, on the request's goroutine and on another one
//	/ends    a span that never ends, one that ends twice, and two that end after the response, when it is too
//	         late to add anything to the server's own
func loadRoutes(mux *http.ServeMux) {
	handle := func(path string, do func(ctx context.Context, id string)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			do(r.Context(), id(r))
			fmt.Fprint(w, id(r))
		})
	}
	handle("/pooled", pool())
	handle("/shared", shared)
	handle("/deep", func(ctx context.Context, id string) {
		var both sync.WaitGroup
		both.Add(1)
		go func() {
			defer both.Done()
			grown(ctx, "deep elsewhere", id, 400)
		}()
		grown(ctx, "deep", id, 200)
		both.Wait()
		trace.SpanFromContext(ctx).SetAttributes(attribute.String("order.id", id))
	})
	handle("/ends", endings)
}

func pool() func(context.Context, string) {
	type job struct {
		ctx  context.Context
		id   string
		done chan struct{}
	}
	jobs := make(chan job)
	for worker := 0; worker < 8; worker++ {
		go func() {
			for job := range jobs {
				trace.SpanFromContext(job.ctx).SetAttributes(attribute.String("order.id", job.id))
				_, span := tracer.Start(job.ctx, "pooled", trace.WithAttributes(attribute.String("id", job.id)))
				span.End()
				close(job.done)
			}
		}()
	}
	return func(ctx context.Context, id string) {
		done := make(chan struct{})
		jobs <- job{ctx, id, done}
		<-done
	}
}

func shared(ctx context.Context, id string) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for worker := 0; worker < 32; worker++ {
		worker := worker
		all.Add(1)
		go func() {
			defer all.Done()
			<-begin
			for number := 0; number < 3; number++ {
				key := attribute.Key(fmt.Sprint("by.", worker, ".", number))
				trace.SpanFromContext(ctx).SetAttributes(key.String(id))
			}
		}()
	}
	close(begin)
	all.Wait()
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("order.id", id))
}

// grown has a span that begins and ends where the stack is small, and gets its attributes where it has grown.
func grown(ctx context.Context, name, id string, depth int) {
	ctx, span := tracer.Start(ctx, name, trace.WithAttributes(attribute.String("at the start", id)))
	defer span.End()
	deep(depth, func() {
		span.SetAttributes(attribute.String("id", id))
		_, inner := tracer.Start(ctx, "at the bottom", trace.WithAttributes(attribute.String("id", id)))
		deep(depth, func() { trace.SpanFromContext(ctx).AddEvent(id) })
		inner.End()
	})
}

//go:noinline
func deep(depth int, then func()) byte {
	var room [256]byte
	if depth == 0 {
		then()
		return room[0]
	}
	room[depth%256] = deep(depth-1, then)
	return room[(depth+1)%256]
}

func endings(ctx context.Context, id string) {
	automatic := trace.SpanFromContext(ctx)
	automatic.SetAttributes(attribute.String("order.id", id))
	with := trace.WithAttributes(attribute.String("id", id))
	_, never := tracer.Start(ctx, "never ended", with)
	never.SetAttributes(attribute.String("lost", id))
	_, twice := tracer.Start(ctx, "ended twice", with)
	twice.End()
	twice.SetAttributes(attribute.String("late", id))
	twice.End()
	_, after := tracer.Start(ctx, "ended after the response", with)
	afterResponses.Add(1)
	answered := answered(ctx)
	go func() {
		defer afterResponses.Done()
		<-answered
		automatic.SetAttributes(attribute.String("late", id))
		trace.SpanFromContext(ctx).SetAttributes(attribute.String("late", id))
		_, child := tracer.Start(ctx, "started after the response", with)
		child.End()
		after.End()
	}()
	automatic.End()
}

// stress collects garbage, stops the world for the stacks of all goroutines, and allocates, for as long as the program runs. The
// pauses are how often; nothing is waited for.
func stress() {
	go func() {
		for {
			runtime.GC()
			time.Sleep(5 * time.Millisecond)
		}
	}()
	go func() {
		buffer := make([]byte, 1<<20)
		for {
			runtime.Stack(buffer, true)
			time.Sleep(15 * time.Millisecond)
		}
	}()
	for worker := 0; worker < 2; worker++ {
		go func() {
			var keep [64][]byte
			for turn := 0; ; turn++ {
				keep[turn%64] = make([]byte, 64+turn%4096)
				if turn%1000 == 0 {
					runtime.Gosched()
				}
			}
		}()
	}
}
