// headers is a service whose outgoing requests can be looked at: front sends them in the ways of several libraries, and
// sink answers with the headers it has received.
//
//	headers sink                      serve HTTP/1 and, by TLS, HTTP/2; at the end, say what the traceparent headers were like
//	headers front PLAIN SECURE        serve; /via?by=LIBRARY makes a request and hands on the sink's answer
//	headers drive N C LIBRARIES PLAIN SECURE
//	                                  send N requests of all kinds from C workers, and say how many went wrong
//
// A LIBRARY is http1 or http2 (net/http), or xnet (HTTP/2 by golang.org/x/net).
// CHAIN_STRESS=1 collects garbage, grows stacks and allocates meanwhile; HEADERS_PROFILE=1 profiles the program.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/pprof"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/net/http2"
)

func main() {
	if os.Getenv("CHAIN_STRESS") != "" {
		stress()
	}
	var profile bytes.Buffer
	if os.Getenv("HEADERS_PROFILE") != "" {
		check(pprof.StartCPUProfile(&profile))
	}
	switch os.Args[1] {
	case "sink":
		sink()
	case "front":
		front(os.Args[2], os.Args[3])
	case "drive":
		drive(number(os.Args[2]), number(os.Args[3]), os.Args[4], os.Args[5], os.Args[6])
	default:
		panic("unknown role " + os.Args[1])
	}
	if os.Getenv("HEADERS_PROFILE") != "" {
		pprof.StopCPUProfile()
		fmt.Println("profile", profile.Len() > 0)
	}
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// serve prints the addresses, the first one without TLS and the second one with, and serves until SIGTERM.
func serve(handler http.Handler, addresses int) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	deadline, cancel := context.WithCancel(context.Background())
	defer cancel()
	for address := 0; address < addresses; address++ {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		check(err)
		server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
		if address == 0 {
			go server.Serve(listener)
		} else {
			server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate()}}
			go server.ServeTLS(listener, "", "")
		}
		defer server.Shutdown(deadline)
		fmt.Println("listening", listener.Addr())
	}
	<-stop
	time.AfterFunc(2*time.Second, cancel)
}

// transport is one of a LIBRARY, with connections of its own.
func transport(library string) http.RoundTripper {
	trusting := &tls.Config{InsecureSkipVerify: true}
	switch library {
	case "http1":
		return &http.Transport{MaxIdleConnsPerHost: 64}
	case "http2":
		return &http.Transport{TLSClientConfig: trusting, ForceAttemptHTTP2: true}
	case "xnet":
		return &http2.Transport{TLSClientConfig: trusting}
	default:
		panic("unknown library " + library)
	}
}

// where is the sink's address for a LIBRARY.
func where(library, plain, secure string) string {
	if library == "http1" {
		return plain
	}
	return secure
}
