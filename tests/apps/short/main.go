// A program that lives for some milliseconds: it serves requests to itself and exits.
//
//	short [REQUESTS] [EXIT CODE]
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
)

func main() {
	requests, code := argument(1, 1), argument(2, 0)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/work", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "done") })
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	for i := 0; i < requests; i++ {
		answer, err := http.Get("http://" + listener.Addr().String() + "/work")
		if err != nil {
			panic(err)
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	fmt.Println("served", requests, "as", os.Getuid())
	os.Exit(code)
}

func argument(index, otherwise int) int {
	if len(os.Args) <= index {
		return otherwise
	}
	value, err := strconv.Atoi(os.Args[index])
	if err != nil {
		panic(err)
	}
	return value
}
