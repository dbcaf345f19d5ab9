package main

import (
	"context"
	"net/http"
	"sync"
)

// leftover is a goroutine that outlives the request that has started it.
type leftover struct {
	release chan struct{}
	done    sync.WaitGroup
}

var leftovers sync.Map

func goroutineRoutes(mux *http.ServeMux) {
	mux.HandleFunc("/none", func(w http.ResponseWriter, r *http.Request) {})
	// The handler's own goroutine, its child and its grandchild.
	mux.HandleFunc("/background", func(w http.ResponseWriter, r *http.Request) {
		fetch(context.Background(), target(r, "own"))
		var working sync.WaitGroup
		working.Add(2)
		go func() {
			defer working.Done()
			fetch(context.Background(), target(r, "child"))
			go func() {
				defer working.Done()
				fetch(context.Background(), target(r, "grandchild"))
			}()
		}()
		working.Wait()
	})
	mux.HandleFunc("/two", func(w http.ResponseWriter, r *http.Request) {
		var working sync.WaitGroup
		for _, ctx := range []context.Context{r.Context(), context.Background()} {
			ctx := ctx
			working.Add(1)
			go func() {
				defer working.Done()
				fetch(ctx, target(r, "x"))
			}()
		}
		working.Wait()
	})
	mux.HandleFunc("/start", func(w http.ResponseWriter, r *http.Request) {
		left := &leftover{release: make(chan struct{})}
		leftovers.Store(id(r), left)
		without, background := target(r, "without-cancel"), target(r, "background")
		ctx := context.WithoutCancel(r.Context())
		left.done.Add(2)
		go func() {
			defer left.done.Done()
			<-left.release
			fetch(ctx, without)
		}()
		go func() {
			defer left.done.Done()
			<-left.release
			fetch(context.Background(), background)
		}()
	})
	// Lets go what /start has left behind, and waits for its requests.
	mux.HandleFunc("/release", func(w http.ResponseWriter, r *http.Request) {
		value, _ := leftovers.LoadAndDelete(id(r))
		left := value.(*leftover)
		close(left.release)
		left.done.Wait()
	})
	// 20 goroutines that make a request each and end.
	mux.HandleFunc("/spawn", func(w http.ResponseWriter, r *http.Request) {
		var working sync.WaitGroup
		for one := 0; one < 20; one++ {
			working.Add(1)
			go func() {
				defer working.Done()
				fetch(context.Background(), target(r, "x"))
			}()
		}
		working.Wait()
	})
	// Has the dispatcher make 20 requests, on goroutines that no request has started.
	mux.HandleFunc("/dispatch", func(w http.ResponseWriter, r *http.Request) {
		var working sync.WaitGroup
		for one := 0; one < 20; one++ {
			working.Add(1)
			dispatched <- dispatch{target(r, "x"), &working}
		}
		working.Wait()
	})
}
