// stress is an HTTP server to which everything happens at once that a program can do to itself: collections, stacks written out,
// profiles, signals, panics, children, C threads. Each request to /WHAT/NUMBER is answered with 200 if what should happen has happened.
// It prints "listening <address>", and at the end, after SIGTERM, what it has counted.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/pprof"
	"strings"
	"syscall"
)

var (
	collect  = flag.Bool("collect", false, "collect garbage and write stacks out all the time")
	profile  = flag.String("profile", "", "profile at 1 kHz, into `file`")
	urgent   = flag.Int("urgent", 0, "send so many SIGURG a second to the program's own threads")
	notify   = flag.Bool("notify", false, "be notified of SIGSEGV and SIGBUS")
	children = flag.Bool("children", false, "start children all the time")
	chain    = flag.Bool("chain", false, "install a handler for SIGSEGV that calls Go's (cgo)")
	threads  = flag.Int("threads", 0, "so many C threads call into Go 1,000 times a second each (cgo)")
	fork     = flag.Bool("fork", false, "fork all the time, and execute nothing (cgo)")
)

func main() {
	flag.Parse()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if *notify {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGSEGV, syscall.SIGBUS)
	}
	end := disturb()
	withC()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", listener.Addr())
	go func() { log.Fatal(http.Serve(listener, routes())) }()
	<-stop
	end()
	fmt.Println("urgent", sent.Load(), "children", started.Load(), "stacks", stacks.Load())
	printC()
}

// routes answers by the first part of the path.
func routes() http.Handler {
	handlers := map[string]func() bool{
		"ok":    func() bool { return true },
		"nil":   func() bool { return strings.Contains(caught(dereference), "nil pointer dereference") },
		"panic": func() bool { return caught(func() { deep(20, func() { panic("as asked") }) }) == "as asked" },
		"deep":  func() bool { deep(300, func() {}); return true },
		"alloc": func() bool { return allocate(2000) },
		"out":   func() bool { panic(http.ErrAbortHandler) },
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		handler, ok := handlers[name]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if !handler() {
			http.Error(w, "it did not happen", http.StatusInternalServerError)
			return
		}
		fmt.Fprintln(w, r.URL.Path)
	})
}

// startProfile returns what ends it.
func startProfile(path string) func() {
	file, err := os.Create(path)
	if err != nil {
		log.Fatal(err)
	}
	profileAt(1000)
	if err := pprof.StartCPUProfile(file); err != nil {
		log.Fatal(err)
	}
	return func() {
		pprof.StopCPUProfile()
		if err := file.Close(); err != nil {
			log.Fatal(err)
		}
	}
}
