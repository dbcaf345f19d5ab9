// routers serves HTTP by each router that it knows, on an address of its own for each, which it prints ("listening <address>") in the
// order of the names behind it, and exits on SIGTERM:
//
//	routers NAME...
//
// With the build tag newest it has routers that old versions of Go cannot build. What a router is given is not the request that the server
// has made: a middleware has replaced it, unless "plain:" stands before the name.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// routers are the servers by their names.
var routers = map[string]func() http.Handler{
	"gin":        newGin,
	"chi":        newChi,
	"chi5":       newChi5,
	"echo3":      newEcho3,
	"echo4":      newEcho4,
	"mux":        newMux,
	"httprouter": newHttprouter,
	"gateway":    newGateway,
	"muxes":      newMuxes,
	"mixed":      newMixed,
}

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	for _, name := range os.Args[1:] {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		handler := replaced(routers[strings.TrimPrefix(name, "plain:")]())
		if strings.HasPrefix(name, "plain:") {
			handler = routers[name[len("plain:"):]]()
		}
		go http.Serve(listener, handler)
		fmt.Println("listening", listener.Addr())
	}
	<-stop
}

type key struct{}

// replaced gives the next handler another request than it is given.
func replaced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "replaced")))
	})
}

// handle answers a request whose handler was found.
func handle(w http.ResponseWriter, _ *http.Request) {
	traced(w)
}

// traced is a function of which a test wants spans.
//
//go:noinline
func traced(w http.ResponseWriter) {
	fmt.Fprint(w, "found")
}

// forbidden stops a request.
func forbidden(http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
}
