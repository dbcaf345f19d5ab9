// oldest is an HTTP server that the oldest Go versions can build. It is read, not run.
package main

import "net/http"

func main() {
	http.ListenAndServe("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(r.Header.Get("accept")))
	}))
}
