package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// slowness is how long GET /slow takes.
const slowness = 250 * time.Millisecond

type product struct {
	ID    int    `json:"id"`
	Name  string `json:"name"`
	Cents int    `json:"cents"`
}

type order struct {
	ID       int `json:"id"`
	Product  int `json:"product"`
	Quantity int `json:"quantity"`
}

type shop struct {
	products []product
	mu       sync.Mutex
	orders   int
}

func newShop() *shop {
	return &shop{products: []product{{1, "kettle", 3490}, {2, "teapot", 2650}, {3, "cup", 790}}}
}

func (s *shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /products", s.list)
	mux.HandleFunc("GET /products/{id}", s.show)
	mux.HandleFunc("POST /orders", s.order)
	mux.HandleFunc("GET /slow", s.slow)
	mux.HandleFunc("GET /broken", s.broken)
	mux.HandleFunc("GET /panic", s.panics)
	return mux
}

func (s *shop) list(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.products)
}

func (s *shop) show(w http.ResponseWriter, r *http.Request) {
	p, ok := s.find(r.PathValue("id"))
	if !ok {
		http.Error(w, "no such product", http.StatusNotFound)
		return
	}
	answer(w, http.StatusOK, p)
}

func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	var o order
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&o)
	if _, ok := s.find(strconv.Itoa(o.Product)); err != nil || !ok || o.Quantity < 1 {
		http.Error(w, "an order needs a product that exists and a quantity", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.orders++
	o.ID = s.orders
	s.mu.Unlock()
	answer(w, http.StatusCreated, o)
}

// slow answers late, or not at all where the client has gone.
func (s *shop) slow(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(slowness):
		answer(w, http.StatusOK, "at last")
	case <-r.Context().Done():
	}
}

func (s *shop) broken(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "the warehouse does not answer", http.StatusInternalServerError)
}

func (s *shop) panics(http.ResponseWriter, *http.Request) {
	var shelves map[string]int
	shelves["kettle"]++
}

func (s *shop) find(id string) (product, bool) {
	for _, p := range s.products {
		if strconv.Itoa(p.ID) == id {
			return p, true
		}
	}
	return product{}, false
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The client may be gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(body)
}
