package main

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// run is one run of a program under the launcher, and what is expected of it.
type run struct {
	name string
	// The traced one; /app if there is none.
	program string
	// Of each kind.
	requests int
	// The launcher's.
	flags []string
	user  user
	// The fault that the launcher plants.
	planted string
	// The probes are armed before exec, so that nothing is written into requests.
	armedBefore bool
	// The program is not traced, and the only line about it has this in it.
	without string
}

// user is who runs the launcher.
type user int

const (
	// May do nothing.
	nobody user = iota
	// May do nothing but trace.
	tracer
	root
)

// Capabilities, by number (capabilities(7), include/uapi/linux/capability.h).
const sysPtrace = 19

func (u user) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{}
	if u != root {
		attributes.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	if u == tracer {
		attributes.AmbientCaps = []uintptr{sysPtrace}
	}
	return attributes
}

// routes are the paths that requests are sent to. Those of the first one are answered by a handler that panics.
var routes = []string{"/nil", "/direct", "/goroutine", "/http2", "/grpc"}

// propagates tells whether what a request causes is known to be caused by it.
func (r *run) propagates() bool { return !r.armedBefore && r.without == "" }

// problems runs the program under the launcher, and returns what is wrong.
func (r *run) problems(spans *receiver) (problems []string) {
	if r.program == "" {
		r.program = "/app"
	}
	command := exec.Command("/go-auto-launch", slices.Concat(r.flags, []string{"--", r.program})...)
	command.Env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318", "OTEL_SERVICE_NAME=app", "GO_AUTO_LAUNCH_PLANTED=" + r.planted}
	if r.without == "" {
		command.Env = append(command.Env, "OTEL_LOG_LEVEL=debug")
	}
	command.SysProcAttr = r.user.attributes()
	output, err := command.StdoutPipe()
	check(err)
	log := &strings.Builder{}
	command.Stderr = log
	check(command.Start())
	lines := bufio.NewReader(output)
	line, err := lines.ReadString('\n')
	if err != nil {
		command.Wait()
		return []string{"the program does not start: " + err.Error(), log.String()}
	}
	go io.Copy(io.Discard, lines)
	address := strings.Fields(line)[1]
	for _, route := range routes {
		// What a probe was doing when it panicked is lost.
		problems = append(problems, sendAll(address, route, r.requests, r.planted != "panic" && r.propagates())...)
	}
	check(command.Process.Signal(syscall.SIGTERM))
	if err := command.Wait(); err != nil {
		problems = append(problems, "the program has ended with "+err.Error())
	}
	found := spans.taken()
	problems = append(problems, r.compared(found)...)
	if said := log.String(); r.without != "" && (strings.Count(said, "\n") != 1 || !strings.Contains(said, r.without)) {
		problems = append(problems, "not one line, about "+r.without)
	}
	fmt.Printf("machine: %d spans\n", len(found))
	if len(problems) > 12 {
		problems = append(problems[:12], fmt.Sprintf("… and %d more", len(problems)-12))
	}
	if len(problems) > 0 {
		problems = append(problems, log.String())
	}
	return problems
}

// compared returns what is wrong with the spans: each request has a server's, and the one that it causes a client's and a server's.
func (r *run) compared(spans []span) (problems []string) {
	expected := (3*len(routes) - 2) * r.requests
	switch {
	case r.planted == "panic":
		return nil
	case r.without != "":
		expected = 0
	}
	if len(spans) != expected {
		problems = append(problems, fmt.Sprintf("%d spans, not %d", len(spans), expected))
	}
	if expected == 0 {
		return problems
	}
	byParent := map[string][]span{}
	for _, one := range spans {
		byParent[one.trace+one.parent] = append(byParent[one.trace+one.parent], one)
	}
	only := func(what, trace, parent string, kind uint64, outer span) (span, bool) {
		found := byParent[trace+parent]
		if len(found) != 1 || found[0].kind != kind {
			problems = append(problems, fmt.Sprintf("%s of trace %s: %v", what, trace, found))
			return span{}, false
		}
		if one := found[0]; one.end < one.begin || one.begin < outer.begin || (kind == 3 && one.end > outer.end) {
			problems = append(problems, fmt.Sprintf("%s of trace %s: %v is not within %v", what, trace, one, outer))
		}
		return found[0], true
	}
	for number := range r.requests {
		for _, route := range routes {
			trace := traceOf(route, number)
			front, ok := only("the front", trace, parentOf(number), 2, span{})
			if !ok || route == "/nil" {
				continue
			}
			client, ok := only("the client", trace, front.id, 3, front)
			if !ok || !r.propagates() {
				continue
			}
			only("the back", trace, client.id, 2, client)
			// Noted where headers are written.
			if route != "/grpc" && client.peer != "127.0.0.1" {
				problems = append(problems, fmt.Sprintf("the client of trace %s has %q at the other end", trace, client.peer))
			}
		}
	}
	return problems
}
