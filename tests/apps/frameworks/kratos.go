package main

import (
	"net/http"

	kratos "github.com/go-kratos/kratos/v2/transport/http"
)

func newKratos() http.Handler {
	server := kratos.NewServer(kratos.Address("127.0.0.1:0"))
	// It wants to know where it is, whoever listens.
	if _, err := server.Endpoint(); err != nil {
		panic(err)
	}
	found := func(c kratos.Context) error {
		traced(c.Response())
		return nil
	}
	router := server.Route("/")
	router.GET("/pets", found)
	router.GET("/pets/{id}", found)
	server.Route("/api").POST("/{version}/shops/{shop}/orders/{order}", found)
	return server
}
