package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The service test.Echo, without generated code: its messages are strings. What a request says is what is done.
var echo = grpc.ServiceDesc{
	ServiceName: "test.Echo",
	HandlerType: (*interface{})(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Unary", Handler: unary}},
	Streams: []grpc.StreamDesc{
		{StreamName: "Server", Handler: serverStream, ServerStreams: true},
		{StreamName: "Client", Handler: clientStream, ClientStreams: true},
		{StreamName: "Both", Handler: bothStream, ServerStreams: true, ClientStreams: true},
	},
}

func newServer(options ...grpc.ServerOption) *grpc.Server {
	server := grpc.NewServer(options...)
	server.RegisterService(&echo, struct{}{})
	return server
}

// recovered is an interceptor that makes an error of a panic.
func recovered(ctx context.Context, in interface{}, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (out interface{}, err error) {
	defer func() {
		if value := recover(); value != nil {
			err = status.Error(codes.Internal, fmt.Sprint("panicked: ", value))
		}
	}()
	return handle(ctx, in)
}

func unary(_ interface{}, ctx context.Context, decode func(interface{}) error, interceptor grpc.UnaryServerInterceptor) (interface{}, error) {
	in := new(wrapperspb.StringValue)
	if err := decode(in); err != nil {
		return nil, err
	}
	handle := func(ctx context.Context, in interface{}) (interface{}, error) {
		return answer(ctx, in.(*wrapperspb.StringValue).Value)
	}
	if interceptor == nil {
		return handle(ctx, in)
	}
	return interceptor(ctx, in, &grpc.UnaryServerInfo{FullMethod: "/test.Echo/Unary"}, handle)
}

// relayed is where calls are handed on to, retried where they are made again if they fail.
var relayed, retried *grpc.ClientConn

// attempts counts the calls that were refused to be made again.
var attempts int64

// answer does what a request says.
func answer(ctx context.Context, said string) (*wrapperspb.StringValue, error) {
	what := strings.SplitN(said, " ", 2)
	switch what[0] {
	case "code":
		number, _ := strconv.Atoi(what[1])
		return nil, status.Error(codes.Code(number), "as was asked")
	case "wait":
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	case "panic":
		panic("as was asked")
	case "twice":
		if atomic.AddInt64(&attempts, 1)%3 != 0 {
			return nil, status.Error(codes.Unavailable, "not yet")
		}
	case "relay":
		// As a proxy does: what came goes on as it came.
		came, _ := metadata.FromIncomingContext(ctx)
		said := once(metadata.NewOutgoingContext(ctx, came.Copy()), relayed, "")
		return &wrapperspb.StringValue{Value: strings.Join(said, "\n")}, nil
	case "relay-again":
		// The same of a call that is made again, by a goroutine that serves nothing.
		came, _ := metadata.FromIncomingContext(ctx)
		opened, failed := retried.NewStream(metadata.NewOutgoingContext(ctx, came.Copy()), kinds["Server"], "/test.Echo/Server")
		if failed != nil {
			return nil, failed
		}
		check(opened.SendMsg(&wrapperspb.StringValue{Value: "twice"}))
		check(opened.CloseSend())
		out, received := new(wrapperspb.StringValue), make(chan error)
		go func() { received <- opened.RecvMsg(out) }()
		return out, <-received
	case "together":
		meet()
	case "get":
		return get(ctx, what[1])
	}
	return &wrapperspb.StringValue{Value: sent(ctx) + said}, nil
}

// get asks another service by HTTP.
func get(ctx context.Context, url string) (*wrapperspb.StringValue, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return &wrapperspb.StringValue{Value: string(body)}, err
}

// client keeps as many connections as there are calls at once.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// together is how many calls are to be open at the same time, before any of them is answered.
var together = struct {
	sync.Mutex
	missing int
	there   chan struct{}
}{}

// expect says how many of the calls that come will wait for each other.
func expect(calls int) {
	together.Lock()
	defer together.Unlock()
	together.missing, together.there = calls, make(chan struct{})
}

// meet waits until all are there.
func meet() {
	together.Lock()
	there := together.there
	if together.missing--; together.missing == 0 {
		close(there)
	}
	together.Unlock()
	<-there
}

// sent is the metadata by which traces are propagated, one name a line.
func sent(ctx context.Context) string {
	found, _ := metadata.FromIncomingContext(ctx)
	var lines []string
	for name, values := range found {
		switch name {
		case "traceparent", "tracestate", "baggage", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled":
			for _, value := range values {
				lines = append(lines, name+": "+value+"\n")
			}
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "")
}

func serverStream(_ interface{}, stream grpc.ServerStream) error {
	in := new(wrapperspb.StringValue)
	if err := stream.RecvMsg(in); err != nil {
		return err
	}
	if in.Value == "wait" {
		if err := stream.SendMsg(&wrapperspb.StringValue{Value: "waiting"}); err != nil {
			return err
		}
		<-stream.Context().Done()
		return status.FromContextError(stream.Context().Err()).Err()
	}
	for number := 0; number < 3; number++ {
		out, err := answer(stream.Context(), in.Value)
		if err != nil {
			return err
		}
		if err := stream.SendMsg(out); err != nil {
			return err
		}
	}
	return nil
}

func clientStream(_ interface{}, stream grpc.ServerStream) error {
	var last string
	for {
		in := new(wrapperspb.StringValue)
		err := stream.RecvMsg(in)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		last = in.Value
	}
	out, err := answer(stream.Context(), last)
	if err != nil {
		return err
	}
	return stream.SendMsg(out)
}

func bothStream(_ interface{}, stream grpc.ServerStream) error {
	for {
		in := new(wrapperspb.StringValue)
		err := stream.RecvMsg(in)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		out, err := answer(stream.Context(), in.Value)
		if err != nil {
			return err
		}
		if err := stream.SendMsg(out); err != nil {
			return err
		}
	}
}
