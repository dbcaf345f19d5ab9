package main

import "net/http"

// newMuxes has muxes within each other.
func newMuxes() http.Handler {
	shops := http.NewServeMux()
	shops.HandleFunc("/orders/", handle)
	api := http.NewServeMux()
	api.Handle("/shops/", http.StripPrefix("/shops", shops))
	api.HandleFunc("/status", handle)
	whole := http.NewServeMux()
	whole.HandleFunc("/whole/status", handle)
	root := http.NewServeMux()
	root.HandleFunc("/pets/", handle)
	root.Handle("/api/", http.StripPrefix("/api", replaced(api)))
	root.Handle("/whole/", whole)
	return root
}

// newMixed has routers of several kinds within each other.
func newMixed() http.Handler {
	root := http.NewServeMux()
	root.Handle("/gin/", http.StripPrefix("/gin", newGin()))
	root.Handle("/chi/", http.StripPrefix("/chi", newChi5()))
	root.Handle("/mux/", http.StripPrefix("/mux", newMux()))
	root.Handle("/httprouter/", http.StripPrefix("/httprouter", newHttprouter()))
	root.Handle("/", newEcho4())
	return root
}
