// A server that executes itself again when it is asked to, as a program does that upgrades itself.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("listening", listener.Addr())
	http.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {})
	http.HandleFunc("/again", func(w http.ResponseWriter, r *http.Request) {
		panic(syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
	})
	panic(http.Serve(listener, nil))
}
