// http_server is an HTTP server with a route for every way in which a handler can end.
// It prints "listening <address>" for each open port, in the order of the flags, and exits on SIGTERM.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	addr     = flag.String("addr", "", "serve plain HTTP/1 on `host:port`; port 0 takes a free one")
	addr2    = flag.String("addr2", "", "a second plain server in the same program")
	tlsAddr  = flag.String("tls-addr", "", "serve TLS with HTTP/2 and HTTP/1, self-signed")
	h2cAddr  = flag.String("h2c-addr", "", "serve HTTP/2 without TLS (Go 1.24 and newer)")
	replaced = flag.Bool("replaced", false, "middlewares that replace the request stand before the mux")
	grace    = flag.Duration("grace", 2*time.Second, "wait for requests so long after SIGTERM")
	unaware  = flag.Bool("unaware", false, "SIGTERM is not handled")
	exitCode = flag.Int("exit-code", 0, "exit with this code after SIGTERM")

	// served counts requests to all routes but /count.
	served atomic.Int64
)

func main() {
	flag.Parse()
	stop := make(chan os.Signal, 1)
	if !*unaware {
		signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	}

	handler := counted(routes())
	if *replaced {
		handler = identified(authenticated(handler))
	}
	var servers []*http.Server
	start := func(address string, serve func(*http.Server, net.Listener) error) {
		if address == "" {
			return
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			log.Fatal(err)
		}
		server := &http.Server{Handler: handler, ErrorLog: log.New(os.Stderr, "", 0)}
		servers = append(servers, server)
		fmt.Println("listening", listener.Addr())
		go func() {
			if err := serve(server, listener); err != http.ErrServerClosed {
				log.Fatal(err)
			}
		}()
	}
	start(*addr, (*http.Server).Serve)
	start(*addr2, (*http.Server).Serve)
	start(*tlsAddr, serveTLS)
	start(*h2cAddr, serveH2C)

	<-stop
	deadline, cancel := context.WithTimeout(context.Background(), *grace)
	defer cancel()
	for _, server := range servers {
		_ = server.Shutdown(deadline)
	}
	os.Exit(*exitCode)
}

// counted counts a request when its handler has returned or panicked.
func counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/count" {
			defer served.Add(1)
		}
		next.ServeHTTP(w, r)
	})
}
