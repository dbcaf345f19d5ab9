package main

import (
	"io"
	"net/http"
	"strings"
)

// front makes a request for each it gets. A header `X-Set: name: value` sets one of the request, as it is written.
func front(plain, secure string) {
	clients := map[string]*http.Client{}
	for _, library := range []string{"http1", "http2", "xnet"} {
		clients[library] = &http.Client{Transport: transport(library)}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/via", func(w http.ResponseWriter, r *http.Request) {
		library := r.URL.Query().Get("by")
		request, err := http.NewRequestWithContext(r.Context(), "GET", where(library, plain, secure), nil)
		check(err)
		for _, header := range r.Header["X-Set"] {
			name, value, _ := strings.Cut(header, ": ")
			request.Header[name] = append(request.Header[name], value)
		}
		response, err := clients[library].Do(request)
		check(err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		check(err)
		w.Write(body)
	})
	serve(mux, 2)
}
