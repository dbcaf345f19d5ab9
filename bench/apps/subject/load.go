package subject

import (
	"encoding/binary"
	"fmt"
	"log"
	"math"
	"net"
	"sync"
	"time"
)

type load struct {
	workers, rate int
	duration      time.Duration
}

// Obey does what it is told over a listener: a line says on how many goroutines at the same time, how often per second (0: as
// often as can be), and for how many nanoseconds.
//
// The answer is little-endian: the nanoseconds that it took (64 bits), then those of each time (32 bits each).
func Obey(listener net.Listener, do func() error) {
	for {
		connection, err := listener.Accept()
		if err == nil {
			err = obey(connection, do)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}

func obey(connection net.Conn, do func() error) error {
	defer connection.Close()
	var told load
	if _, err := fmt.Fscanln(connection, &told.workers, &told.rate, &told.duration); err != nil {
		return err
	}
	begin := time.Now()
	latencies, err := told.run(do, begin)
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

// run returns the latencies of each worker.
func (told load) run(do func() error, begin time.Time) ([][]uint32, error) {
	latencies, errs := make([][]uint32, told.workers), make([]error, told.workers)
	var working sync.WaitGroup
	for worker := range latencies {
		working.Add(1)
		go func(worker int) {
			defer working.Done()
			latencies[worker], errs[worker] = told.work(do, begin, worker)
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

// work does it one time after the other.
func (told load) work(do func() error, begin time.Time, worker int) ([]uint32, error) {
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
		if err := do(); err != nil {
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
