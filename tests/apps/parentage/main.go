// parentage is a server whose handlers make requests in every way a program may hand its work from one goroutine to
// another, for tests of whose children these requests are.
//
//	parentage URL    serve; /KIND?id=N makes its requests to URL/KIND/N/…
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// sink is where requests go.
var sink string

func main() {
	sink = os.Args[1]
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 64
	startPool(8)
	startDispatcher()
	mux := http.NewServeMux()
	contextRoutes(mux)
	goroutineRoutes(mux)
	messyRoutes(mux)
	afterwardsRoutes(mux)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	server := &http.Server{Handler: mux, ErrorLog: silent}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go server.Serve(listener)
	fmt.Println("listening", listener.Addr())
	<-stop
	deadline, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	server.Shutdown(deadline)
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// id is what tells one request from all others.
func id(r *http.Request) string { return r.URL.Query().Get("id") }

// target is where a handler's request goes; what tells several requests of one handler apart.
func target(r *http.Request, what string) string {
	return sink + r.URL.Path + "/" + id(r) + "/" + what
}

// fetch makes a request; a failure ends the program.
func fetch(ctx context.Context, url string) {
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	check(err)
	check(do(http.DefaultClient, request))
}

func do(client *http.Client, request *http.Request) error {
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// job is a request that a worker is to make.
type job struct {
	request *http.Request
	done    chan struct{}
}

// jobs go to workers that main has started before there was any request.
var jobs = make(chan job)

func startPool(workers int) {
	for worker := 0; worker < workers; worker++ {
		go func() {
			for job := range jobs {
				check(do(http.DefaultClient, job.request))
				close(job.done)
			}
		}()
	}
}

// byWorker has a worker make the request, and waits for it: nothing but the context ties it to the handler.
func byWorker(ctx context.Context, url string) {
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	check(err)
	sendByWorker(request)
}

func sendByWorker(request *http.Request) {
	job := job{request, make(chan struct{})}
	jobs <- job
	<-job.done
}

// dispatched are requests of nobody, made on goroutines that the dispatcher starts.
var dispatched = make(chan dispatch)

type dispatch struct {
	url  string
	done *sync.WaitGroup
}

func startDispatcher() {
	go func() {
		for one := range dispatched {
			one := one
			go func() {
				defer one.done.Done()
				fetch(context.Background(), one.url)
			}()
		}
	}()
}
