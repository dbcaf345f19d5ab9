// App is the program of the container tests: a service that says which signals reach it, and a few things a container
// is asked to do besides.
//
//	app [-exit CODE]   serve on port 8080 until SIGTERM or SIGINT, then end with CODE
//	app exit CODE      end at once
//	app once           serve one request of its own, on loopback, and end
//	app get URL        fetch URL; end with 0 if the answer is 200 (for HEALTHCHECK)
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	exitCode := flag.Int("exit", 0, "the exit code after SIGTERM or SIGINT")
	flag.Parse()
	switch flag.Arg(0) {
	case "":
		serve()
		os.Exit(*exitCode)
	case "exit":
		code, err := strconv.Atoi(flag.Arg(1))
		check(err)
		os.Exit(code)
	case "once":
		once()
	case "get":
		check(get(flag.Arg(1)))
	default:
		check(fmt.Errorf("unknown command %q", flag.Arg(0)))
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve prints "signal N" for each signal, and serves until it is SIGTERM or SIGINT; requests in progress are finished.
func serve() {
	signals := make(chan os.Signal, 64)
	for number := syscall.Signal(1); number <= 64; number++ {
		switch number {
		case syscall.SIGURG, syscall.SIGCHLD, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
			// Left alone: the runtime's own, the children's, and those of job control, which shall stop the program.
			// (signal.Reset would not do: a signal once asked for does not stop the program any more.)
		default:
			signal.Notify(signals, number)
		}
	}

	listener, err := net.Listen("tcp", ":8080")
	check(err)
	server := &http.Server{Handler: routes()}
	go server.Serve(listener)
	fmt.Println("listening")
	for received := range signals {
		number := received.(syscall.Signal)
		fmt.Println("signal", int(number))
		if number == syscall.SIGTERM || number == syscall.SIGINT {
			break
		}
	}
	check(server.Shutdown(context.Background()))
}

func once() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	server := &http.Server{Handler: routes()}
	go server.Serve(listener)
	check(get("http://" + listener.Addr().String() + "/hello"))
	check(server.Shutdown(context.Background()))
}

func get(url string) error {
	answer, err := http.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, answer.Status)
	}
	return nil
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/hello", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello\n") })
	mux.HandleFunc("/sleep", func(w http.ResponseWriter, r *http.Request) {
		milliseconds, _ := strconv.Atoi(r.URL.Query().Get("ms"))
		fmt.Println("sleeping")
		time.Sleep(time.Duration(milliseconds) * time.Millisecond)
	})
	mux.HandleFunc("/orphans", orphans)
	mux.HandleFunc("/zombies", zombies)
	return mux
}

// orphans has a shell make so many processes that lose their parent, and answers how many of them have spoken.
func orphans(w http.ResponseWriter, r *http.Request) {
	script := `i=0; while [ $i -lt "$1" ]; do (echo orphan &); i=$((i + 1)); done`
	output, err := exec.Command("/bin/sh", "-c", script, "sh", r.URL.Query().Get("n")).Output()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, strings.Count(string(output), "orphan\n"))
}

// zombies answers how many processes of this PID namespace have ended and were not reaped.
func zombies(w http.ResponseWriter, _ *http.Request) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	count := 0
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		// The state follows the name, which is in parentheses. A process may have gone meanwhile.
		if _, rest, found := strings.Cut(string(text), ") "); err == nil && found && rest[0] == 'Z' {
			count++
		}
	}
	fmt.Fprintln(w, count)
}
