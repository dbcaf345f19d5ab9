package main

import (
	"context"
	"errors"
	"io"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

var calls = map[string]call{
	"/unary": unary,
	"/below": func(ctx context.Context, with caller, say string) ([]string, error) {
		with.address += "/below"
		return unary(ctx, with, say)
	},
	// On a goroutine of its own, with a context that leads nowhere.
	"/goroutine": func(_ context.Context, with caller, say string) (said []string, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			said, err = unary(context.Background(), with, say)
		}()
		<-done
		return said, err
	},
	"/deadline": func(ctx context.Context, with caller, say string) ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, time.Nanosecond)
		defer cancel()
		<-ctx.Done()
		return unary(ctx, with, say)
	},
	"/server": func(ctx context.Context, with caller, say string) ([]string, error) {
		stream, err := client(with, "Server").CallServerStream(ctx, connect.NewRequest(wrapperspb.String(say)))
		if err != nil {
			return nil, err
		}
		var said []string
		for stream.Receive() {
			said = append(said, stream.Msg().Value)
		}
		return said, stream.Err()
	},
	// Of three messages, one is read.
	"/closed": func(ctx context.Context, with caller, say string) ([]string, error) {
		stream, err := client(with, "Server").CallServerStream(ctx, connect.NewRequest(wrapperspb.String(say)))
		if err != nil {
			return nil, err
		}
		stream.Receive()
		said := stream.Msg().Value
		return []string{said}, stream.Close()
	},
	"/client": func(ctx context.Context, with caller, say string) ([]string, error) {
		stream := client(with, "Client").CallClientStream(ctx)
		for i := 0; i < 3; i++ {
			if err := stream.Send(wrapperspb.String(say)); err != nil {
				break
			}
		}
		response, err := stream.CloseAndReceive()
		if err != nil {
			return nil, err
		}
		return []string{response.Msg.Value}, nil
	},
	"/both": func(ctx context.Context, with caller, say string) ([]string, error) {
		stream := client(with, "Both").CallBidiStream(ctx)
		if err := stream.Send(wrapperspb.String(say)); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		message, err := stream.Receive()
		if err != nil {
			return nil, err
		}
		if err := stream.CloseRequest(); err != nil {
			return nil, err
		}
		if _, err := stream.Receive(); !errors.Is(err, io.EOF) {
			return nil, err
		}
		return []string{message.Value}, stream.CloseResponse()
	},
}

func client(with caller, method string) *connect.Client[text, text] {
	return connect.NewClient[text, text](with.client, with.address+"/test.Echo/"+method, with.options...)
}

func unary(ctx context.Context, with caller, say string) ([]string, error) {
	response, err := client(with, "Unary").CallUnary(ctx, connect.NewRequest(wrapperspb.String(say)))
	if err != nil {
		return nil, err
	}
	return []string{response.Msg.Value}, nil
}
