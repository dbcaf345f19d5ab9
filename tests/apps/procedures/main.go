// procedures calls itself by Twirp and DRPC, as it is asked by HTTP, on an address that it prints ("listening <address>"), and exits on
// SIGTERM:
//
//	/twirp?say=WHAT    one call
//	/drpc?say=WHAT     one call with one message each way
//	/stream?say=WHAT   one call with three messages each way
//
// WHAT is empty for success, "code <name or number>" for an error with that code, "other" for one without, "unknown" for a method that there is
// not, "late" for a deadline that passes before the answer. The answer is the error, if there is one.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	mux := http.NewServeMux()
	mux.HandleFunc("/twirp", answer(serveTwirp()))
	unary, stream := serveDrpc()
	mux.HandleFunc("/drpc", answer(unary))
	mux.HandleFunc("/stream", answer(stream))
	listener := listen()
	go http.Serve(listener, mux)
	fmt.Println("listening", listener.Addr())
	<-stop
}

// answer makes a handler of a call, which is told what to say.
func answer(call func(ctx context.Context, say string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, say := r.Context(), r.FormValue("say")
		if say == "late" {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
		}
		if err := call(ctx, say); err != nil {
			fmt.Fprint(w, err)
		}
	}
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return listener
}
