// many_open serves as many requests at the same time as its argument says, by HTTP/2 over pipes of its own memory: all handlers wait until the
// last request has come, and each answers with a status that its number decides, no more than 10,000 a second: no exporter takes them all at
// once. It prints "listening 127.0.0.1:0" before the first, for
// whoever waits for that, and "served N" at the end.
package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// pipes is a listener whose connections are pipes.
type pipes struct{ accept chan net.Conn }

func (p *pipes) Accept() (net.Conn, error) {
	connection, ok := <-p.accept
	if !ok {
		return nil, errors.New("closed")
	}
	return connection, nil
}
func (p *pipes) Close() error   { return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

func (p *pipes) dial(_, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p.accept <- theirs
	return ours, nil
}

// release lets handlers go on, one after the other.
func release(goOn chan<- struct{}, count int) {
	const atOnce = 100
	for number := range count {
		goOn <- struct{}{}
		if number%atOnce == 0 {
			time.Sleep(atOnce * time.Second / 10_000)
		}
	}
}

func main() {
	count, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	const connections = 50
	listener := &pipes{make(chan net.Conn)}
	var open atomic.Int64
	goOn := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if open.Add(1) == int64(count) {
			go release(goOn, count)
		}
		<-goOn
		number, _ := strconv.Atoi(r.URL.RawQuery)
		w.WriteHeader(200 + number%100)
	})
	server := &http.Server{Handler: handler, Protocols: new(http.Protocols), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 10_000}}
	server.Protocols.SetUnencryptedHTTP2(true)
	go server.Serve(listener)
	fmt.Println("listening 127.0.0.1:0")
	var done sync.WaitGroup
	var served atomic.Int64
	for connection := range connections {
		transport := &http.Transport{Dial: listener.dial, Protocols: new(http.Protocols)}
		transport.Protocols.SetUnencryptedHTTP2(true)
		for number := connection; number < count; number += connections {
			done.Add(1)
			go func() {
				defer done.Done()
				request, _ := http.NewRequest("GET", fmt.Sprintf("http://many/?%d", number), nil)
				response, err := transport.RoundTrip(request)
				if err != nil {
					panic(err)
				}
				response.Body.Close()
				if response.StatusCode == 200+number%100 {
					served.Add(1)
				}
			}()
		}
	}
	done.Wait()
	fmt.Println("served", served.Load())
}
