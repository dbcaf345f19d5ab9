package main

import (
	"net"
	"net/http"
	"strconv"

	"github.com/zeromicro/go-zero/core/conf"
	"github.com/zeromicro/go-zero/core/logx"
	"github.com/zeromicro/go-zero/rest"
)

// serveGoZero lets go-zero listen, as it wants to: on a port that was free just now.
func serveGoZero() string {
	logx.Disable()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	address := listener.Addr().(*net.TCPAddr)
	listener.Close()
	var config rest.RestConf
	text := `{"Name": "frameworks", "Host": "127.0.0.1", "Port": ` + strconv.Itoa(address.Port) + `, "Log": {"Mode": "console", "Level": "severe"}}`
	if err := conf.LoadFromJsonBytes([]byte(text), &config); err != nil {
		panic(err)
	}
	server := rest.MustNewServer(config)
	found := func(w http.ResponseWriter, _ *http.Request) { traced(w) }
	server.AddRoutes([]rest.Route{
		{Method: http.MethodGet, Path: "/pets", Handler: found},
		{Method: http.MethodGet, Path: "/pets/:id", Handler: found},
		{Method: http.MethodPost, Path: "/api/:version/shops/:shop/orders/:order", Handler: found},
	})
	go server.Start()
	for {
		if connection, err := net.Dial("tcp", address.String()); err == nil {
			connection.Close()
			return address.String()
		}
	}
}
