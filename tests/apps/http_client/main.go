// http_client sends requests to servers of its own in as many ways as a client can end: HTTP/1, HTTP/2 of the standard
// library and of golang.org/x/net, errors, redirects, cancelled requests, panics through the client's functions, on
// goroutines whose stacks grow meanwhile.
//
// It prints "ready", waits for a line on standard input, sends, waits until everything is quiet, prints how many
// requests ended how, and exits.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

var (
	workers = flag.Int("workers", 8, "goroutines that send at the same time")
	rounds  = flag.Int("rounds", 8, "how often each worker sends one request of each kind")

	answered, failed, panicked atomic.Int64
)

func main() {
	flag.Parse()
	fmt.Println("ready")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		log.Fatal(err)
	}
	before := runtime.NumGoroutine()
	plain, secure := serve(false), serve(true)
	clients := newClients()
	var working sync.WaitGroup
	for worker := 0; worker < *workers; worker++ {
		worker := worker
		working.Add(1)
		go func() {
			defer working.Done()
			for round := 0; round < *rounds; round++ {
				for _, client := range clients {
					for _, kind := range kinds {
						once(client, kind, round*37+worker*11, plain.url, secure.url)
					}
				}
			}
		}()
	}
	working.Wait()
	for _, client := range clients {
		client.CloseIdleConnections()
	}
	plain.server.Close()
	secure.server.Close()
	for deadline := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			buffer := make([]byte, 1<<16)
			log.Fatalf("not quiet: %s", buffer[:runtime.Stack(buffer, true)])
		}
	}
	fmt.Println("answered", answered.Load(), "failed", failed.Load(), "panicked", panicked.Load())
}

// once sends one request on a goroutine of its own, whose stack has any depth.
func once(client *http.Client, kind kind, depth int, plain, secure string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if recover() != nil {
				panicked.Add(1)
			}
		}()
		grow(depth%50, func() {
			if err := kind(client, plain, secure); err != nil {
				failed.Add(1)
			} else {
				answered.Add(1)
			}
		})
	}()
	<-done
}

// grow calls f with depth frames of more than 128 bytes above it.
//
//go:noinline
func grow(depth int, f func()) int {
	var frame [20]int
	frame[depth%20] = depth
	if depth == 0 {
		f()
		return frame[0]
	}
	return grow(depth-1, f) + frame[depth%20]
}

type kind func(client *http.Client, plain, secure string) error

var kinds = []kind{
	func(client *http.Client, plain, _ string) error { return get(client, plain+"/hello") },
	func(client *http.Client, _, secure string) error { return get(client, secure+"/hello") },
	func(client *http.Client, _, secure string) error {
		answer, err := client.Post(secure+"/echo", "text/plain", strings.NewReader(strings.Repeat("body", 1000)))
		return finish(answer, err)
	},
	func(client *http.Client, plain, _ string) error {
		answer, err := client.Post(plain+"/echo", "text/plain", strings.NewReader("body"))
		return finish(answer, err)
	},
	func(client *http.Client, plain, _ string) error { return get(client, plain+"/redirect") },
	func(client *http.Client, _, secure string) error { return get(client, secure+"/circle") },
	func(client *http.Client, plain, _ string) error { return get(client, plain+"/panic") },
	func(client *http.Client, _, secure string) error { return get(client, secure+"/abort") },
	func(client *http.Client, plain, _ string) error { return get(client, plain+"/deep") },
	func(client *http.Client, _, secure string) error { return get(client, secure+"/deep") },
	func(client *http.Client, _, _ string) error { return get(client, "nothing://nowhere") },
	func(client *http.Client, _, _ string) error { return get(client, "http://127.0.0.1:1/refused") },
	func(client *http.Client, plain, _ string) error { return get(client, plain+"/nowhere/at/all") },
	func(client *http.Client, plain, _ string) error {
		return withHeader(client, plain, "X-Odd", "line\nbreak")
	},
	func(client *http.Client, _, secure string) error { return withHeader(client, secure, "Odd name", "x") },
	func(client *http.Client, _, secure string) error {
		return withHeader(client, secure, "X-Ordinary", "x")
	},
	func(client *http.Client, plain, _ string) error { return cancelled(client, plain+"/sleep") },
	func(client *http.Client, _, secure string) error { return cancelled(client, secure+"/sleep") },
	func(client *http.Client, plain, _ string) error { return cancelledBefore(client, plain+"/hello") },
	func(client *http.Client, _, secure string) error { return cancelledBefore(client, secure+"/hello") },
	func(client *http.Client, plain, _ string) error { return get(client, plain+"/hello?panic=proxy") },
	func(client *http.Client, _, secure string) error {
		return get(client, secure+"/hello?panic=round-trip")
	},
	func(client *http.Client, plain, _ string) error {
		request, err := http.NewRequest("PUT", plain+"/echo", &brokenBody{})
		if err != nil {
			return err
		}
		return finish(client.Do(request))
	},
	func(client *http.Client, _, _ string) error {
		return finish(client.Do(&http.Request{URL: nil, Header: http.Header{}}))
	},
}

