// goroutine starts goroutines that do nothing, 1,000 in batches of 100, as it is told over its listener (subject.Obey). It has an
// HTTP server and a client, for which the launcher observes go statements.
package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"sync"

	"example.com/bench/subject"
)

const batches, statements = 10, 100

func main() {
	subject.Run(func(listener net.Listener) {
		if err := trace(); err != nil {
			log.Fatal(err)
		}
		subject.Obey(listener, func() error {
			for range batches {
				var ended sync.WaitGroup
				ended.Add(statements)
				for range statements {
					go ended.Done()
				}
				ended.Wait()
			}
			return nil
		})
	})
}

// trace serves a request and makes it.
func trace() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(listener, http.NotFoundHandler())
	response, err := http.Get("http://" + listener.Addr().String())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
