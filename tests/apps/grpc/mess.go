package main

import (
	"context"
	"fmt"
	"math/rand"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// mess makes `n` calls at once, of each `times`. Every other ends well, and every byte of it is compared; the rest end in the ways that a
// call can, unless `bad` is 0: by a status, cancelled in the middle of a stream, before the call or while it begins, by a deadline, without a
// connection, without being read to the end.
func mess(all transports) call {
	closed := listen("tcp", "127.0.0.1:0")
	closed.Close()
	refused := dial(closed.Addr().String(), grpc.WithInsecure())
	return func(ctx context.Context, query url.Values) []string {
		n, _ := strconv.Atoi(query.Get("n"))
		times, _ := strconv.Atoi(query.Get("times"))
		bad := query.Get("bad") != "0"
		var right, wrong, ended int64
		var group sync.WaitGroup
		for worker := 0; worker < n; worker++ {
			random := rand.New(rand.NewSource(int64(worker)))
			group.Add(1)
			go func() {
				defer group.Done()
				for number := 0; number < times; number++ {
					if bad && number%2 == 1 {
						endBadly(ctx, all.tcp, refused, number/2)
						atomic.AddInt64(&ended, 1)
					} else if endWell(ctx, all.tcp, random) {
						atomic.AddInt64(&right, 1)
					} else {
						atomic.AddInt64(&wrong, 1)
					}
				}
			}()
		}
		group.Wait()
		return []string{fmt.Sprint(right, " right, ", wrong, " wrong, ", ended, " ended otherwise")}
	}
}

// endWell says whether all came back that was sent, behind one line with the context that went with it.
func endWell(ctx context.Context, connection *grpc.ClientConn, random *rand.Rand) bool {
	text := make([]byte, random.Intn(2_000))
	for at := range text {
		text[at] = byte('a' + random.Intn(26))
	}
	said := string(text)
	var got []string
	if random.Intn(4) > 0 {
		got = once(ctx, connection, said)[1:]
	} else if got = stream(ctx, connection, "Both", 1+random.Intn(3), said); len(got) > 0 && got[len(got)-1] == "OK" {
		got = got[:len(got)-1]
	}
	for _, one := range got {
		parts := strings.SplitN(one, "\n", 2)
		if len(parts) != 2 || parts[1] != said || !strings.HasPrefix(parts[0], "traceparent: ") || strings.Count(parts[0], "-") != 3 {
			return false
		}
	}
	return len(got) > 0
}

// endBadly makes a call that ends in one way or another.
func endBadly(ctx context.Context, connection, refused *grpc.ClientConn, number int) {
	limited, cancel := context.WithCancel(ctx)
	defer cancel()
	switch number % 8 {
	case 0:
		once(ctx, connection, "code 5")
	case 1:
		stream(ctx, connection, "Both", 2, "code 13")
	case 2:
		opened, err := connection.NewStream(limited, kinds["Server"], "/test.Echo/Server")
		if err != nil {
			return
		}
		_ = opened.SendMsg(&wrapperspb.StringValue{Value: "wait"})
		_ = opened.CloseSend()
		_ = opened.RecvMsg(new(wrapperspb.StringValue))
	case 3:
		short, cancel := context.WithTimeout(ctx, 2*time.Millisecond)
		defer cancel()
		once(short, connection, "wait")
	case 4:
		once(ctx, refused, "")
	case 5:
		cancel()
		once(limited, connection, "")
	case 6:
		go cancel()
		_, _ = connection.NewStream(limited, kinds["Both"], "/test.Echo/Both")
	case 7:
		once(ctx, connection, "panic")
	}
}
