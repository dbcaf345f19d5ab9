package main

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

func ends() {
	_, never := tracer.Start(context.Background(), "never ended")
	never.SetAttributes(attribute.Bool("lost", true))
	_, twice := tracer.Start(context.Background(), "ended twice")
	twice.End()
	twice.SetName("changed after the end")
	twice.SetAttributes(attribute.Bool("late", true))
	twice.AddEvent("late")
	twice.SetStatus(codes.Error, "late")
	twice.RecordError(context.Canceled)
	twice.AddLink(trace.Link{SpanContext: somewhere(1)})
	twice.End(trace.WithTimestamp(at(0, 0)))
	fmt.Println("recording after the end:", twice.IsRecording())
	span("name at the start", func(_ context.Context, span trace.Span) {
		span.SetName("another name")
		span.SetName("last name")
	})
	leaf("")
	func() {
		defer func() { _ = recover() }()
		span("panicked", func(context.Context, trace.Span) { panic("as was asked") })
	}()
}

// limits are passed.
func limits() {
	var many []attribute.KeyValue
	for i := 0; i < 300; i++ {
		many = append(many, attribute.Int(fmt.Sprint("number ", i), i))
	}
	leaf("300 attributes at the start", trace.WithAttributes(many...))
	span("300 attributes", func(_ context.Context, span trace.Span) {
		span.SetAttributes(many...)
		span.SetAttributes(attribute.Int("number 0", -1), attribute.Int("number 299", -1))
		span.AddEvent("300 attributes", trace.WithAttributes(many...))
		span.AddLink(trace.Link{SpanContext: somewhere(1), Attributes: many})
	})
	span("200 events", func(_ context.Context, span trace.Span) {
		for i := 0; i < 200; i++ {
			span.AddEvent(fmt.Sprint("event ", i), trace.WithAttributes(attribute.Int("i", i)))
		}
	})
	var links []trace.Link
	for i := byte(1); i <= 200; i++ {
		links = append(links, trace.Link{SpanContext: somewhere(i)})
	}
	leaf("200 links at the start", trace.WithLinks(links...))
	span("200 links", func(_ context.Context, span trace.Span) {
		for _, link := range links {
			span.AddLink(link)
		}
	})
	long := strings.Repeat("0123456789abcdef", 100*1024/16)
	leaf("100 KiB", trace.WithAttributes(attribute.String("long", long), attribute.StringSlice("longer", []string{long, "short"})))
	leaf("name of 1 KiB " + long[:1024])
}

func goroutines() {
	ctx, shared := tracer.Start(context.Background(), "set by eight goroutines")
	var done sync.WaitGroup
	for i := 0; i < 8; i++ {
		i := i
		done.Add(1)
		go func() {
			defer done.Done()
			for n := 0; n < 10; n++ {
				shared.SetAttributes(attribute.Int(fmt.Sprint("by ", i, " number ", n), i*n))
			}
			_, child := tracer.Start(ctx, fmt.Sprint("child on goroutine ", i))
			child.End()
		}()
	}
	done.Wait()
	shared.End()
	_, elsewhere := tracer.Start(context.Background(), "ended on another goroutine")
	ended := make(chan struct{})
	go func() {
		elsewhere.End()
		close(ended)
	}()
	<-ended
	// All at once: one of them ends it.
	_, contended := tracer.Start(context.Background(), "ended by eight goroutines")
	for i := 0; i < 8; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			contended.End()
		}()
	}
	done.Wait()
}
