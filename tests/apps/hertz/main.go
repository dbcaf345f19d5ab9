// hertz serves HTTP by hertz alone, on an address of its own for each name, which it prints ("listening <address>") in that order,
// and exits on SIGTERM:
//
//	hertz NAME...
package main

import (
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
	"strings"
	"syscall"
	"time"

	"github.com/cloudwego/hertz/pkg/app"
	"github.com/cloudwego/hertz/pkg/app/middlewares/server/recovery"
	"github.com/cloudwego/hertz/pkg/app/server"
	"github.com/cloudwego/hertz/pkg/common/config"
	"github.com/cloudwego/hertz/pkg/network"
	"github.com/cloudwego/hertz/pkg/network/netpoll"
	"github.com/cloudwego/hertz/pkg/network/standard"
)

// servers are what differs between them.
var servers = map[string][]config.Option{
	"netpoll":  {server.WithTransport(netpoll.NewTransporter)},
	"standard": {server.WithTransport(standard.NewTransporter)},
	"stream":   {server.WithTransport(standard.NewTransporter), server.WithStreamBody(true)},
	"small":    {server.WithTransport(netpoll.NewTransporter), server.WithMaxRequestBodySize(8), server.WithHandleMethodNotAllowed(true)},
	// Each request is given back to netpoll.
	"idle": {server.WithTransport(netpoll.NewTransporter), server.WithIdleTimeout(0)},
	"tls":  {server.WithTransport(standard.NewTransporter), server.WithTLS(&tls.Config{Certificates: []tls.Certificate{certificate()}})},
	"six":  {server.WithTransport(netpoll.NewTransporter)},
}

// sink is where requests are sent to: it answers with the headers that name their parent.
var sink string

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	for _, name := range os.Args[1:] {
		address := free(name)
		if sink == "" {
			sink = "http://" + address + "/said"
		}
		// So that nobody else gets it meanwhile.
		shared := &net.ListenConfig{Control: share}
		options := append(servers[name], server.WithHostPorts(address), server.WithListenConfig(shared), server.WithExitWaitTime(time.Second))
		h := server.New(options...)
		route(h)
		go func() { check(h.Run()) }()
		// Old versions tell nobody when they listen.
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			connection, err := net.Dial("tcp", address)
			if err == nil {
				connection.Close()
				break
			}
			if time.Now().After(deadline) {
				check(err)
			}
		}
		fmt.Println("listening", address)
	}
	<-stop
}

// free is an address that nobody else gets: a socket that does not listen has it, too.
func free(name string) string {
	family, host, address := syscall.AF_INET, "127.0.0.1", syscall.Sockaddr(&syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if name == "six" {
		family, host, address = syscall.AF_INET6, "::1", &syscall.SockaddrInet6{Addr: [16]byte{15: 1}}
	}
	socket, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	check(err)
	check(syscall.SetsockoptInt(socket, syscall.SOL_SOCKET, reusePort, 1))
	check(syscall.Bind(socket, address))
	bound, err := syscall.Getsockname(socket)
	check(err)
	port := 0
	switch bound := bound.(type) {
	case *syscall.SockaddrInet4:
		port = bound.Port
	case *syscall.SockaddrInet6:
		port = bound.Port
	}
	return net.JoinHostPort(host, fmt.Sprint(port))
}

// reusePort is SO_REUSEPORT, which package syscall does not have for every architecture.
const reusePort = 15

func share(_, _ string, raw syscall.RawConn) error {
	var err error
	failed := raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, reusePort, 1) })
	if failed != nil {
		return failed
	}
	return err
}

func route(h *server.Hertz) {
	h.Any("/", pets)
	h.GET("/pets/:id", pets)
	shops := h.Group("/api/v1").Group("/shops/:shop")
	shops.POST("/orders/:order", pets)
	h.GET("/files/*path", pets)
	h.GET("/said", func(_ context.Context, c *app.RequestContext) {
		header := &c.Request.Header
		c.String(200, "%s %s %s", header.Get("traceparent"), header.Get("tracestate"), header.Get("baggage"))
	})
	h.POST("/echo", func(_ context.Context, c *app.RequestContext) {
		if stream := c.RequestBodyStream(); c.Request.IsBodyStream() {
			body, err := io.ReadAll(stream)
			check(err)
			c.String(200, "%d", len(body))
			return
		}
		c.String(200, "%d", len(c.Request.Body()))
	})
	h.POST("/unread", func(_ context.Context, c *app.RequestContext) { c.String(200, "not read") })
	h.GET("/calls", func(ctx context.Context, c *app.RequestContext) { c.String(200, "%s", get(ctx)) })
	h.GET("/context", func(ctx context.Context, c *app.RequestContext) {
		timed, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		c.String(200, "%s", get(timed))
	})
	h.GET("/goroutine", func(_ context.Context, c *app.RequestContext) {
		said := make(chan string)
		go func() { said <- get(context.Background()) }()
		c.String(200, "%s", <-said)
	})
	h.GET("/stream", func(_ context.Context, c *app.RequestContext) { c.SetBodyStream(strings.NewReader("streamed"), -1) })
	h.GET("/fail/:how", func(_ context.Context, c *app.RequestContext) { c.String(500, "as was asked") })
	h.GET("/teapot", func(_ context.Context, c *app.RequestContext) { c.AbortWithMsg("teapot", 418) })
	recovered := h.Group("/recovered", recovery.Recovery())
	recovered.GET("/:id", func(_ context.Context, c *app.RequestContext) { panic("as was asked") })
	h.GET("/panic/:id", func(_ context.Context, c *app.RequestContext) { panic("as was asked") })
	h.GET("/hijack", func(_ context.Context, c *app.RequestContext) {
		c.SetStatusCode(101)
		c.Hijack(func(connection network.Conn) {})
	})
	h.GET("/exit", func(_ context.Context, c *app.RequestContext) { os.Exit(3) })
	routeNewer(h)
}

func pets(_ context.Context, c *app.RequestContext) { c.String(201, "found") }

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
