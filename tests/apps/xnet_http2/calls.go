package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"

	"golang.org/x/net/http2"
)

// addCalls adds handlers that request url by a transport of golang.org/x/net/http2 itself, and answer with what comes back.
func addCalls(mux *http.ServeMux, url string) {
	transport := func() *http2.Transport {
		return &http2.Transport{
			AllowHTTP: true,
			DialTLSContext: func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, address)
			},
		}
	}
	alone := transport()
	client := &http.Client{Transport: transport()}
	pooled := transport()
	pooled.ConnPool = &pool{transport: transport()}
	add := func(path string, send func(*http.Request) (*http.Response, error)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, url, nil)
			if err != nil {
				panic(err)
			}
			response, err := send(request)
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			defer response.Body.Close()
			io.Copy(w, response.Body)
		})
	}
	add("/by-client", client.Do)
	add("/by-round-trip", alone.RoundTrip)
	add("/by-round-trip-opt", func(request *http.Request) (*http.Response, error) {
		return alone.RoundTripOpt(request, http2.RoundTripOpt{})
	})
	add("/by-pool", pooled.RoundTrip)
}

// pool is a connection pool of the user's own: a connection for each request.
type pool struct{ transport *http2.Transport }

func (p *pool) GetClientConn(_ *http.Request, address string) (*http2.ClientConn, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return p.transport.NewClientConn(conn)
}

func (p *pool) MarkDead(*http2.ClientConn) {}
