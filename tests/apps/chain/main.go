// chain is a service in several roles, for tests of what is propagated from one to the next.
//
//	chain sink                 serve; at the end, say what the traceparent headers of all requests were like
//	                           (requests of /hang are held until the client gives up, and not counted)
//	chain front URL            serve; /get, /go, /context and others make a request to URL themselves
//	chain drive N C URL        send N requests over C connections, and say how many failed
//	chain errors URL           make requests that fail in different ways
//
// CHAIN_STRESS=1 collects garbage, grows stacks and allocates meanwhile.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if os.Getenv("CHAIN_STRESS") != "" {
		stress()
	}
	switch os.Args[1] {
	case "sink":
		sink()
	case "front":
		front(os.Args[2])
	case "drive":
		drive(number(os.Args[2]), number(os.Args[3]), os.Args[4])
	case "errors":
		failures(os.Args[2])
	default:
		panic("unknown role " + os.Args[1])
	}
}

func number(text string) int {
	value, err := strconv.Atoi(text)
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// serve prints the address, and serves until SIGTERM.
func serve(handler http.Handler) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	server := &http.Server{Handler: handler}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go server.Serve(listener)
	fmt.Println("listening", listener.Addr())
	<-stop
	deadline, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	server.Shutdown(deadline)
}

var valid = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$`)

func sink() {
	var good, missing, wrong, sampled, sum atomic.Uint64
	var ids sync.Map
	isWrong := func(what string, header any) {
		// Nobody reads the output before the end.
		if wrong.Add(1) <= 20 {
			fmt.Println(what, header)
		}
	}
	serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
			return
		}
		switch values := r.Header["Traceparent"]; {
		case len(values) == 0:
			missing.Add(1)
		case len(values) > 1 || !valid.MatchString(values[0]) || len(r.Header) != 3 && r.Method == "GET":
			isWrong("wrong", r.Header)
		default:
			if _, again := ids.LoadOrStore(values[0], true); again {
				isWrong("again", values)
				break
			}
			good.Add(1)
			id, _ := strconv.ParseUint(values[0][36:52], 16, 64)
			sum.Add(id)
			if strings.HasSuffix(values[0], "1") {
				sampled.Add(1)
			}
		}
		w.Write([]byte("ok"))
	}))
	fmt.Println("good", good.Load(), "missing", missing.Load(), "wrong", wrong.Load(), "sampled", sampled.Load(), "sum", sum.Load())
}

func front(url string) {
	mux := http.NewServeMux()
	mux.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) { fetch(r.Context(), url) })
	mux.HandleFunc("/none", func(w http.ResponseWriter, r *http.Request) {})
	mux.HandleFunc("/own", func(w http.ResponseWriter, r *http.Request) {
		request, err := http.NewRequestWithContext(r.Context(), "GET", url, nil)
		check(err)
		trace, span := make([]byte, 16), make([]byte, 8)
		rand.Read(trace)
		rand.Read(span)
		request.Header.Set("Traceparent", "00-"+hex.EncodeToString(trace)+"-"+hex.EncodeToString(span)+"-01")
		do(request)
	})
	serve(mux)
}

func fetch(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	check(err)
	return do(request)
}

func do(request *http.Request) error {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func drive(requests, connections int, url string) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections}}
	var left, failed atomic.Int64
	left.Store(int64(requests))
	var working sync.WaitGroup
	for worker := 0; worker < connections; worker++ {
		working.Add(1)
		go func() {
			defer working.Done()
			for number := left.Add(-1); number >= 0; number = left.Add(-1) {
				var response *http.Response
				var err error
				// Sometimes on a fresh goroutine, whose stack grows within the client's functions.
				if number%5 == 0 {
					done := make(chan struct{})
					go func() {
						defer close(done)
						deep(int(number%120), func() { response, err = client.Get(url) })
					}()
					<-done
				} else {
					response, err = client.Get(url)
				}
				if err != nil || response.StatusCode != 200 {
					failed.Add(1)
					continue
				}
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
		}()
	}
	working.Wait()
	fmt.Println("sent", requests, "failed", failed.Load())
}

//go:noinline
func deep(depth int, then func()) byte {
	var room [256]byte
	if depth == 0 {
		then()
		return room[0]
	}
	room[depth%256] = deep(depth-1, then)
	return room[(depth+1)%256]
}

// stress collects garbage, stops the world for the stacks of all goroutines, and allocates, for as long as the program runs. The
// pauses are how often; nothing is waited for.
func stress() {
	go func() {
		for {
			runtime.GC()
			time.Sleep(5 * time.Millisecond)
		}
	}()
	go func() {
		buffer := make([]byte, 1<<20)
		for {
			runtime.Stack(buffer, true)
			time.Sleep(15 * time.Millisecond)
		}
	}()
	for worker := 0; worker < 2; worker++ {
		go func() {
			var keep [64][]byte
			for turn := 0; ; turn++ {
				keep[turn%64] = make([]byte, 64+turn%4096)
				if turn%1000 == 0 {
					runtime.Gosched()
				}
			}
		}()
	}
}

func failures(url string) {
	say := func(what string, err error) { fmt.Println(what, err != nil) }
	say("found", fetch(context.Background(), url+"/items/a%20b?q=1&token=secret"))
	say("refused", fetch(context.Background(), "http://127.0.0.1:1/refused"))
	short, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	say("timeout", fetch(short, url+"/slow"))
	cancel()
	cancelled, cancel := context.WithCancel(context.Background())
	time.AfterFunc(20*time.Millisecond, cancel)
	say("cancelled", fetch(cancelled, url+"/slow"))
	say("not found", fetch(context.Background(), url+"/missing"))
	say("redirected", fetch(context.Background(), url+"/redirect"))
	say("redirected twice", fetch(context.Background(), url+"/first"))
	head, err := http.NewRequest("HEAD", url+"/head", nil)
	check(err)
	say("head", do(head))
	named, err := http.NewRequest("GET", url+"/named", nil)
	check(err)
	named.Host = "shop.example:99"
	say("named", do(named))
	bodiless, err := http.NewRequest("POST", url+"/bodiless", nil)
	check(err)
	bodiless.ContentLength = 7
	say("bodiless", do(bodiless))
	request, err := http.NewRequest("POST", strings.Replace(url, "http://", "http://user:password@", 1)+"/post", strings.NewReader("0123456789"))
	check(err)
	say("posted", do(request))
	// The second one is sent on the connection of the first, which the server closes instead of answering.
	say("kept", fetch(context.Background(), url+"/keep"))
	say("sent again", fetch(context.Background(), url+"/again"))
}
