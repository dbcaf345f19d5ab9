package main

import (
	"net/http"

	"github.com/gorilla/mux"
)

func newMux() http.Handler {
	router := mux.NewRouter()
	router.Use(replaced)
	router.HandleFunc("/pets", handle).Methods("GET")
	router.HandleFunc("/pets/{id:[0-9]+}", handle).Methods("GET")
	router.PathPrefix("/files/").HandlerFunc(handle)
	api := router.PathPrefix("/api/{version}").Subrouter()
	api.Use(replaced)
	shops := api.PathPrefix("/shops").Subrouter()
	shops.HandleFunc("/{shop}/orders/{order}", handle).Methods("POST")
	router.Host("other.test").HandlerFunc(handle)
	return router
}
