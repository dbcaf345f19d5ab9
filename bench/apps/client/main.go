// client sends requests to the URL that is its argument, as it is told over its listener: a line says how many
// requests at the same time, how many per second (0: as many as can be), and for how many nanoseconds.
//
// The answer is little-endian: the nanoseconds that it took (64 bits), then those of each request (32 bits each).
package main

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"log"
	"math"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"example.com/bench/subject"
)

type load struct {
	workers, rate int
	duration      time.Duration
}

func main() {
	subject.Run(func(listener net.Listener) {
		url := os.Args[1]
		client := newClient(strings.HasPrefix(url, "https:"))
		for {
			connection, err := listener.Accept()
			if err == nil {
				err = obey(connection, client, url)
			}
			if err != nil {
				log.Fatal("client: ", err)
			}
		}
	})
}

// newClient makes a client of HTTP/2, or of HTTP/1, with connections for all workers.
func newClient(secure bool) *http.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 128}
	if secure {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
		transport.ForceAttemptHTTP2 = true
	}
	return &http.Client{Transport: subject.Transport(transport)}
}

func obey(connection net.Conn, client *http.Client, url string) error {
	defer connection.Close()
	var told load
	if _, err := fmt.Fscanln(connection, &told.workers, &told.rate, &told.duration); err != nil {
		return err
	}
	begin := time.Now()
	latencies, err := send(told, client, url, begin)
	if err != nil {
		return err
	}
	if err := binary.Write(connection, binary.LittleEndian, int64(time.Since(begin))); err != nil {
		return err
	}
	for _, more := range latencies {
		if err := binary.Write(connection, binary.LittleEndian, more); err != nil {
			return err
		}
	}
	return nil
}

// send returns the latencies of each worker.
func send(told load, client *http.Client, url string, begin time.Time) ([][]uint32, error) {
	latencies, errs := make([][]uint32, told.workers), make([]error, told.workers)
	var working sync.WaitGroup
	for worker := range latencies {
		working.Add(1)
		go func(worker int) {
			defer working.Done()
			latencies[worker], errs[worker] = work(told, client, url, begin, worker)
		}(worker)
	}
	working.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return latencies, nil
}

// work sends one request after the other.
func work(told load, client *http.Client, url string, begin time.Time, worker int) ([]uint32, error) {
	latencies := make([]uint32, 0, 1<<12)
	var interval time.Duration
	if told.rate > 0 {
		interval = time.Second * time.Duration(told.workers) / time.Duration(told.rate)
	}
	// Spread over the interval.
	next := begin.Add(interval * time.Duration(worker) / time.Duration(told.workers))
	for {
		time.Sleep(time.Until(next))
		sent := time.Now()
		if sent.Sub(begin) >= told.duration {
			return latencies, nil
		}
		request, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		request.Header.Set("Accept", "application/json")
		if err := subject.Send(client, request); err != nil {
			return nil, err
		}
		latency := time.Since(sent)
		if latency > math.MaxUint32 {
			latency = math.MaxUint32
		}
		latencies = append(latencies, uint32(latency))
		next = next.Add(interval)
	}
}
