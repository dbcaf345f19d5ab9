package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

type key struct{}

// held is never closed: what waits for it is open when the program ends.
var held = make(chan struct{})

// within is a mux that is given requests made of others.
func within() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/inner", func(http.ResponseWriter, *http.Request) {})
	return mux
}

// identified and authenticated replace the request, as most middlewares do.
func identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "an id")))
	})
}

func authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.Clone(context.WithValue(r.Context(), key{}, "a user")))
	})
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "hello")
	})
	mux.HandleFunc("/empty", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/status", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(number(r, "us", 0)) * time.Microsecond)
		w.WriteHeader(number(r, "code", http.StatusOK))
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("as asked") })
	mux.HandleFunc("/panic-error", func(http.ResponseWriter, *http.Request) { panic(errors.New("an error as asked")) })
	mux.HandleFunc("/panic-runtime", func(_ http.ResponseWriter, r *http.Request) {
		numbers := make([]int, 1)
		fmt.Println(numbers[number(r, "index", 7)])
	})
	mux.HandleFunc("/abort", func(w http.ResponseWriter, r *http.Request) {
		if n := number(r, "n", 0); n > 0 {
			w.Write(make([]byte, n))
			w.(http.Flusher).Flush()
		}
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/like-abort", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler.Error()) })
	mux.HandleFunc("/hijack", hijack)
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Write(body)
	})
	mux.HandleFunc("/deep", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, deep(number(r, "n", 1000)))
	})
	mux.HandleFunc("/sleep", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(time.Duration(number(r, "ms", 100)) * time.Millisecond):
		case <-r.Context().Done():
		}
	})
	mux.Handle("/wrapped", wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprint(w, r.Context().Value(key{}))
	})))
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < number(r, "n", 3); i++ {
			fmt.Fprintln(w, i)
			w.(http.Flusher).Flush()
		}
	})
	mux.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "data: first\n\n")
		w.(http.Flusher).Flush()
		<-held
	})
	mux.HandleFunc("/early", func(w http.ResponseWriter, r *http.Request) {
		// Nothing of this leaves the program before the handler has returned.
		w.WriteHeader(http.StatusOK)
		fmt.Fprintln(os.Stdout, "early")
		<-held
	})
	mux.HandleFunc("/held", func(http.ResponseWriter, *http.Request) {
		fmt.Fprintln(os.Stdout, "held")
		<-held
	})
	mux.HandleFunc("/failed", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		w.(http.Flusher).Flush()
		<-held
	})
	mux.HandleFunc("/socket", func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		buffered.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		buffered.Flush()
		<-held
	})
	mux.Handle("/api/", http.StripPrefix("/api", within()))
	mux.HandleFunc("/count", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, served.Load()) })
	addPatterns(mux)
	return mux
}

// number is the query parameter called name, or otherwise.
func number(r *http.Request, name string, otherwise int) int {
	value, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return otherwise
	}
	return value
}

// deep uses n stack frames of more than 128 bytes, so that the stack grows.
//
//go:noinline
func deep(n int) int {
	var frame [16]int
	frame[n%16] = n
	if n <= 0 {
		return 0
	}
	return deep(n-1) + frame[n%16] - n + 1
}

func hijack(w http.ResponseWriter, _ *http.Request) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		http.Error(w, "cannot be hijacked", http.StatusNotImplemented)
		return
	}
	conn, buffered, err := hijacker.Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	buffered.WriteString("HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nhijacked")
	buffered.Flush()
}

// wrapper is a ResponseWriter as many middlewares have one.
type wrapper struct {
	http.ResponseWriter
	status int
}

func (w *wrapper) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), key{}, "wrapped"))
		next.ServeHTTP(&wrapper{ResponseWriter: w}, r)
	})
}
