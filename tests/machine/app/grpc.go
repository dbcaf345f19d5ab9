package main

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// answering is a service without generated code: it answers with the traceparent that it has got.
var answering = grpc.ServiceDesc{
	ServiceName: "test.Back",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Answer", Handler: answer}},
}

func answer(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	if err := decode(new(wrapperspb.StringValue)); err != nil {
		return nil, err
	}
	got := new(wrapperspb.StringValue)
	if sent := metadata.ValueFromIncomingContext(ctx, "traceparent"); len(sent) == 1 {
		got.Value = sent[0]
	}
	return got, nil
}

// backByGRPC starts a server, and connects to it.
func backByGRPC() *grpc.ClientConn {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	server.RegisterService(&answering, struct{}{})
	go server.Serve(listener)
	connection, err := grpc.Dial(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	return connection
}

// call calls the back, and passes on what that says.
func call(w http.ResponseWriter, r *http.Request, back *grpc.ClientConn) {
	said := new(wrapperspb.StringValue)
	if err := back.Invoke(r.Context(), "/test.Back/Answer", new(wrapperspb.StringValue), said); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	io.WriteString(w, said.Value)
}
