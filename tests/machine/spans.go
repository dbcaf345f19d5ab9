package main

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/http"
	"sync"
)

// span is what matters here of a span of OTLP.
type span struct {
	trace, id, parent, name string
	// The attribute network.peer.address.
	peer string
	// 2 is a server's, 3 a client's (opentelemetry/proto/trace/v1/trace.proto).
	kind       uint64
	begin, end uint64
}

// receiver takes spans by OTLP over HTTP.
type receiver struct {
	sync.Mutex
	spans []span
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Lock()
	defer r.Unlock()
	// ExportTraceServiceRequest.resource_spans, ResourceSpans.scope_spans, ScopeSpans.spans.
	for _, resource := range messages(body, 1) {
		for _, scope := range messages(resource, 2) {
			for _, message := range messages(scope, 2) {
				r.spans = append(r.spans, parsed(message))
			}
		}
	}
}

// taken returns the spans so far, and forgets them.
func (r *receiver) taken() []span {
	r.Lock()
	defer r.Unlock()
	spans := r.spans
	r.spans = nil
	return spans
}

func parsed(message []byte) (s span) {
	fields(message, func(number, value uint64, bytes []byte) {
		switch number {
		case 1:
			s.trace = hex.EncodeToString(bytes)
		case 2:
			s.id = hex.EncodeToString(bytes)
		case 4:
			s.parent = hex.EncodeToString(bytes)
		case 5:
			s.name = string(bytes)
		case 6:
			s.kind = value
		case 7:
			s.begin = value
		case 8:
			s.end = value
		case 9:
			if name, text := attribute(bytes); name == "network.peer.address" {
				s.peer = text
			}
		}
	})
	return s
}

// attribute returns the name of an attribute, and its value where that is a string (opentelemetry/proto/common/v1/common.proto).
func attribute(message []byte) (name, text string) {
	fields(message, func(number, _ uint64, bytes []byte) {
		switch number {
		case 1:
			name = string(bytes)
		case 2:
			fields(bytes, func(number, _ uint64, bytes []byte) {
				if number == 1 {
					text = string(bytes)
				}
			})
		}
	})
	return name, text
}

// messages returns the fields with this number, which are messages.
func messages(message []byte, wanted uint64) (found [][]byte) {
	fields(message, func(number, _ uint64, bytes []byte) {
		if number == wanted {
			found = append(found, bytes)
		}
	})
	return found
}

// fields calls f for each field of a message of Protocol Buffers.
func fields(message []byte, f func(number, value uint64, bytes []byte)) {
	for len(message) > 0 {
		key, n := binary.Uvarint(message)
		if n <= 0 {
			return
		}
		message = message[n:]
		var value uint64
		var bytes []byte
		switch key & 7 {
		case 0, 2:
			value, n = binary.Uvarint(message)
			if n <= 0 {
				return
			}
			message = message[n:]
			if key&7 == 2 {
				bytes, message = message[:value], message[value:]
			}
		case 1:
			value, message = binary.LittleEndian.Uint64(message), message[8:]
		case 5:
			value, message = uint64(binary.LittleEndian.Uint32(message)), message[4:]
		}
		f(key>>3, value, bytes)
	}
}
