//go:build otel

package main

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
)

func spanned(ctx context.Context, called function, order *order) error {
	ctx, span := otel.Tracer("function").Start(ctx, "main.Place")
	defer span.End()
	span.SetAttributes(attribute.String("code.function.name", "main.Place"))
	return called(ctx, order)
}
