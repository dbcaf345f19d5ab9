package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

var valid = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$`)

// answer is what a sink has received.
type answer struct {
	Protocol string              `json:"protocol"`
	Headers  map[string][]string `json:"headers"`
	Trailers map[string][]string `json:"trailers"`
	Body     string              `json:"body"`
}

// sink counts requests by their traceparent headers: none, one that is good, the program's own alone, or wrong.
func sink() {
	var good, own, missing, wrong, sampled, sum atomic.Uint64
	var ids sync.Map
	serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		values := r.Header["Traceparent"]
		isWrong := func() {
			// Nobody reads the output before the end.
			if wrong.Add(1) > 20 {
				return
			}
			fmt.Println("wrong", r.Proto, values, r.Header["X-Library"], r.Header["X-Kind"])
		}
		switch set := r.Header.Get("X-Own"); {
		case set != "" && len(values) == 1 && values[0] == set:
			own.Add(1)
		case set == "" && len(values) == 0:
			missing.Add(1)
		case set != "" || len(values) != 1 || !valid.MatchString(values[0]):
			isWrong()
		default:
			if _, again := ids.LoadOrStore(values[0], true); again {
				isWrong()
				break
			}
			good.Add(1)
			id, _ := strconv.ParseUint(values[0][36:52], 16, 64)
			sum.Add(id)
			if strings.HasSuffix(values[0], "1") {
				sampled.Add(1)
			}
		}
		check(json.NewEncoder(w).Encode(answer{r.Proto, r.Header, r.Trailer, string(body)}))
	}), 2)
	fmt.Println("good", good.Load(), "own", own.Load(), "missing", missing.Load(), "wrong", wrong.Load(), "sampled",
		sampled.Load(), "sum", sum.Load())
}
