// app is traced: its front is a server that sends a request to its back, another server, by HTTP/1, HTTP/2 or gRPC.
//
// It prints "listening <address>", and exits on SIGTERM. The body of a response of the front is the traceparent that the back has got.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// callC calls a function in C, where there is one.
var callC = func() {}

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Traceparent"))
	})
	back := "http://" + serve(answer)
	newer := httptest.NewUnstartedServer(answer)
	newer.EnableHTTP2 = true
	newer.StartTLS()
	calls := backByGRPC()
	mux := http.NewServeMux()
	mux.HandleFunc("/direct", func(w http.ResponseWriter, r *http.Request) { forward(w, r, http.DefaultClient, back) })
	mux.HandleFunc("/http2", func(w http.ResponseWriter, r *http.Request) { forward(w, r, newer.Client(), newer.URL) })
	mux.HandleFunc("/grpc", func(w http.ResponseWriter, r *http.Request) { call(w, r, calls) })
	mux.HandleFunc("/goroutine", func(w http.ResponseWriter, r *http.Request) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			grown(40, func() { forward(w, r, http.DefaultClient, back) })
		}()
		callC()
		<-done
	})
	mux.HandleFunc("/nil", func(http.ResponseWriter, *http.Request) {
		var request *http.Request
		fmt.Println(request.URL)
	})
	fmt.Println("listening", serve(mux))
	// Stacks move and shrink meanwhile.
	go func() {
		for range time.Tick(20 * time.Millisecond) {
			runtime.GC()
		}
	}()
	<-stop
}

func serve(handler http.Handler) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(listener)
	return listener.Addr().String()
}

// grown calls f on a stack that has grown.
func grown(depth int, f func()) {
	var room [512]byte
	if depth == 0 {
		f()
	} else {
		grown(depth-1, f)
	}
	runtime.KeepAlive(&room)
}

// forward sends a request to the back, and passes on what that says.
func forward(w http.ResponseWriter, r *http.Request, client *http.Client, back string) {
	request, err := http.NewRequestWithContext(r.Context(), "GET", back+"/back", nil)
	if err != nil {
		log.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	io.Copy(w, response.Body)
}
