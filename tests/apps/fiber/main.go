// fiber serves HTTP by each version of fiber that it knows, on an address of its own for each, which it prints ("listening <address>") in the
// order of the names behind it, and exits on SIGTERM:
//
//	fiber NAME...
//
// With the build tag newest it has fiber 3, which old versions of Go cannot build.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

// servers serve a listener, by their names.
var servers = map[string]func(listener net.Listener) error{"fiber2": serve2}

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	for _, name := range os.Args[1:] {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		check(err)
		fmt.Println("listening", listener.Addr())
		go func(name string) { check(servers[name](listener)) }(name)
	}
	<-stop
}

// get sends a request to the server at this address, which says what arrives of its parent.
func get(ctx context.Context, address string) string {
	request, err := http.NewRequestWithContext(ctx, "GET", "http://"+address+"/said", nil)
	check(err)
	response, err := http.DefaultClient.Do(request)
	check(err)
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	check(err)
	return string(said)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
