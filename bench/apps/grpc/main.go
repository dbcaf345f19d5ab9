// grpc makes unary calls to a server of its own, over TCP, as it is told over its listener (subject.Obey): both sides of each call are
// this program's.
package main

import (
	"context"
	"log"
	"net"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/bench/subject"
)

const connections = 32

func main() {
	subject.Run(func(listener net.Listener) {
		target := serve()
		var clients []*grpc.ClientConn
		for range connections {
			plain := grpc.WithTransportCredentials(insecure.NewCredentials())
			client, err := grpc.NewClient(target, append(clientOptions(), plain)...)
			if err != nil {
				log.Fatal("grpc: ", err)
			}
			clients = append(clients, client)
		}
		var next atomic.Uint64
		ctx, said := context.Background(), wrapperspb.String("a request of some forty bytes, for instance")
		subject.Obey(listener, func() error {
			client := clients[next.Add(1)%connections]
			return client.Invoke(ctx, "/bench.Echo/Unary", said, new(wrapperspb.StringValue))
		})
	})
}

// serve answers each call with what it says; returns where.
func serve() string {
	server := grpc.NewServer(serverOptions()...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "bench.Echo",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Unary", Handler: echo}},
	}, struct{}{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal("grpc: ", err)
	}
	go func() { log.Fatal("grpc: ", server.Serve(listener)) }()
	return listener.Addr().String()
}

func echo(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	said := new(wrapperspb.StringValue)
	return said, decode(said)
}
