// fan_out is a server that sends two requests at the same time for each one it gets, to the URL that is its argument.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"

	"example.com/bench/subject"
)

func main() {
	subject.Run(func(listener net.Listener) {
		client := &http.Client{Transport: subject.Transport(&http.Transport{MaxIdleConnsPerHost: 128})}
		http.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
			if err := both(r.Context(), client, os.Args[1]); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			fmt.Fprintln(w, "both have answered")
		})
		_ = http.Serve(listener, subject.Handler(http.DefaultServeMux, "fan_out"))
	})
}

// both sends two requests, each on a goroutine of its own.
func both(ctx context.Context, client *http.Client, url string) error {
	ends := make(chan error, 2)
	for i := 0; i < 2; i++ {
		go func() {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err == nil {
				err = subject.Send(client, request)
			}
			ends <- err
		}()
	}
	one, two := <-ends, <-ends
	if one != nil {
		return one
	}
	return two
}
