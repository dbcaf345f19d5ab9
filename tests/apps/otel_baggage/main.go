// otel_baggage is asked for the baggage of requests, and sends requests with baggage, by OpenTelemetry's API alone. It prints the addresses
// of its servers ("listening <address>") by HTTP/1, by HTTP/2 with TLS, and by gRPC, and serves until SIGTERM:
//
//	/seen?by=&do=        what baggage.FromContext says: by the handler, or by another goroutine (by=another), of a context in which is set what
//	                     `do` says (set.go)
//	/came                the headers "baggage" that came, each in a line
//	/retried?do=         the baggage of each attempt of a call by gRPC that fails twice
//	/refused?do=         a call by gRPC that nobody answers
//	/sent?do=&to=&path=  sets in the request's context what `do` says (set.go), sends a request with that by "http1" or "http2" to `path`, or
//	                     a health check by "grpc", and tells the answer. That of gRPC stands in its trailer, as "seen" or "came"
//
//	STRESS=1  collect garbage and grow stacks meanwhile
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"go.opentelemetry.io/otel/baggage"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	health_v1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func main() {
	if os.Getenv("STRESS") != "" {
		stress()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	second := httptest.NewUnstartedServer(nil)
	second.EnableHTTP2 = true
	third, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	to := targets{
		http1: client{http.DefaultClient, "http://" + listener.Addr().String()},
		grpc:  dial(third.Addr().String()),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/seen", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, seen(r)) })
	mux.HandleFunc("/came", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Join(r.Header.Values("Baggage"), "\n"))
	})
	mux.HandleFunc("/sent", func(w http.ResponseWriter, r *http.Request) {
		ctx := set(r.Context(), r.FormValue("do"))
		fmt.Fprint(w, to.send(ctx, r.FormValue("to"), r.FormValue("path")))
	})
	mux.HandleFunc("/retried", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, retried(set(r.Context(), r.FormValue("do")), to.grpc))
	})
	nobody := dial("127.0.0.1:1")
	mux.HandleFunc("/refused", func(w http.ResponseWriter, r *http.Request) {
		_, err := health_v1.NewHealthClient(nobody).Check(set(r.Context(), r.FormValue("do")), &health_v1.HealthCheckRequest{})
		fmt.Fprint(w, status.Code(err))
	})
	second.Config.Handler = mux
	second.StartTLS()
	to.http2 = client{second.Client(), second.URL}
	go http.Serve(listener, mux)
	calls := grpc.NewServer(grpc.UnaryInterceptor(tell))
	health_v1.RegisterHealthServer(calls, health.NewServer())
	go calls.Serve(third)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	fmt.Println("listening", listener.Addr())
	fmt.Println("listening", second.Listener.Addr())
	fmt.Println("listening", third.Addr())
	<-stop
}

// seen is the baggage of the request's context.
func seen(r *http.Request) string {
	ctx := set(r.Context(), r.FormValue("do"))
	if r.FormValue("by") != "another" {
		return baggage.FromContext(ctx).String()
	}
	said := make(chan string)
	go func() { said <- baggage.FromContext(ctx).String() }()
	return <-said
}

// tell answers what the context of a call says, and what came.
func tell(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	came, _ := metadata.FromIncomingContext(ctx)
	said := metadata.Pairs("seen", baggage.FromContext(ctx).String())
	said.Append("came", came.Get("baggage")...)
	check(grpc.SetTrailer(ctx, said))
	if len(came.Get("retried")) != 0 {
		return nil, attempt(came)
	}
	return handle(ctx, request)
}

// targets is what requests are sent to.
type targets struct {
	http1, http2 client
	grpc         *grpc.ClientConn
}

type client struct {
	*http.Client
	url string
}

// send tells the answer.
func (to targets) send(ctx context.Context, by, path string) string {
	switch by {
	case "http1":
		return to.http1.send(ctx, path)
	case "http2":
		return to.http2.send(ctx, path)
	}
	var trailer metadata.MD
	_, err := health_v1.NewHealthClient(to.grpc).Check(ctx, &health_v1.HealthCheckRequest{}, grpc.Trailer(&trailer))
	check(err)
	return strings.Join(trailer.Get(path), "\n")
}

func (c client) send(ctx context.Context, path string) string {
	request, err := http.NewRequestWithContext(ctx, "GET", c.url+"/"+path, nil)
	check(err)
	response, err := c.Do(request)
	check(err)
	defer response.Body.Close()
	came, err := io.ReadAll(response.Body)
	check(err)
	return string(came)
}

func dial(address string) *grpc.ClientConn {
	connection, err := grpc.Dial(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(retries))
	check(err)
	return connection
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
