// client sends requests to the URL that is its argument, as it is told over its listener (subject.Obey).
package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"strings"

	"example.com/bench/subject"
)

func main() {
	subject.Run(func(listener net.Listener) {
		url := os.Args[1]
		client := newClient(strings.HasPrefix(url, "https:"))
		subject.Obey(listener, func() error {
			request, err := http.NewRequest(http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			request.Header.Set("Accept", "application/json")
			return subject.Send(client, request)
		})
	})
}

// newClient makes a client of HTTP/2, or of HTTP/1, with connections for all workers.
func newClient(secure bool) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 128}
	if secure {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		transport.ForceAttemptHTTP2 = true
	}
	return &http.Client{Transport: subject.Transport(transport)}
}
