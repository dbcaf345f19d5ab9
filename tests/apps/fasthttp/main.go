// fasthttp serves HTTP by fasthttp alone, on an address of its own for each name, which it prints ("listening <address>") in that order,
// and exits on SIGTERM:
//
//	fasthttp NAME...
package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// servers are what differs between them.
var servers = map[string]func(listener net.Listener) (*fasthttp.Server, net.Listener){
	"plain": func(listener net.Listener) (*fasthttp.Server, net.Listener) { return &fasthttp.Server{}, listener },
	"stream": func(listener net.Listener) (*fasthttp.Server, net.Listener) {
		return &fasthttp.Server{StreamRequestBody: true}, listener
	},
	"small": func(listener net.Listener) (*fasthttp.Server, net.Listener) {
		return &fasthttp.Server{MaxRequestBodySize: 8, ReduceMemoryUsage: true, DisableHeaderNamesNormalizing: true}, listener
	},
	"tls": func(listener net.Listener) (*fasthttp.Server, net.Listener) {
		return &fasthttp.Server{}, tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate()}})
	},
	"six": func(listener net.Listener) (*fasthttp.Server, net.Listener) {
		listener.Close()
		six, err := net.Listen("tcp6", "[::1]:0")
		check(err)
		return &fasthttp.Server{}, six
	},
}

// sink is where requests are sent to: it answers with the headers that name their parent.
var sink string

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	for _, name := range os.Args[1:] {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		check(err)
		server, listener := servers[name](listener)
		server.Handler = handle
		if sink == "" {
			sink = "http://" + listener.Addr().String() + "/said"
		}
		fmt.Println("listening", listener.Addr())
		go func() { check(server.Serve(listener)) }()
	}
	<-stop
}

func handle(ctx *fasthttp.RequestCtx) {
	switch string(ctx.Path()) {
	case "/", "/pets/7":
		ctx.SetStatusCode(201)
		ctx.SetBodyString("found")
	case "/said":
		fmt.Fprintf(ctx, "%s %s %s", ctx.Request.Header.Peek("traceparent"), ctx.Request.Header.Peek("tracestate"), ctx.Request.Header.Peek("baggage"))
	case "/echo":
		if stream := ctx.RequestBodyStream(); stream != nil {
			body, err := io.ReadAll(stream)
			check(err)
			fmt.Fprint(ctx, len(body))
			return
		}
		fmt.Fprint(ctx, len(ctx.PostBody()))
	case "/unread":
		ctx.SetBodyString("not read")
	case "/calls":
		fmt.Fprint(ctx, get(context.Background()))
	case "/context":
		timed, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		said := make(chan string)
		// Another goroutine, which only the context leads to the request.
		work <- func() { said <- get(timed) }
		fmt.Fprint(ctx, <-said)
	case "/goroutine":
		said := make(chan string)
		go func() { said <- get(context.Background()) }()
		fmt.Fprint(ctx, <-said)
	case "/timeout":
		fasthttp.TimeoutHandler(func(ctx *fasthttp.RequestCtx) { fmt.Fprint(ctx, get(context.Background())) }, time.Minute, "late")(ctx)
	case "/late":
		ctx.TimeoutErrorWithCode("late", fasthttp.StatusGatewayTimeout)
	case "/stream":
		ctx.SetBodyStreamWriter(func(w *bufio.Writer) { fmt.Fprint(w, "streamed") })
	case "/fail":
		ctx.Error("as was asked", fasthttp.StatusInternalServerError)
	case "/recovered":
		defer func() {
			if why := recover(); why != nil {
				ctx.Error(fmt.Sprint(why), fasthttp.StatusInternalServerError)
			}
		}()
		panic("as was asked")
	case "/panic":
		panic("as was asked")
	case "/hijack":
		ctx.HijackSetNoResponse(true)
		ctx.Hijack(func(conn net.Conn) { fmt.Fprint(conn, "HTTP/1.1 299 Taken\r\nContent-Length: 0\r\n\r\n") })
	case "/upgrade":
		ctx.SetStatusCode(fasthttp.StatusSwitchingProtocols)
		ctx.Hijack(func(conn net.Conn) {})
	case "/exit":
		os.Exit(3)
	default:
		ctx.NotFound()
	}
}

// work is done by a goroutine that no request has created.
var work = make(chan func())

func init() {
	go func() {
		for one := range work {
			one()
		}
	}()
}

// get sends a request; what arrives of its headers.
func get(ctx context.Context) string {
	request, err := http.NewRequestWithContext(ctx, "GET", sink, nil)
	check(err)
	response, err := http.DefaultClient.Do(request)
	check(err)
	defer response.Body.Close()
	said, err := io.ReadAll(response.Body)
	check(err)
	return string(said)
}

// certificate is one for localhost.
func certificate() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	bytes, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(err)
	return tls.Certificate{Certificate: [][]byte{bytes}, PrivateKey: key}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
