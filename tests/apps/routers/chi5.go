package main

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

func newChi5() http.Handler {
	router := chi.NewRouter()
	router.Use(replaced)
	router.Get("/pets", handle)
	router.Get("/pets/{id}", handle)
	router.Get("/dates/{year:[0-9]+}-{month}", handle)
	router.Get("/files/*", handle)
	router.Route("/api/{version}", func(r chi.Router) {
		r.Use(replaced)
		r.Group(func(r chi.Router) { r.Get("/status", handle) })
		r.Mount("/shops", chi5Shops())
		r.Handle("/plain/*", http.HandlerFunc(handle))
	})
	return router
}

func chi5Shops() http.Handler {
	router := chi.NewRouter()
	router.With(replaced).Post("/{shop}/orders/{order}", handle)
	router.Get("/", handle)
	return router
}
