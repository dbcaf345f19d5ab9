// Collector receives server spans by OTLP over HTTP with JSON, on port 4318, and says what it got.
//
//	GET /count?service=NAME                       how many spans of this service have arrived
//	GET /count?service=NAME&at-least=N&within=D   the same, as soon as there are N, or after the time D
//	GET /spans?service=NAME                       the spans, one in a line: name and attributes of span and resource
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

type attribute struct {
	Key   string                     `json:"key"`
	Value map[string]json.RawMessage `json:"value"`
}

type request struct {
	ResourceSpans []struct {
		Resource struct {
			Attributes []attribute `json:"attributes"`
		} `json:"resource"`
		ScopeSpans []struct {
			Spans []struct {
				Name       string      `json:"name"`
				Kind       int         `json:"kind"`
				Attributes []attribute `json:"attributes"`
			} `json:"spans"`
		} `json:"scopeSpans"`
	} `json:"resourceSpans"`
}

// serverKind is SPAN_KIND_SERVER; spans of clients are not counted, for some programs send requests to themselves.
const serverKind = 2

// store holds the spans of each service as text.
type store struct {
	mu       sync.Mutex
	arrived  *sync.Cond
	services map[string][]string
}

func main() {
	s := &store{services: map[string][]string{}}
	s.arrived = sync.NewCond(&s.mu)
	http.HandleFunc("/v1/traces", s.receive)
	http.HandleFunc("/count", s.count)
	http.HandleFunc("/spans", s.spans)
	go func() {
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		<-stop
		os.Exit(0)
	}()
	log.Fatal(http.ListenAndServe(":4318", nil))
}

func (s *store) receive(w http.ResponseWriter, r *http.Request) {
	var body request
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range body.ResourceSpans {
		service, about := described(resource.Resource.Attributes)
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				if span.Kind != serverKind {
					continue
				}
				_, attributes := described(span.Attributes)
				s.services[service] = append(s.services[service], span.Name+attributes+about)
			}
		}
	}
	s.arrived.Broadcast()
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, "{}")
}

// described is service.name, and all attributes as text.
func described(attributes []attribute) (service, text string) {
	var all strings.Builder
	for _, one := range attributes {
		for _, value := range one.Value {
			plain := strings.Trim(string(value), `"`)
			fmt.Fprintf(&all, " %s=%s", one.Key, plain)
			if one.Key == "service.name" {
				service = plain
			}
		}
	}
	return service, all.String()
}

func (s *store) count(w http.ResponseWriter, r *http.Request) {
	service := r.FormValue("service")
	wanted, _ := strconv.Atoi(r.FormValue("at-least"))
	within, _ := time.ParseDuration(r.FormValue("within"))
	deadline := time.Now().Add(within)
	late := time.AfterFunc(within, func() {
		// Under the lock, or it could come between the look at the clock and the wait.
		s.mu.Lock()
		defer s.mu.Unlock()
		s.arrived.Broadcast()
	})
	defer late.Stop()

	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.services[service]) < wanted && time.Now().Before(deadline) {
		s.arrived.Wait()
	}
	fmt.Fprintln(w, len(s.services[service]))
}

func (s *store) spans(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, span := range s.services[r.FormValue("service")] {
		fmt.Fprintln(w, span)
	}
}
