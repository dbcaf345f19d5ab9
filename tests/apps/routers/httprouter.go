package main

import (
	"net/http"

	"github.com/julienschmidt/httprouter"
)

func newHttprouter() http.Handler {
	router := httprouter.New()
	router.HandlerFunc("GET", "/pets", handle)
	router.HandlerFunc("GET", "/pets/:id", handle)
	router.HandlerFunc("GET", "/same/:same/same/:other", handle)
	router.HandlerFunc("GET", "/files/*path", handle)
	router.HandlerFunc("POST", "/api/:version/shops/:shop/orders/:order", handle)
	return router
}
