package main

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// connectionKey is that of a request's connection in its context.
type connectionKey struct{}

// waiting has for each connection what waits for the answer of its request.
var waiting sync.Map

// answered is closed when the request with this context, which has not been answered yet, is: behind all that net/http does for it. Its
// context is done earlier, before the server's own span ends.
func answered(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	waiting.Store(ctx.Value(connectionKey{}), done)
	return done
}

// watch makes a server say when it has answered.
func watch(server *http.Server) {
	server.ConnContext = func(ctx context.Context, connection net.Conn) context.Context {
		return context.WithValue(ctx, connectionKey{}, connection)
	}
	server.ConnState = func(connection net.Conn, state http.ConnState) {
		if state != http.StateIdle && state != http.StateClosed {
			return
		}
		if done, found := waiting.LoadAndDelete(connection); found {
			close(done.(chan struct{}))
		}
	}
}
