// services are the parts of a chain of services.
//
//	services backend             serve HTTP/1
//	services secure              serve HTTP/2 by TLS
//	services front PLAIN SECURE  serve; each request makes one to PLAIN and one to SECURE at the same time
//	services drop URL            serve; each request makes one to URL, without a header
//	services hand-on URL         the same, with the headers that came
//	services proxy URL           a reverse proxy of the standard library; by HTTP/2 where the URL begins with https
//	services shared URL          serve; each request makes one to its path below URL, all with one header map
//	services dump URL            serve; each request dumps one to URL, which is not sent, and then makes it
//	services sdk URL             the same, with the OpenTelemetry SDK, whose spans are printed
//	services named URL           the same without a span of the SDK for what is sent, which names that of what is served
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	switch os.Args[1] {
	case "backend":
		serve(http.HandlerFunc(hello), false)
	case "secure":
		serve(http.HandlerFunc(hello), true)
	case "front":
		serve(front(os.Args[2], os.Args[3]), false)
	case "drop":
		serve(relay(func(out, in http.Header) {}), false)
	case "hand-on":
		serve(relay(func(out, in http.Header) {
			for name, values := range in {
				out[name] = values
			}
		}), false)
	case "proxy":
		serve(proxy(os.Args[2]), false)
	case "shared":
		serve(shared(os.Args[2]), false)
	case "dump":
		serve(dump(os.Args[2]), false)
	case "sdk":
		serve(withSDK(os.Args[2]), false)
	case "named":
		serve(named(os.Args[2]), false)
	default:
		panic("unknown role " + os.Args[1])
	}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// serve prints the address, and serves until SIGTERM.
func serve(handler http.Handler, secure bool) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	server := &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	if secure {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate()}}
		go server.ServeTLS(listener, "", "")
	} else {
		go server.Serve(listener)
	}
	fmt.Println("listening", listener.Addr())
	<-stop
	deadline, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	server.Shutdown(deadline)
}

func hello(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") }

func front(plain, secure string) http.Handler {
	one := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	two := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: true,
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ends := make(chan error)
		go func() { ends <- fetch(r.Context(), one, plain, nil, 1) }()
		go func() { ends <- fetch(r.Context(), two, secure, nil, 2) }()
		if err := errors.Join(<-ends, <-ends); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
}

// relay makes a request for each it gets; headers are copied by forward.
func relay(forward func(out, in http.Header)) http.Handler {
	target := os.Args[2]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		add := func(out http.Header) { forward(out, r.Header) }
		if err := fetch(r.Context(), http.DefaultClient, target, add, 1); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
		}
	})
}

// shared makes a request for each it gets; they have one header map.
func shared(target string) http.Handler {
	header := http.Header{"X-Shared": {"yes"}}
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 64, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true,
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := http.NewRequestWithContext(r.Context(), "GET", target+r.URL.Path, nil)
		check(err)
		request.Header = header
		response, err := client.Do(request)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		io.Copy(w, response.Body)
	})
}

// dump makes a request for each it gets, of which it wants to see the bytes.
func dump(target string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := http.NewRequestWithContext(r.Context(), "GET", target, nil)
		check(err)
		bytes, err := httputil.DumpRequestOut(request, true)
		check(err)
		if err := fetch(r.Context(), http.DefaultClient, target, nil, 1); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Write(bytes)
	})
}

// proxy hands requests on, and answers.
func proxy(target string) http.Handler {
	parsed, err := url.Parse(target)
	check(err)
	proxy := httputil.NewSingleHostReverseProxy(parsed)
	proxy.Transport = &http.Transport{
		MaxIdleConnsPerHost: 64, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true,
	}
	return proxy
}

func fetch(ctx context.Context, client *http.Client, url string, add func(http.Header), protocol int) error {
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return err
	}
	if add != nil {
		add(request.Header)
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.ProtoMajor != protocol || response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", url, response.Proto, response.Status)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
