// bench_server is a small JSON server that says when it started and when it exits, in nanoseconds of CLOCK_MONOTONIC.
package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

// monotonic is the clock that the benchmark reads too; time.Now does not tell its value.
func monotonic() int64 {
	var now syscall.Timespec
	const clockMonotonic = 1
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano()
}

type greeting struct {
	Message string   `json:"message"`
	Items   []string `json:"items"`
	At      int64    `json:"at"`
}

func main() {
	started := monotonic()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	http.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(greeting{"hello", []string{"one", "two", "three"}, time.Now().Unix()})
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("started", started)
	fmt.Println("pid", os.Getpid())
	fmt.Println("go", runtime.Version())
	fmt.Println("listening", listener.Addr())
	go func() { _ = http.Serve(listener, nil) }()
	<-stop
	fmt.Println("exiting", monotonic())
	os.Exit(0)
}
