//go:build !newest

package main

import "go.opentelemetry.io/otel/baggage"

// Older versions allow no such keys.
func forbidden() []baggage.Member { return []baggage.Member{member("own", "1"), member("with", "4")} }
