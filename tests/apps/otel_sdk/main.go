// otel_sdk is instrumented by hand, with the wrappers that there are for OpenTelemetry, and serves HTTP on three addresses that it prints
// ("listening <address>"), until SIGTERM: one with otelhttp, one of gin with otelgin, and one without wrappers. Each has
//
//	/work  a span, and in it a query, a call by gRPC, and a request to /leaf; /plain/work where there are no wrappers
//	/leaf  nothing more; /plain/leaf where there are no wrappers
//
// Two have a statement of a database whose driver makes a request with the transport of otelhttp:
//
//	/remote  with otelhttp, to /leaf; /plain/remote without wrappers, to /plain/leaf
//
// PROVIDER says what is registered: sdk, unless OTEL_SDK_DISABLED is true, otlp, noop, or none. SPANS is a file in which the SDK's spans are
// printed, instead of standard output; otlp exports them.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/gin-gonic/gin"
	"go.opentelemetry.io/contrib/instrumentation/github.com/gin-gonic/gin/otelgin"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"google.golang.org/grpc"
	health "google.golang.org/grpc/health/grpc_health_v1"
)

var tracer = otel.Tracer("example.test/otel_sdk")

// means are what work is done with.
type means struct {
	database *sql.DB
	calls    *grpc.ClientConn
	client   *http.Client
	leaf     string
}

func main() {
	register(os.Getenv("PROVIDER"))
	wrapped, plain := listen(), listen()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)

	client := &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport)}
	with := means{wrappedDatabase(), wrappedCalls(), client, at(wrapped, "/leaf")}
	mux := http.NewServeMux()
	mux.HandleFunc("/work", with.serve)
	mux.HandleFunc("/leaf", leaf)
	mux.HandleFunc("/remote", queried(remoteDatabase(client, at(wrapped, "/leaf"))))
	go http.Serve(wrapped, otelhttp.NewHandler(mux, "server"))

	gin.SetMode(gin.ReleaseMode)
	engine, ginned := gin.New(), listen()
	engine.Use(otelgin.Middleware("service"))
	engine.GET("/leaf", gin.WrapF(leaf))
	engine.GET("/work", gin.WrapF(means{with.database, with.calls, client, at(ginned, "/leaf")}.serve))
	go http.Serve(ginned, engine)

	without := means{plainDatabase(), plainCalls(), &http.Client{Transport: &http.Transport{}}, at(plain, "/plain/leaf")}
	bare := http.NewServeMux()
	bare.HandleFunc("/plain/work", without.serve)
	bare.HandleFunc("/plain/leaf", leaf)
	bare.HandleFunc("/plain/remote", queried(remoteDatabase(client, at(plain, "/plain/leaf"))))
	go http.Serve(plain, bare)
	for _, listener := range []net.Listener{wrapped, ginned, plain} {
		fmt.Println("listening", listener.Addr())
	}
	<-stop
	// The spans of their calls may end after the answers.
	for _, server := range servers {
		server.GracefulStop()
	}
	flush()
}

func leaf(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "leaf") }

func (m means) serve(w http.ResponseWriter, r *http.Request) { check(m.work(r.Context())) }

func (m means) work(ctx context.Context) error {
	ctx, span := tracer.Start(ctx, "work")
	defer span.End()
	var one int
	rows, err := m.database.QueryContext(ctx, "SELECT 1")
	check(err)
	for rows.Next() {
		check(rows.Scan(&one))
	}
	check(rows.Close())
	_, err = health.NewHealthClient(m.calls).Check(ctx, &health.HealthCheckRequest{})
	check(err)
	request, err := http.NewRequestWithContext(ctx, "GET", m.leaf, nil)
	check(err)
	response, err := m.client.Do(request)
	check(err)
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func at(listener net.Listener, path string) string {
	return "http://" + listener.Addr().String() + path
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	return listener
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
