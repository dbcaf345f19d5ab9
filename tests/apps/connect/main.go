// Command connect serves HTTP; each path makes calls by Connect, gRPC or gRPC-Web to a server of its own, in the same process. What a call
// has sent, the server tells: a path answers with it.
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
	"strings"
	"time"

	"connectrpc.com/connect"
)

// server is where the handlers are; over TLS, as streams in both directions take HTTP/2.
type server struct {
	plain, secure string
	client        *http.Client
}

func main() {
	certificate, pool := authority()
	handlers := handlers()
	plain, secure, front := listen(), listen(), listen()
	go func() { check(http.Serve(plain, handlers)) }()
	go func() {
		own := &http.Server{Handler: handlers, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}}
		check(own.ServeTLS(secure, "", ""))
	}()
	transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "localhost"}}
	all := server{
		plain: "http://" + plain.Addr().String(), secure: "https://" + secure.Addr().String(),
		client: &http.Client{Transport: transport},
	}
	fmt.Println("listening", front.Addr())
	check(http.Serve(front, paths(all)))
}

// paths make calls, each as its query says: by=connect, grpc or grpcweb, plain=1, say=what.
func paths(all server) http.Handler {
	mux := http.NewServeMux()
	for path, call := range calls {
		call := call
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			query := r.URL.Query()
			var options []connect.ClientOption
			switch query.Get("by") {
			case "grpc":
				options = append(options, connect.WithGRPC())
			case "grpcweb":
				options = append(options, connect.WithGRPCWeb())
			case "get":
				options = append(options, connect.WithHTTPGet(), connect.WithIdempotency(connect.IdempotencyNoSideEffects))
			}
			address := all.secure
			if query.Has("plain") {
				address = all.plain
			}
			if query.Has("refused") {
				address = refused()
			}
			said, err := call(r.Context(), caller{all.client, address, options}, query.Get("say"))
			if err != nil {
				said = append(said, "failed: "+connect.CodeOf(err).String())
			}
			fmt.Fprintln(w, strings.Join(said, "\n"))
		})
	}
	mux.HandleFunc("/raw", func(w http.ResponseWriter, r *http.Request) { raw(w, r, all) })
	return mux
}

// raw sends what no client of Connect does.
func raw(w http.ResponseWriter, r *http.Request, all server) {
	request, err := http.NewRequestWithContext(r.Context(), r.URL.Query().Get("method"), all.plain+"/test.Echo/Unary", strings.NewReader("?"))
	check(err)
	request.Header.Set("Content-Type", r.URL.Query().Get("type"))
	response, err := all.client.Do(request)
	check(err)
	response.Body.Close()
	fmt.Fprintln(w, response.StatusCode)
}

// refused is where nobody listens.
func refused() string {
	listener := listen()
	defer listener.Close()
	return "http://" + listener.Addr().String()
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
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

// caller is what a call is made with.
type caller struct {
	client  *http.Client
	address string
	options []connect.ClientOption
}

// call makes calls, and returns what the server has said.
type call func(ctx context.Context, with caller, say string) ([]string, error)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
