package main

import (
	"net/http"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
)

// newGateway does as the code does that is generated, but for the call.
func newGateway() http.Handler {
	mux := runtime.NewServeMux()
	call := func(method string, ops []int, pool []string, verb string, options ...runtime.AnnotateContextOption) {
		pattern := runtime.MustPattern(runtime.NewPattern(1, ops, pool, verb))
		mux.Handle(method, pattern, func(w http.ResponseWriter, r *http.Request, _ map[string]string) {
			if _, err := runtime.AnnotateContext(r.Context(), mux, r, "/test.Pets/Get", options...); err != nil {
				runtime.HTTPError(r.Context(), mux, &runtime.JSONPb{}, w, r, err)
				return
			}
			handle(w, r)
		})
	}
	literal, push, capture, join := int(utilities.OpLitPush), int(utilities.OpPush), int(utilities.OpCapture), int(utilities.OpConcatN)
	call("GET", []int{literal, 0, literal, 1}, []string{"v1", "pets"}, "", runtime.WithHTTPPathPattern("/v1/pets"))
	pet := []int{literal, 0, literal, 1, push, 0, join, 1, capture, 2}
	call("GET", pet, []string{"v1", "pets", "id"}, "", runtime.WithHTTPPathPattern("/v1/pets/{id}"))
	call("POST", pet, []string{"v1", "pets", "id"}, "feed", runtime.WithHTTPPathPattern("/v1/pets/{id}:feed"))
	// As before 2.3.
	call("GET", []int{literal, 0}, []string{"old"}, "")
	return mux
}
