package main

import (
	"net/http"

	"github.com/go-chi/chi"
)

func newChi() http.Handler {
	router := chi.NewRouter()
	router.Use(replaced)
	router.Get("/pets", handle)
	router.Get("/pets/{id}", handle)
	router.Get("/dates/{year:[0-9]+}-{month}", handle)
	router.Get("/files/*", handle)
	router.Route("/api/{version}", func(r chi.Router) {
		r.Use(replaced)
		r.Group(func(r chi.Router) { r.Get("/status", handle) })
		r.Mount("/shops", chiShops())
		r.Handle("/plain/*", http.HandlerFunc(handle))
	})
	return router
}

func chiShops() http.Handler {
	router := chi.NewRouter()
	router.With(replaced).Post("/{shop}/orders/{order}", handle)
	router.Get("/", handle)
	return router
}
