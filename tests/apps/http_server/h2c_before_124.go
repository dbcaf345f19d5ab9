//go:build !go1.24

package main

import (
	"errors"
	"net"
	"net/http"
)

func serveH2C(*http.Server, net.Listener) error {
	return errors.New("-h2c-addr needs Go 1.24 or newer")
}
