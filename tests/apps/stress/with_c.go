//go:build cgo

package main

/*
#include "stress.h"
*/
import "C"

import (
	"fmt"
	"log"
	"sync/atomic"
	"time"
)

var called, forked atomic.Int64

//export fromC
func fromC() { called.Add(1) }

func withC() {
	if *chain {
		C.chain_handler()
	}
	if *threads > 0 {
		C.start_threads(C.int(*threads))
	}
	if *fork {
		go every(20*time.Millisecond, func() {
			if C.fork_and_wait() != 0 {
				log.Fatal("a forked child has failed")
			}
			forked.Add(1)
		})
	}
}

func printC() {
	fmt.Println("called", called.Load(), "forked", forked.Load(), "chained", int64(C.chained()))
}
