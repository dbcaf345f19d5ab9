// Package subject is what the programs under test have in common: they say when they started and when they exit, in
// nanoseconds of CLOCK_MONOTONIC, and where they listen. Built with the tag otel, they are instrumented by hand with the
// OpenTelemetry SDK.
package subject

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"unsafe"
)

// Run serves on a free port until SIGTERM. It is the first statement of main. What an SDK is set up and flushed for belongs to
// the delays, as what the launcher does belongs to them.
func Run(serve func(net.Listener)) {
	flush := instrument()
	started := monotonic()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("started", started)
	fmt.Println("pid", os.Getpid())
	fmt.Println("listening", listener.Addr())
	go serve(listener)
	<-stop
	fmt.Println("exiting", monotonic())
	flush()
	os.Exit(0)
}

// Send sends a request and reads the whole answer.
func Send(client *http.Client, request *http.Request) error {
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", request.URL, answer.Status)
	}
	_, err = io.Copy(io.Discard, answer.Body)
	return err
}

// monotonic is the clock that the benchmark reads too; time.Now does not tell its value.
func monotonic() int64 {
	var now syscall.Timespec
	const clockMonotonic = 1
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
	return now.Nano()
}
