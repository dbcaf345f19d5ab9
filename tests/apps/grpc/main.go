// Command grpc serves HTTP; each path makes calls by gRPC to a server of its own, in the same process, over TCP, TLS, a unix socket or
// net/http. What a call has sent, the server tells: a path answers with it.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// transports are ways to the server.
type transports struct {
	tcp, tls, unix, handler, retrying, plain *grpc.ClientConn
}

const retries = `{"methodConfig": [{"name": [{"service": "test.Echo"}], "retryPolicy": {"maxAttempts": 4,
	"initialBackoff": "0.001s", "maxBackoff": "0.01s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`

func main() {
	certificate, pool := authority()
	interceptors := []grpc.ServerOption{grpc.UnaryInterceptor(recovered), grpc.MaxRecvMsgSize(32 << 20), grpc.MaxSendMsgSize(32 << 20)}
	var all transports
	tcp := listen("tcp", "127.0.0.1:0")
	go serve(tcp, interceptors...)
	all.tcp = dial(tcp.Addr().String(), grpc.WithInsecure())
	// By a version of gRPC before 1.40 retries are off unless GRPC_GO_RETRY is on.
	all.retrying = dial(tcp.Addr().String(), grpc.WithInsecure(), grpc.WithDefaultServiceConfig(retries))
	// As programs do that intercept nothing on the way.
	bare := listen("tcp", "127.0.0.1:0")
	go serve(bare)
	all.plain = dial(bare.Addr().String(), grpc.WithInsecure(), grpc.WithUnaryInterceptor(passed))

	secure := listen("tcp", "127.0.0.1:0")
	own := credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{certificate}})
	go serve(secure, append(interceptors, grpc.Creds(own))...)
	trusted := credentials.NewTLS(&tls.Config{RootCAs: pool, ServerName: "localhost"})
	all.tls = dial(secure.Addr().String(), grpc.WithTransportCredentials(trusted))

	folder, err := os.MkdirTemp("", "grpc")
	check(err)
	path := filepath.Join(folder, "socket")
	socket := listen("unix", path)
	go serve(socket, interceptors...)
	all.unix = dial("unix:"+path, grpc.WithInsecure())

	handled := listen("tcp", "127.0.0.1:0")
	server := &http.Server{Handler: newServer(interceptors...), TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	go func() { check(server.ServeTLS(handled, "", "")) }()
	all.handler = dial(handled.Addr().String(), grpc.WithTransportCredentials(trusted))

	relayed, retried = all.tcp, all.retrying
	front := listen("tcp", "127.0.0.1:0")
	fmt.Println("listening", front.Addr())
	check(http.Serve(front, handler(all)))
}

func handler(all transports) http.Handler {
	mux := http.NewServeMux()
	for path, call := range calls(all) {
		call := call
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			said := call(r.Context(), r.URL.Query())
			fmt.Fprintln(w, strings.Join(said, "\n"))
		})
	}
	return mux
}

func serve(listener net.Listener, options ...grpc.ServerOption) {
	check(newServer(options...).Serve(listener))
}

func dial(target string, options ...grpc.DialOption) *grpc.ClientConn {
	sizes := grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(32<<20), grpc.MaxCallSendMsgSize(32<<20))
	connection, err := grpc.Dial(target, append(options, sizes)...)
	check(err)
	return connection
}

// passed is an interceptor that does nothing.
func passed(ctx context.Context, method string, in, out interface{}, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	return invoke(ctx, method, in, out, cc, options...)
}

func listen(network, address string) net.Listener {
	listener, err := net.Listen(network, address)
	check(err)
	return listener
}

// authority makes a certificate for localhost that is its own authority.
func authority() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	bytes, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(err)
	parsed, err := x509.ParseCertificate(bytes)
	check(err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{bytes}, PrivateKey: key}, pool
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
