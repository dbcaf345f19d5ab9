package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// call is what a path does; it says what it has got.
type call func(ctx context.Context, query url.Values) []string

func calls(all transports) map[string]call {
	return map[string]call{
		"/unary":   func(ctx context.Context, query url.Values) []string { return once(ctx, all.tcp, say(query)) },
		"/plain":   func(ctx context.Context, query url.Values) []string { return once(ctx, all.plain, say(query)) },
		"/tls":     func(ctx context.Context, query url.Values) []string { return once(ctx, all.tls, say(query)) },
		"/unix":    func(ctx context.Context, query url.Values) []string { return once(ctx, all.unix, say(query)) },
		"/handler": func(ctx context.Context, query url.Values) []string { return once(ctx, all.handler, say(query)) },
		"/retried": func(ctx context.Context, query url.Values) []string { return once(ctx, all.retrying, "twice") },
		"/server": func(ctx context.Context, query url.Values) []string {
			return stream(ctx, all.tcp, "Server", 1, say(query))
		},
		"/client": func(ctx context.Context, query url.Values) []string {
			return stream(ctx, all.tcp, "Client", 3, say(query))
		},
		"/both": func(ctx context.Context, query url.Values) []string {
			return stream(ctx, all.tcp, "Both", 3, say(query))
		},
		"/unknown": func(ctx context.Context, query url.Values) []string {
			return []string{err(all.tcp.Invoke(ctx, query.Get("method"), &wrapperspb.StringValue{Value: ""}, new(wrapperspb.StringValue)))}
		},
		"/deadline": func(ctx context.Context, query url.Values) []string {
			limited, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			defer cancel()
			return once(limited, all.tcp, "wait")
		},
		"/cancelled": cancelled(all),
		"/refused": func(ctx context.Context, query url.Values) []string {
			closed := listen("tcp", "127.0.0.1:0")
			closed.Close()
			connection := dial(closed.Addr().String(), grpc.WithInsecure())
			defer connection.Close()
			return once(ctx, connection, "")
		},
		"/lost": lost,
		"/own":  own(all),
		"/many": many(all),
		"/mess": mess(all),
		"/open": open(all),
		"/goroutine": func(ctx context.Context, query url.Values) []string {
			said := make(chan []string)
			go func() { said <- once(ctx, all.tcp, say(query)) }()
			return <-said
		},
	}
}

// say is what is to be said to the server.
func say(query url.Values) string {
	said := query.Get("say")
	if length, _ := strconv.Atoi(query.Get("length")); length > 0 {
		said = strings.Repeat("x", length)
	}
	return said
}

func err(err error) string {
	if err == nil {
		return "OK"
	}
	return status.Code(err).String() + " " + status.Convert(err).Message()
}

func once(ctx context.Context, connection *grpc.ClientConn, said string) []string {
	out := new(wrapperspb.StringValue)
	failed := connection.Invoke(ctx, "/test.Echo/Unary", &wrapperspb.StringValue{Value: said}, out)
	if len(out.Value) > 4096 {
		out.Value = fmt.Sprint(len(out.Value), " bytes")
	}
	return []string{err(failed), out.Value}
}

var kinds = map[string]*grpc.StreamDesc{
	"Server": {StreamName: "Server", ServerStreams: true},
	"Client": {StreamName: "Client", ClientStreams: true},
	"Both":   {StreamName: "Both", ServerStreams: true, ClientStreams: true},
}

func stream(ctx context.Context, connection *grpc.ClientConn, kind string, times int, said string) []string {
	opened, failed := connection.NewStream(ctx, kinds[kind], "/test.Echo/"+kind)
	if failed != nil {
		return []string{err(failed)}
	}
	for number := 0; number < times; number++ {
		if failed := opened.SendMsg(&wrapperspb.StringValue{Value: said}); failed != nil {
			break
		}
	}
	if failed := opened.CloseSend(); failed != nil {
		return []string{err(failed)}
	}
	var all []string
	for {
		out := new(wrapperspb.StringValue)
		failed := opened.RecvMsg(out)
		if failed == io.EOF {
			return append(all, "OK")
		}
		if failed != nil {
			return append(all, err(failed))
		}
		all = append(all, out.Value)
		if !kinds[kind].ServerStreams {
			return append(all, "OK")
		}
	}
}

