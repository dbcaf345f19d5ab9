//go:build newest

package main

import "go.opentelemetry.io/otel/baggage"

// forbidden has keys that the API allows and the header does not.
func forbidden() []baggage.Member {
	bad, err := baggage.NewKeyValuePropertyRaw("a b", "1")
	check(err)
	return []baggage.Member{
		member("own", "1"), member("a\r\nX-Other: b", "2"), member("schlüssel", "3"), member("with", "4", bad),
	}
}
