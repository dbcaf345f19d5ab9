// init is the first process of a virtual machine: it starts the launcher with a program, sends that requests, compares the spans that
// come with them, and says how it went. Nothing else runs there.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// Requests of each kind, and how many of them are sent at the same time.
const requests, together = 300, 4

func main() {
	begin := time.Now()
	failed := 0
	prepare()
	spans := &receiver{}
	listener, err := net.Listen("tcp", "127.0.0.1:4318")
	check(err)
	go http.Serve(listener, spans)
	for _, run := range []struct{ name, planted string }{{"plain", ""}, {"reads of unmapped memory", "wild"}, {"panics in probes", "panic"}} {
		if run.planted != "" && !hasPlanted() {
			continue
		}
		if problems := traced(spans, run.planted); len(problems) > 0 {
			failed++
			fmt.Printf("arm64: %s: FAILED\n  %s\n", run.name, strings.Join(problems, "\n  "))
		} else {
			fmt.Printf("arm64: %s: ok\n", run.name)
		}
	}
	fmt.Printf("arm64: %d failed, %v\n", failed, time.Since(begin).Round(time.Second))
	syscall.Sync()
	check(syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF))
}

// hasPlanted tells whether the launcher is one that plants faults.
func hasPlanted() bool {
	_, err := os.Stat("/planted")
	return err == nil
}

// prepare mounts what every program expects, and takes the loopback interface up.
func prepare() {
	for _, mount := range [][2]string{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}} {
		check(os.MkdirAll(mount[1], 0o755))
		check(syscall.Mount(mount[0], mount[1], mount[0], 0, ""))
	}
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	check(err)
	// struct ifreq: a name of 16 bytes, then flags.
	var up [40]byte
	copy(up[:], "lo")
	up[16] = syscall.IFF_UP
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&up)))
	if errno != 0 {
		check(errno)
	}
}

// traced runs the program under the launcher, and returns what is wrong.
func traced(spans *receiver, planted string) (problems []string) {
	command := exec.Command("/go-auto-launch", "--engine", "native", "--", "/app")
	command.Env = []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318", "OTEL_SERVICE_NAME=app", "OTEL_LOG_LEVEL=debug", "GO_AUTO_LAUNCH_PLANTED=" + planted}
	// Nobody, who may do nothing.
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	output, err := command.StdoutPipe()
	check(err)
	log := &strings.Builder{}
	command.Stderr = log
	check(command.Start())
	lines := bufio.NewReader(output)
	line, err := lines.ReadString('\n')
	if err != nil {
		return []string{"the program does not start: " + err.Error(), log.String()}
	}
	go io.Copy(io.Discard, lines)
	address := strings.Fields(line)[1]
	for _, route := range []string{"/direct", "/goroutine", "/nil"} {
		// What a probe was doing when it panicked is lost.
		problems = append(problems, sendAll(address, route, planted != "panic")...)
	}
	check(command.Process.Signal(syscall.SIGTERM))
	if err := command.Wait(); err != nil {
		problems = append(problems, "the program has ended with "+err.Error())
	}
	found := spans.taken()
	if planted != "panic" {
		problems = append(problems, compared(found)...)
	}
	fmt.Printf("arm64: %d spans\n", len(found))
	if len(problems) > 12 {
		problems = append(problems[:12], fmt.Sprintf("… and %d more", len(problems)-12))
	}
	if len(problems) > 0 {
		problems = append(problems, log.String())
	}
	return problems
}

// The request with this number of a route is the trace with this id, and its parent the span with that one.
func traceOf(route string, number int) string { return fmt.Sprintf("%016x%016x", len(route), number+1) }
func parentOf(number int) string              { return fmt.Sprintf("%016x", number+1) }

// once is a client that sends no request again, as others do where a connection that was used before is closed without an answer.
var once = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// sendAll sends all requests to a route, several at the same time.
func sendAll(address, route string, passesOn bool) (problems []string) {
	var lock sync.Mutex
	var sending sync.WaitGroup
	numbers := make(chan int)
	for range together {
		sending.Add(1)
		go func() {
			defer sending.Done()
			for number := range numbers {
				if problem := send(address, route, number, passesOn); problem != "" {
					lock.Lock()
					problems = append(problems, problem)
					lock.Unlock()
				}
			}
		}()
	}
	for number := range requests {
		numbers <- number
	}
	close(numbers)
	sending.Wait()
	return problems
}

// send sends one request, whose context is passed on by what answers it.
func send(address, route string, number int, passesOn bool) string {
	request, err := http.NewRequest("GET", "http://"+address+route, nil)
	check(err)
	trace := traceOf(route, number)
	request.Header.Set("Traceparent", "00-"+trace+"-"+parentOf(number)+"-01")
	if route == "/nil" {
		// The handler panics, and the server closes the connection.
		if _, err := once.Do(request); err == nil {
			return route + " was answered"
		}
		return ""
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return route + ": " + err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Sprintf("%s: %s, %v", route, response.Status, err)
	}
	if passesOn && !strings.Contains(string(body), trace) {
		return fmt.Sprintf("%s: request %d was not passed on: %q", route, number, body)
	}
	return ""
}

// compared returns what is wrong with the spans: each request has a server's, and the one that it causes a client's and a server's.
func compared(spans []span) (problems []string) {
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
	for number := range requests {
		for _, route := range []string{"/direct", "/goroutine"} {
			trace := traceOf(route, number)
			front, ok := only("the front", trace, parentOf(number), 2, span{})
			if !ok {
				continue
			}
			if client, ok := only("the client", trace, front.id, 3, front); ok {
				only("the back", trace, client.id, 2, client)
			}
		}
		only("the panic", traceOf("/nil", number), parentOf(number), 2, span{})
	}
	if len(spans) != 7*requests {
		problems = append(problems, fmt.Sprintf("%d spans, not %d", len(spans), 7*requests))
	}
	return problems
}

func check(err error) {
	if err != nil {
		fmt.Println("arm64: FAILED:", err)
		syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	}
}