func get(client *http.Client, url string) error { return finish(client.Get(url)) }

func finish(answer *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

func withHeader(client *http.Client, url, name, value string) error {
	request, err := http.NewRequest("GET", url+"/hello", nil)
	if err != nil {
		return err
	}
	request.Header[name] = []string{value}
	return finish(client.Do(request))
}

func cancelled(client *http.Client, url string) error {
	limited, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	return within(limited, client, url)
}

func cancelledBefore(client *http.Client, url string) error {
	limited, cancel := context.WithCancel(context.Background())
	cancel()
	return within(limited, client, url)
}

func within(limits context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(limits, "GET", url, nil)
	if err != nil {
		return err
	}
	return finish(client.Do(request))
}

// brokenBody fails after some bytes.
type brokenBody struct{ read bool }

func (b *brokenBody) Read(buffer []byte) (int, error) {
	if b.read {
		return 0, errors.New("broken as intended")
	}
	b.read = true
	return copy(buffer, "some"), nil
}

// panicking panics in front of a transport, where the request asks for it.
type panicking struct{ http.RoundTripper }

func (p panicking) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.URL.Query().Get("panic") == "round-trip" {
		panic("round trip as asked")
	}
	return p.RoundTripper.RoundTrip(request)
}

func (p panicking) CloseIdleConnections() {
	(&http.Client{Transport: p.RoundTripper}).CloseIdleConnections()
}

func newClients() []*http.Client {
	trusting := func() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }
	proxy := func(request *http.Request) (*url.URL, error) {
		if request.URL.Query().Get("panic") == "proxy" {
			panic("proxy as asked")
		}
		return nil, nil
	}
	one := &http.Transport{TLSClientConfig: trusting(), Proxy: proxy, MaxIdleConnsPerHost: 4}
	two := &http.Transport{TLSClientConfig: trusting(), Proxy: proxy, ForceAttemptHTTP2: true}
	other := &http2.Transport{TLSClientConfig: trusting()}
	return []*http.Client{{Transport: panicking{one}}, {Transport: two, Timeout: 10 * time.Second}, {Transport: panicking{other}}}
}

type served struct {
	server *http.Server
	url    string
}

func serve(secure bool) served {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: routes(), ErrorLog: log.New(io.Discard, "", 0)}
	if !secure {
		go server.Serve(listener)
		return served{server, "http://" + listener.Addr().String()}
	}
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate()}}
	go server.ServeTLS(listener, "", "")
	return served{server, "https://" + listener.Addr().String()}
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("as asked") })
	mux.HandleFunc("/abort", func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	mux.HandleFunc("/deep", func(w http.ResponseWriter, r *http.Request) {
		grow(200, func() { fmt.Fprint(w, "deep") })
	})
	mux.HandleFunc("/sleep", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.Handle("/redirect", http.RedirectHandler("/hello", http.StatusFound))
	mux.Handle("/circle", http.RedirectHandler("/circle", http.StatusFound))
	return mux
}
