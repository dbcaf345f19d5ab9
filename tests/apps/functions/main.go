// functions is a server whose handlers call functions of its own, for tests of the spans of these.
//
//	functions URL    serve; /KIND calls what KIND says
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"example.test/functions/shop"
)

var store = &shop.Branch{Number: 3, Store: &shop.Store{Name: "main street"}}

func order(id string, items ...shop.Item) *shop.Order {
	return &shop.Order{ID: id, Items: items, Paid: true, Weight: 1.5, Next: &shop.Order{ID: "next"}}
}

var (
	apple   = shop.Item{Name: "apple", Cents: 250}
	pear    = shop.Item{Name: "pear", Cents: 175}
	refused = shop.Item{Name: "refused"}
	wrapped = shop.Item{Name: "wrapped"}
)

// recovering answers a panic of a handler.
func recovering(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		handler.ServeHTTP(w, r)
	})
}

// handle is a function of the package main.
//
//go:noinline
func handle(w http.ResponseWriter, r *http.Request, kind string) {
	if kind == "" {
		w.WriteHeader(http.StatusNotFound)
	}
}

func spawn(calls ...func()) {
	var working sync.WaitGroup
	for _, call := range calls {
		call := call
		working.Add(1)
		go func() {
			defer working.Done()
			call()
		}()
	}
	working.Wait()
}

// within starts a goroutine.
//
//go:noinline
func within(ctx context.Context, number int) int {
	result := 0
	spawn(func() { result = shop.Work(number) })
	return result
}

func routes(sink string) *http.ServeMux {
	mux := http.NewServeMux()
	add := func(kind string, call func(ctx context.Context)) {
		mux.HandleFunc("/"+kind, func(w http.ResponseWriter, r *http.Request) { call(r.Context()) })
	}
	add("place", func(ctx context.Context) { store.Place(ctx, order("o-1", apple, pear)) })
	add("empty", func(ctx context.Context) { store.Place(ctx, order("o-2")) })
	add("refused", func(ctx context.Context) { store.Place(ctx, order("o-3", refused)) })
	add("wrapping", func(ctx context.Context) { store.Place(ctx, order("o-4", wrapped)) })
	add("background", func(context.Context) { store.Place(context.Background(), order("o-5", apple)) })
	add("wrapped", func(ctx context.Context) {
		shop.Wrapped(ctx, true)
		shop.Wrapped(ctx, false)
	})
	add("recovered", func(ctx context.Context) { shop.Recovered(ctx, "here") })
	add("many", func(ctx context.Context) {
		next := order("o-6")
		shop.Many(ctx, -7, 60000, true, 2.5, "e", []int{5, 6}, [1]int32{-9}, next, "any", pear, 1<<63, "l", 200)
	})
	add("results", func(ctx context.Context) {
		user, _ := shop.Find(ctx, "one")
		fmt.Fprint(io.Discard, user)
		shop.Find(ctx, "")
		shop.Nine(100)
	})
	add("generic", func(context.Context) {
		shop.Map([]int{1, 2, 3}, func(n int) string { return fmt.Sprint(n) })
		shop.Map([]string{"a"}, func(s string) shop.Item { return shop.Item{Name: s} })
		numbers, items := &shop.Stack[int]{}, &shop.Stack[shop.Item]{}
		numbers.Push(1, 10)
		items.Push(apple, 20)
	})
	add("recursive", func(context.Context) { shop.Factorial(5) })
	add("panics", func(context.Context) { shop.Explode("there") })
	mux.Handle("/recovering", recovering(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { shop.Explode("somewhere") })))
	// From deeper on the stack than what has panicked.
	add("afterwards", func(ctx context.Context) {
		func() {
			defer func() { recover() }()
			shop.Explode("before")
		}()
		deeper(10, func() { shop.Work(8) })
		deeper(10, func() { shop.Fetch(ctx, sink+"/x") })
	})
	// What deferred functions do while a panic goes through them is within what they are deferred in.
	add("deferred", func(ctx context.Context) { deferring(ctx) })
	add("goexit", func(ctx context.Context) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			leave(ctx)
		}()
		<-done
	})
	add("goroutine", func(ctx context.Context) { within(ctx, 7) })
	fetch := func(kind string, context func(r *http.Request) context.Context) {
		mux.HandleFunc("/"+kind, func(w http.ResponseWriter, r *http.Request) {
			body, err := shop.Fetch(context(r), sink+"/"+kind)
			if err != nil {
				panic(err)
			}
			io.WriteString(w, body)
		})
	}
	fetch("fetch", func(r *http.Request) context.Context { return r.Context() })
	fetch("fetch-background", func(*http.Request) context.Context { return context.Background() })
	add("small", func(context.Context) {
		next := shop.Counter()
		log.Print(shop.Small(len(os.Args)), next())
	})
	mux.HandleFunc("/main", func(w http.ResponseWriter, r *http.Request) { handle(w, r, "main") })
	// As many goroutines as that call a function at the same time.
	mux.HandleFunc("/goroutines", func(w http.ResponseWriter, r *http.Request) {
		count, err := strconv.Atoi(r.URL.Query().Get("count"))
		if err != nil {
			panic(err)
		}
		var ready, working sync.WaitGroup
		start := make(chan struct{})
		entering.Add(count)
		for number := 0; number < count; number++ {
			number := number
			ready.Add(1)
			working.Add(1)
			go func() {
				defer working.Done()
				ready.Done()
				<-start
				pause(number)
			}()
		}
		ready.Wait()
		close(start)
		working.Wait()
	})
	// A goroutine that recovers and dies, and another one that has its g perhaps, which creates one more.
	add("reused", func(context.Context) {
		recovered := make(chan struct{})
		go func() {
			defer close(recovered)
			defer func() { recover() }()
			shop.Explode("alone")
		}()
		<-recovered
		worked := make(chan struct{})
		go func() {
			go func() {
				shop.Work(10)
				close(worked)
			}()
		}()
		<-worked
	})
	// By a goroutine that belongs to no request.
	jobs := make(chan func())
	go func() {
		for job := range jobs {
			apart(job)
		}
	}()
	add("apart", func(ctx context.Context) {
		done := make(chan struct{})
		jobs <- func() {
			handling(ctx)
			close(done)
		}
		<-done
	})
	// Half of the calls end by panics, or with their goroutines.
	add("mess", func(ctx context.Context) {
		func() {
			defer func() { recover() }()
			shop.Explode("in the mess")
		}()
		spawn(func() { leave(ctx) }, func() { store.Place(ctx, order("o-7", apple)) }, func() { within(ctx, 1) })
		shop.Recovered(ctx, "in the mess")
		shop.Explode("out of the mess")
	})
	return mux
}

