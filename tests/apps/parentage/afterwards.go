package main

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// later are requests that wait until the ones they belong to have been answered.
var later struct {
	sync.Mutex
	requests []*http.Request
}

// outliving are contexts that may be used when the request has been answered, by name.
var outliving = map[string]func(context.Context) context.Context{
	"without-cancel": context.WithoutCancel,
	"value": func(ctx context.Context) context.Context {
		return context.WithValue(context.WithoutCancel(ctx), key("a"), 1)
	},
	"timeout": func(ctx context.Context) context.Context {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		time.AfterFunc(time.Minute, cancel)
		return ctx
	},
}

// afterwardsRoutes adds /afterwards-NAME, which leaves a request to be made later, and /make-later, by which a worker that is older
// than all of them makes them, one after the other.
func afterwardsRoutes(mux *http.ServeMux) {
	for name, derive := range outliving {
		derive := derive
		mux.HandleFunc("/afterwards-"+name, func(w http.ResponseWriter, r *http.Request) {
			request, err := http.NewRequestWithContext(derive(r.Context()), "GET", target(r, "x"), nil)
			check(err)
			later.Lock()
			later.requests = append(later.requests, request)
			later.Unlock()
		})
	}
	mux.HandleFunc("/make-later", func(http.ResponseWriter, *http.Request) {
		later.Lock()
		requests := later.requests
		later.requests = nil
		later.Unlock()
		for _, request := range requests {
			sendByWorker(request)
		}
	})
}
