package main

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
)

// drive sends requests of all kinds. A worker has one library; four transports of each are shared by all workers.
func drive(requests, workers int, libraries, plain, secure string) {
	names := strings.Split(libraries, ",")
	shared := map[string][]*http.Client{}
	for _, name := range names {
		for one := 0; one < 4; one++ {
			shared[name] = append(shared[name], &http.Client{Transport: transport(name)})
		}
	}
	var left, failed atomic.Int64
	left.Store(int64(requests))
	var working sync.WaitGroup
	for worker := 0; worker < workers; worker++ {
		library := names[worker%len(names)]
		client := shared[library][worker/len(names)%4]
		working.Add(1)
		go func() {
			defer working.Done()
			for number := left.Add(-1); number >= 0; number = left.Add(-1) {
				number := int(number)
				// Each on a goroutine of its own, whose stack grows within the library's functions.
				done := make(chan error)
				go deep(number%97, func() { done <- send(client, library, number, where(library, plain, secure)) })
				if err := <-done; err != nil {
					failed.Add(1)
					fmt.Println("failed", number, err)
				}
			}
		}()
	}
	working.Wait()
	fmt.Println("sent", requests, "failed", failed.Load())
}

// send makes a request, whose kind its number says, and compares what the sink has received with what was sent.
func send(client *http.Client, library string, number int, url string) error {
	kind := number % 10
	method, text := "GET", ""
	var body io.Reader
	if kind == 3 || kind == 4 {
		method, text = "POST", fmt.Sprint("body of ", number)
		body = strings.NewReader(text)
	}
	request, err := http.NewRequest(method, url, body)
	check(err)
	request.Header.Set("X-Library", library)
	request.Header.Set("X-Kind", fmt.Sprint(kind))
	trailer := ""
	switch kind {
	case 0: // the first request of a connection
		client = &http.Client{Transport: transport(library)}
		defer client.CloseIdleConnections()
	case 1:
		own := make([]byte, 24)
		rand.Read(own)
		value := "00-" + hex.EncodeToString(own[:16]) + "-" + hex.EncodeToString(own[16:]) + "-01"
		request.Header.Set("Traceparent", value)
		request.Header.Set("X-Own", value)
	case 2:
		request.Header.Set("X-Large", large(number))
	case 4:
		trailer = fmt.Sprint("trailer of ", number)
		request.ContentLength = -1
		request.Trailer = http.Header{"X-Trailer": {trailer}}
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var got answer
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		return err
	}
	io.Copy(io.Discard, response.Body)
	return compare(request, &got, text, trailer)
}

// large is a header's value of 3,000 bytes.
func large(number int) string {
	return strings.Repeat(fmt.Sprintf("%09d,", number), 300)
}

// added are headers that the libraries and the launcher add.
var added = map[string]bool{"Accept-Encoding": true, "User-Agent": true, "Content-Length": true, "Traceparent": true}

func compare(request *http.Request, got *answer, body, trailer string) error {
	for name := range request.Header {
		if strings.Join(got.Headers[name], "|") != strings.Join(request.Header[name], "|") {
			return fmt.Errorf("%s is %q", name, got.Headers[name])
		}
	}
	for name := range got.Headers {
		if request.Header[name] == nil && !added[name] {
			return fmt.Errorf("%s is nobody's", name)
		}
	}
	if got.Body != body || strings.Join(got.Trailers["X-Trailer"], "|") != trailer {
		return fmt.Errorf("body %q, trailers %q", got.Body, got.Trailers)
	}
	return nil
}
