package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type text = wrapperspb.StringValue

func handlers() http.Handler {
	mux := http.NewServeMux()
	unary := connect.NewUnaryHandler("/test.Echo/Unary", func(_ context.Context, request *connect.Request[text]) (*connect.Response[text], error) {
		said, err := answer(request.Msg.Value, request.Header())
		return connect.NewResponse(wrapperspb.String(said)), err
	}, connect.WithIdempotency(connect.IdempotencyNoSideEffects))
	mux.Handle("/test.Echo/Unary", unary)
	// Mounted below something.
	mux.Handle("/below/test.Echo/Unary", http.StripPrefix("/below", unary))
	mux.Handle("/test.Echo/Server", connect.NewServerStreamHandler("/test.Echo/Server", func(_ context.Context, request *connect.Request[text], stream *connect.ServerStream[text]) error {
		for i := 0; i < 3; i++ {
			if err := stream.Send(wrapperspb.String(traceparent(request.Header()))); err != nil {
				return err
			}
		}
		_, err := answer(request.Msg.Value, request.Header())
		return err
	}))
	mux.Handle("/test.Echo/Client", connect.NewClientStreamHandler("/test.Echo/Client", func(_ context.Context, stream *connect.ClientStream[text]) (*connect.Response[text], error) {
		say := ""
		for stream.Receive() {
			say = stream.Msg().Value
		}
		said, err := answer(say, stream.RequestHeader())
		return connect.NewResponse(wrapperspb.String(said)), err
	}))
	mux.Handle("/test.Echo/Both", connect.NewBidiStreamHandler("/test.Echo/Both", func(_ context.Context, stream *connect.BidiStream[text, text]) error {
		for {
			message, err := stream.Receive()
			if err != nil {
				return nil
			}
			said, err := answer(message.Value, stream.RequestHeader())
			if err != nil {
				return err
			}
			if err := stream.Send(wrapperspb.String(said)); err != nil {
				return err
			}
		}
	}))
	return mux
}

// answer is what a call is answered with: its context, unless it says how it is to fail.
func answer(say string, header http.Header) (string, error) {
	wanted := errors.New("as was asked")
	kind, code, _ := strings.Cut(say, " ")
	number, _ := strconv.Atoi(code)
	switch kind {
	case "code":
		return "", connect.NewError(connect.Code(number), wanted)
	case "wrapped":
		return "", fmt.Errorf("around: %w", connect.NewError(connect.Code(number), fmt.Errorf("more: %w", wanted)))
	case "other":
		return "", wanted
	case "late":
		return "", context.DeadlineExceeded
	case "panic":
		panic("as was asked")
	}
	return traceparent(header), nil
}

// traceparent is what was propagated: the header of that name, and the others if there are any.
func traceparent(header http.Header) string {
	said := strings.Join(header.Values("Traceparent"), ",")
	for _, name := range []string{"Tracestate", "Baggage"} {
		for _, value := range header.Values(name) {
			said += "\n" + value
		}
	}
	return said
}
