package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// How many requests are sent at the same time.
const together = 4

// The request with this number of a route is the trace with this id, and its parent the span with that one.
func traceOf(route string, number int) string { return fmt.Sprintf("%016x%016x", len(route), number+1) }
func parentOf(number int) string              { return fmt.Sprintf("%016x", number+1) }

// once is a client that sends no request again, as others do where a connection that was used before is closed without an answer.
var once = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// sendAll sends all requests to a route, several at the same time.
func sendAll(address, route string, requests int, passesOn bool) (problems []string) {
	var lock sync.Mutex
	var sending sync.WaitGroup
	numbers := make(chan int)
	for range together {
		sending.Add(1)
		go func() {
			defer sending.Done()
			for number := range numbers {
				if problem := send(address, route, number, passesOn); problem != "" {
					lock.Lock()
					problems = append(problems, problem)
					lock.Unlock()
				}
			}
		}()
	}
	for number := range requests {
		numbers <- number
	}
	close(numbers)
	sending.Wait()
	return problems
}

// send sends one request, whose context is passed on by what answers it.
func send(address, route string, number int, passesOn bool) string {
	request, err := http.NewRequest("GET", "http://"+address+route, nil)
	check(err)
	trace := traceOf(route, number)
	request.Header.Set("Traceparent", "00-"+trace+"-"+parentOf(number)+"-01")
	if route == "/nil" {
		// The handler panics, and the server closes the connection.
		if _, err := once.Do(request); err == nil {
			return route + " was answered"
		}
		return ""
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return route + ": " + err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Sprintf("%s: %s, %v", route, response.Status, err)
	}
	if passesOn && !strings.Contains(string(body), trace) {
		return fmt.Sprintf("%s: request %d was not passed on: %q", route, number, body)
	}
	return ""
}
