package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

func events() {
	span("events", func(_ context.Context, span trace.Span) {
		span.AddEvent("bare")
		span.AddEvent("")
		span.AddEvent("with attributes", trace.WithAttributes(everyType()...))
		span.AddEvent("at a time", trace.WithTimestamp(at(2, 3)))
		span.AddEvent("with both", trace.WithTimestamp(at(1, 0)), trace.WithAttributes(attribute.Int("n", 1)))
		span.AddEvent("bare")
	})
}

// refused is an error of a type of its own.
type refused struct{ code int }

func (r refused) Error() string { return fmt.Sprint("refused: ", r.code) }

func errorEvents() {
	span("errors", func(_ context.Context, span trace.Span) {
		span.RecordError(nil)
		span.RecordError(errors.New("plain"))
		span.RecordError(fmt.Errorf("wrapped: %w", errors.New("plain")))
		span.RecordError(refused{7})
		span.RecordError(&refused{8}, trace.WithTimestamp(at(5, 0)), trace.WithAttributes(attribute.Bool("mine", true)))
		span.RecordError(errors.Join(errors.New("one"), errors.New("two")))
		span.RecordError(errors.New(""))
	})
	span("error with a stack", func(_ context.Context, span trace.Span) {
		span.RecordError(errors.New("plain"), trace.WithStackTrace(true))
	})
	span("long error", func(_ context.Context, span trace.Span) {
		message := strings.Repeat("0123456789abcdef", 20*1024/16)
		span.RecordError(errors.New(message))
		span.SetStatus(codes.Error, message)
	})
}

// statuses are set one after the other.
func statuses() {
	type status struct {
		code    codes.Code
		message string
	}
	for name, all := range map[string][]status{
		"status error":             {{codes.Error, "was <refused>"}},
		"status error without":     {{codes.Error, ""}},
		"status ok":                {{codes.Ok, ""}},
		"status ok with":           {{codes.Ok, "not said"}},
		"status unset":             {{codes.Unset, ""}},
		"status error then ok":     {{codes.Error, "first"}, {codes.Ok, ""}},
		"status ok then error":     {{codes.Ok, ""}, {codes.Error, "second"}},
		"status error then unset":  {{codes.Error, "first"}, {codes.Unset, ""}},
		"status error then error":  {{codes.Error, "first"}, {codes.Error, "second"}},
		"status unset with":        {{codes.Unset, "not said"}},
		"status ok then unset":     {{codes.Ok, ""}, {codes.Unset, ""}},
		"status that is no status": {{codes.Error, "first"}, {codes.Code(7), "seventh"}},
	} {
		all := all
		span(name, func(_ context.Context, span trace.Span) {
			for _, one := range all {
				span.SetStatus(one.code, one.message)
			}
		})
	}
}
