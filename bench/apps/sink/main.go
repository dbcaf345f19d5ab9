// sink answers every request: by HTTP/1 at one URL, by HTTP/2 over TLS at another. It ends with its standard input.
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
)

func main() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && r.ProtoMajor != 2 {
			http.Error(w, "not what is to be measured", http.StatusHTTPVersionNotSupported)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"message":"hello"}`)
	})
	plain := httptest.NewServer(handler)
	secure := httptest.NewUnstartedServer(handler)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	fmt.Println("plain", plain.URL)
	fmt.Println("secure", secure.URL)
	_, _ = io.Copy(io.Discard, os.Stdin)
}
