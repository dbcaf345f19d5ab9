// server is a small JSON server.
package main

import (
	"encoding/json"
	"net"
	"net/http"
	"time"

	"example.com/bench/subject"
)

type greeting struct {
	Message string   `json:"message"`
	Items   []string `json:"items"`
	At      int64    `json:"at"`
}

func main() {
	subject.Run(func(listener net.Listener) {
		http.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(greeting{"hello", []string{"one", "two", "three"}, time.Now().Unix()})
		})
		_ = http.Serve(listener, subject.Handler(http.DefaultServeMux, "server"))
	})
}
