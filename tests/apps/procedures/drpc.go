package main

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"

	"storj.io/drpc"
	"storj.io/drpc/drpcconn"
	"storj.io/drpc/drpcerr"
	"storj.io/drpc/drpcmux"
	"storj.io/drpc/drpcserver"
)

// text is a message, and its own encoding.
type text struct{ value string }

type encoding struct{}

func (encoding) Marshal(message drpc.Message) ([]byte, error) {
	return []byte(message.(*text).value), nil
}

func (encoding) Unmarshal(data []byte, message drpc.Message) error {
	message.(*text).value = string(data)
	return nil
}

// JSONMarshal and JSONUnmarshal are asked of by old versions.
func (encoding) JSONMarshal(drpc.Message) ([]byte, error) { panic("not called") }

func (encoding) JSONUnmarshal([]byte, drpc.Message) error { panic("not called") }

// echo is a service of two methods.
type echo struct{}

func (echo) Unary(ctx context.Context, in *text) (*text, error) { return in, say(ctx, in.value) }

func (echo) Stream(stream drpc.Stream) error {
	for number := 0; number < messages; number++ {
		var in text
		if err := stream.MsgRecv(&in, encoding{}); err != nil {
			return err
		}
		if err := say(stream.Context(), in.value); err != nil {
			return err
		}
		if err := stream.MsgSend(&in, encoding{}); err != nil {
			return err
		}
	}
	return nil
}

// messages is how many go each way in a stream.
const messages = 3

// say returns what a service is asked to.
func say(ctx context.Context, what string) error {
	code, hasCode := strings.CutPrefix(what, "code ")
	switch {
	case hasCode:
		number, _ := strconv.ParseUint(code, 10, 64)
		return drpcerr.WithCode(errors.New("as was asked"), number)
	case what == "other":
		return errors.New("as was asked")
	case what == "late":
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// description says what echo has.
type description struct{}

func (description) NumMethods() int { return 2 }

func (description) Method(number int) (string, drpc.Encoding, drpc.Receiver, interface{}, bool) {
	switch number {
	case 0:
		unary := func(service interface{}, ctx context.Context, in, _ interface{}) (drpc.Message, error) {
			return service.(echo).Unary(ctx, in.(*text))
		}
		return "/test.Echo/Unary", encoding{}, unary, echo.Unary, true
	case 1:
		stream := func(service interface{}, _ context.Context, in, _ interface{}) (drpc.Message, error) {
			return nil, service.(echo).Stream(in.(drpc.Stream))
		}
		return "/test.Echo/Stream", encoding{}, stream, echo.Stream, true
	default:
		return "", nil, nil, nil, false
	}
}

// serveDrpc serves, and gives out how to call that by one message or several.
func serveDrpc() (unary, stream func(context.Context, string) error) {
	mux := drpcmux.New()
	if err := mux.Register(echo{}, description{}); err != nil {
		panic(err)
	}
	listener := listen()
	go drpcserver.New(mux).Serve(context.Background(), listener)
	// Nobody closes the connection: the server may still be ending its side of the call, which would fail.
	dial := func() *drpcconn.Conn {
		connection, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			panic(err)
		}
		return drpcconn.New(connection)
	}
	unary = func(ctx context.Context, say string) error {
		connection := dial()
		method := "/test.Echo/Unary"
		if say == "unknown" {
			method = "/test.Echo/Anything"
		}
		return connection.Invoke(ctx, method, encoding{}, &text{say}, &text{})
	}
	stream = func(ctx context.Context, say string) error {
		connection := dial()
		stream, err := connection.NewStream(ctx, "/test.Echo/Stream", encoding{})
		if err != nil {
			return err
		}
		for number := 0; number < messages; number++ {
			if err := stream.MsgSend(&text{say}, encoding{}); err != nil {
				return err
			}
			if err := stream.MsgRecv(&text{}, encoding{}); err != nil {
				return err
			}
		}
		return stream.Close()
	}
	return unary, stream
}
