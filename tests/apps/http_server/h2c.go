//go:build go1.24

package main

import (
	"net"
	"net/http"
)

func serveH2C(server *http.Server, listener net.Listener) error {
	server.Protocols = new(http.Protocols)
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	return server.Serve(listener)
}