// cancelled ends a stream in its middle, by its context.
func cancelled(all transports) call {
	return func(ctx context.Context, query url.Values) []string {
		limited, cancel := context.WithCancel(ctx)
		defer cancel()
		opened, failed := all.tcp.NewStream(limited, kinds["Server"], "/test.Echo/Server")
		if failed != nil {
			return []string{err(failed)}
		}
		check(opened.SendMsg(&wrapperspb.StringValue{Value: "wait"}))
		check(opened.CloseSend())
		check(opened.RecvMsg(new(wrapperspb.StringValue)))
		cancel()
		return []string{err(opened.RecvMsg(new(wrapperspb.StringValue)))}
	}
}

// lost calls a server that is stopped meanwhile.
func lost(ctx context.Context, query url.Values) []string {
	server := newServer()
	listener := listen("tcp", "127.0.0.1:0")
	go func() { _ = server.Serve(listener) }()
	connection := dial(listener.Addr().String(), grpc.WithInsecure())
	defer connection.Close()
	opened, failed := connection.NewStream(ctx, kinds["Server"], "/test.Echo/Server")
	if failed != nil {
		return []string{err(failed)}
	}
	check(opened.SendMsg(&wrapperspb.StringValue{Value: "wait"}))
	check(opened.CloseSend())
	check(opened.RecvMsg(new(wrapperspb.StringValue)))
	server.Stop()
	return []string{err(opened.RecvMsg(new(wrapperspb.StringValue)))}
}

// own sends metadata that the program has made itself.
func own(all transports) call {
	return func(ctx context.Context, query url.Values) []string {
		for name, values := range query {
			for _, value := range values {
				ctx = metadata.AppendToOutgoingContext(ctx, name, value)
			}
		}
		return once(ctx, all.tcp, "")
	}
}

// many makes `n` calls at once, of each `times`, and counts those that have sent no context, or another one's.
func many(all transports) call {
	return func(ctx context.Context, query url.Values) []string {
		n, _ := strconv.Atoi(query.Get("n"))
		times, _ := strconv.Atoi(query.Get("times"))
		connection := dial(all.tcp.Target(), grpc.WithInsecure())
		defer connection.Close()
		var mutex sync.Mutex
		seen, wrong := map[string]bool{}, 0
		var group sync.WaitGroup
		expect(n)
		for worker := 0; worker < n; worker++ {
			worker := worker
			group.Add(1)
			go func() {
				defer group.Done()
				for number := 0; number < times; number++ {
					// The first ones are all open at the same time.
					said := fmt.Sprint(map[bool]string{true: "together "}[number == 0], worker, "-", number)
					kind := []string{"Unary", "Both"}[(worker+number)%2]
					var got []string
					if kind == "Unary" {
						got = once(ctx, connection, said)[1:]
					} else {
						got = stream(ctx, connection, kind, 1, said)
					}
					lines := strings.Split(got[0], "\n")
					mutex.Lock()
					if len(lines) != 2 || lines[1] != said || !strings.HasPrefix(lines[0], "traceparent: ") || seen[lines[0]] {
						wrong++
						if wrong < 5 {
							fmt.Println("wrong:", got)
						}
					}
					seen[lines[0]] = true
					mutex.Unlock()
				}
			}()
		}
		group.Wait()
		return []string{fmt.Sprint(len(seen), " contexts, ", wrong, " wrong")}
	}
}

// open leaves a stream open until the process ends.
func open(all transports) call {
	return func(_ context.Context, query url.Values) []string {
		opened, failed := all.tcp.NewStream(context.Background(), kinds["Server"], "/test.Echo/Server")
		if failed != nil {
			return []string{err(failed)}
		}
		check(opened.SendMsg(&wrapperspb.StringValue{Value: "wait"}))
		check(opened.CloseSend())
		check(opened.RecvMsg(new(wrapperspb.StringValue)))
		fmt.Println("open")
		return []string{err(opened.RecvMsg(new(wrapperspb.StringValue)))}
	}
}
