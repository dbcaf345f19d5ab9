package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"strconv"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/trace"
)

// register makes the SDK the provider, with an exporter that prints.
func register() {
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSampler(trace.AlwaysSample()), trace.WithSyncer(printing{})))
}

// printing prints each span as it ends: a line with a ScopeSpans of OTLP's JSON.
type printing struct{}

func (printing) Shutdown(context.Context) error { return nil }

type object = map[string]any

func (printing) ExportSpans(_ context.Context, spans []trace.ReadOnlySpan) error {
	for _, span := range spans {
		scope := span.InstrumentationScope()
		line, err := json.Marshal(object{
			"scope":     object{"name": scope.Name, "version": scope.Version, "attributes": listed(ofScope(scope))},
			"schemaUrl": scope.SchemaURL, "spans": []object{spanned(span)},
		})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(os.Stdout, "span %s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// ofScope are the scope's attributes, which it has since 1.32.
func ofScope(scope instrumentation.Scope) []attribute.KeyValue {
	if field := reflect.ValueOf(scope).FieldByName("Attributes"); field.IsValid() {
		set := field.Interface().(attribute.Set)
		return set.ToSlice()
	}
	return nil
}

func spanned(span trace.ReadOnlySpan) object {
	var events, links []object
	for _, event := range span.Events() {
		events = append(events, object{
			"name": event.Name, "timeUnixNano": stamp(event.Time), "attributes": listed(event.Attributes),
			"droppedAttributesCount": event.DroppedAttributeCount,
		})
	}
	for _, link := range span.Links() {
		links = append(links, object{
			"traceId": link.SpanContext.TraceID(), "spanId": link.SpanContext.SpanID(), "flags": byte(link.SpanContext.TraceFlags()),
			"traceState": link.SpanContext.TraceState().String(), "attributes": listed(link.Attributes),
			"droppedAttributesCount": link.DroppedAttributeCount,
		})
	}
	said := object{
		"name": span.Name(), "kind": int(span.SpanKind()),
		"traceId": span.SpanContext().TraceID(), "spanId": span.SpanContext().SpanID(),
		"traceState":        span.SpanContext().TraceState().String(),
		"startTimeUnixNano": stamp(span.StartTime()), "endTimeUnixNano": stamp(span.EndTime()),
		"attributes": listed(span.Attributes()), "droppedAttributesCount": span.DroppedAttributes(),
		"events": events, "droppedEventsCount": span.DroppedEvents(),
		"links": links, "droppedLinksCount": span.DroppedLinks(),
		// OTLP has these two the other way round.
		"status": object{"message": span.Status().Description, "code": map[codes.Code]int{codes.Ok: 1, codes.Error: 2}[span.Status().Code]},
	}
	if parent := span.Parent(); parent.SpanID().IsValid() {
		said["parentSpanId"] = parent.SpanID()
	}
	for name, value := range said {
		if list, is := value.([]object); is && list == nil {
			delete(said, name)
		}
	}
	return said
}

// stamp is a time that the program has set, and none otherwise.
func stamp(time time.Time) string {
	if time.After(at(1000, 0)) {
		return "0"
	}
	return strconv.FormatInt(time.UnixNano(), 10)
}

func listed(attributes []attribute.KeyValue) []object {
	list := []object{}
	for _, one := range attributes {
		list = append(list, object{"key": one.Key, "value": valued(one.Value.AsInterface())})
	}
	return list
}

// valued has the type of each value, too. What JSON has no number for is text.
func valued(value any) object {
	switch value := value.(type) {
	case nil:
		return object{}
	case bool:
		return object{"boolValue": value}
	case int64:
		return object{"intValue": strconv.FormatInt(value, 10)}
	case float64:
		if math.IsNaN(value) || math.IsInf(value, 0) {
			return object{"stringValue": fmt.Sprint(value)}
		}
		return object{"doubleValue": value}
	case string:
		return object{"stringValue": value}
	case []byte:
		return object{"bytesValue": value}
	case attribute.Value:
		return valued(value.AsInterface())
	case []attribute.KeyValue:
		return object{"kvlistValue": object{"values": listed(value)}}
	}
	list := []object{}
	for i, slice := 0, reflect.ValueOf(value); i < slice.Len(); i++ {
		list = append(list, valued(slice.Index(i).Interface()))
	}
	return object{"arrayValue": object{"values": list}}
}
