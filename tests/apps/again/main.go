// A server that executes itself again when it is asked to, by its first thread or another, as a program does that upgrades itself.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"syscall"
)

// The main goroutine stays on the thread that leads the process.
func init() { runtime.LockOSThread() }

func executeAgain() {
	panic(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("listening", listener.Addr())
	http.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {})
	again := make(chan struct{})
	http.HandleFunc("/again", func(w http.ResponseWriter, r *http.Request) {
		close(again)
		select {}
	})
	http.HandleFunc("/again-by-another-thread", func(w http.ResponseWriter, r *http.Request) { executeAgain() })
	http.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
		request, err := http.NewRequestWithContext(r.Context(), "GET", "http://"+listener.Addr().String()+"/hello", nil)
		if err != nil {
			panic(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			panic(err)
		}
		response.Body.Close()
	})
	go http.Serve(listener, nil)
	<-again
	executeAgain()
}
