package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"runtime"
	"time"
)

var silent = log.New(io.Discard, "", 0)

// panicking is a client whose round trips panic in the middle.
var panicking = &http.Client{Transport: &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { panic("proxy as asked") }}}

// messyRoutes are requests that end in other ways than by a return.
func messyRoutes(mux *http.ServeMux) {
	mux.HandleFunc("/mess/ok", func(w http.ResponseWriter, r *http.Request) { fetch(r.Context(), target(r, "x")) })
	mux.HandleFunc("/mess/panic", func(w http.ResponseWriter, r *http.Request) {
		fetch(r.Context(), target(r, "x"))
		panic("as asked")
	})
	// The panic goes through the client's functions.
	mux.HandleFunc("/mess/panic-within", func(w http.ResponseWriter, r *http.Request) {
		request, err := http.NewRequestWithContext(r.Context(), "GET", target(r, "x"), nil)
		check(err)
		do(panicking, request)
	})
	// The same; the handler goes on, and makes another request from deeper on its stack.
	mux.HandleFunc("/mess/recovered", func(w http.ResponseWriter, r *http.Request) {
		func() {
			defer func() { recover() }()
			request, err := http.NewRequestWithContext(r.Context(), "GET", target(r, "panic"), nil)
			check(err)
			do(panicking, request)
		}()
		deeper(10, func() { fetch(r.Context(), target(r, "x")) })
	})
	mux.HandleFunc("/mess/timeout", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), time.Millisecond)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, "GET", sink+"/hang", nil)
		check(err)
		if do(http.DefaultClient, request) == nil {
			panic("an answer of /hang")
		}
	})
	mux.HandleFunc("/mess/hijack", func(w http.ResponseWriter, r *http.Request) {
		connection, _, err := w.(http.Hijacker).Hijack()
		check(err)
		defer connection.Close()
		fetch(context.Background(), target(r, "x"))
		io.WriteString(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	})
	// Two requests with one header map at once, one of which is refused.
	mux.HandleFunc("/refused", func(w http.ResponseWriter, r *http.Request) {
		header := http.Header{}
		send := func(url string) error {
			request, err := http.NewRequestWithContext(r.Context(), "GET", url, nil)
			check(err)
			request.Header = header
			return do(http.DefaultClient, request)
		}
		refused := make(chan error)
		go func() { refused <- send("http://127.0.0.1:1/") }()
		check(send(target(r, "x")))
		if <-refused == nil {
			panic("an answer of nobody")
		}
	})
	// How many goroutines there are.
	mux.HandleFunc("/goroutines", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, runtime.NumGoroutine()) })
}

// deeper calls then with depth frames above it.
//
//go:noinline
func deeper(depth int, then func()) byte {
	var room [64]byte
	if depth == 0 {
		then()
		return room[0]
	}
	room[depth%64] = deeper(depth-1, then)
	return room[(depth+1)%64]
}