// apart does what somebody else wants.
//
//go:noinline
func apart(job func()) int {
	job()
	return 1
}

// handling, saving and executing call each other with the same context.
//
//go:noinline
func handling(ctx context.Context) error { return saving(ctx) }

//go:noinline
func saving(ctx context.Context) error { return executing(ctx) }

//go:noinline
func executing(ctx context.Context) error { return ctx.Err() }

// entering are the calls of pause that have not begun.
var entering sync.WaitGroup

// pause waits until all that will call it are within it.
//
//go:noinline
func pause(number int) int {
	entering.Done()
	entering.Wait()
	return number
}

// deferring recovers from a panic when something else has been done.
//
//go:noinline
func deferring(ctx context.Context) (err error) {
	defer func() { recover() }()
	defer deeper(10, func() { shop.Work(9) })
	shop.Explode("meanwhile")
	return nil
}

// deeper calls then with depth frames above it.
//
//go:noinline
func deeper(depth int, then func()) byte {
	var room [64]byte
	if depth == 0 {
		then()
		return room[0]
	}
	room[depth%64] = deeper(depth-1, then)
	return room[(depth+1)%64]
}

// leave ends its goroutine.
//
//go:noinline
func leave(ctx context.Context) error {
	shop.Work(1)
	runtime.Goexit()
	return nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	log.SetOutput(io.Discard)
	server := &http.Server{Handler: routes(os.Args[1])}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go server.Serve(listener)
	fmt.Println("listening", listener.Addr())
	<-stop
	deadline, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	server.Shutdown(deadline)
}
