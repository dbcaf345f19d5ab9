// frameworks serves HTTP by each framework that it knows, on an address of its own for each, which it prints ("listening <address>") in the
// order of the names behind it, and exits on SIGTERM:
//
//	frameworks NAME...
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"example.com/frameworks/a"
)

// frameworks start servers, by their names, and return their addresses.
var frameworks = map[string]func() string{
	"go-zero": serveGoZero,
	"kratos":  func() string { return serve(newKratos()) },
}

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	for _, name := range os.Args[1:] {
		fmt.Fprintln(a.Stdout, "listening", frameworks[name]())
	}
	<-stop
	os.Exit(0)
}

// serve serves by net/http itself.
func serve(handler http.Handler) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(listener, handler)
	return listener.Addr().String()
}

// traced is a function of which a test wants spans.
//
//go:noinline
func traced(w http.ResponseWriter) {
	fmt.Fprint(w, "found")
}
