// long_paths sends requests whose line and headers fill the buffer of the writer in every way, to a server of its own that knows no net/http:
// it counts the lines of a request and answers with what it has found. For each kind of request the program prints how many had a
// traceparent exactly once, and all else as it was sent.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// found is what came of a request.
type found struct{ line, host, traceparents, others int }

func serve(connection net.Conn) {
	reader := bufio.NewReader(connection)
	for {
		var seen found
		for {
			line, err := reader.ReadString('\n')
			if err != nil {
				return
			}
			line = strings.TrimSuffix(line, "\r\n")
			switch name, _, _ := strings.Cut(line, ":"); {
			case line == "":
			case seen.line == 0:
				seen.line = len(line)
			case name == "Host":
				seen.host++
			case name == "Traceparent" && len(line) == len("Traceparent: ")+55:
				seen.traceparents++
			default:
				seen.others++
			}
			if line == "" {
				break
			}
		}
		body := fmt.Sprint(seen.line, seen.host, seen.traceparents, seen.others)
		fmt.Fprintf(connection, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				panic(err)
			}
			go serve(connection)
		}
	}()
	fmt.Println("listening", listener.Addr())
	kinds := []struct {
		name   string
		header http.Header
		bare   bool
		others int
	}{
		{"usual", http.Header{}, false, 2},
		{"bare", http.Header{"User-Agent": {""}}, true, 0},
		{"long", http.Header{"X-Long": {strings.Repeat("x", 1000)}}, false, 3},
	}
	for _, kind := range kinds {
		transport := &http.Transport{DisableCompression: kind.bare}
		right, all := 0, 0
		for length := 3000; length < 4300; length++ {
			request, err := http.NewRequest("GET", "http://"+listener.Addr().String()+"/"+strings.Repeat("p", length), nil)
			if err != nil {
				panic(err)
			}
			request.Header = kind.header
			response, err := transport.RoundTrip(request)
			if err != nil {
				panic(err)
			}
			body, _ := io.ReadAll(response.Body)
			response.Body.Close()
			all++
			if want := fmt.Sprint(len("GET / HTTP/1.1")+length, 1, 1, kind.others); string(body) == want {
				right++
			} else if len(os.Args) > 1 {
				fmt.Println(kind.name, length, "has", string(body), "not", want)
			}
		}
		fmt.Println(kind.name, right, "of", all)
	}
}
