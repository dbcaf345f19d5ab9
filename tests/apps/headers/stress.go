package main

import (
	"runtime"
	"time"
)

//go:noinline
func deep(depth int, then func()) byte {
	var room [256]byte
	if depth == 0 {
		then()
		return room[0]
	}
	room[depth%256] = deep(depth-1, then)
	return room[(depth+1)%256]
}

// stress collects garbage, stops the world for the stacks of all goroutines, and allocates, for as long as the program runs. The
// pauses are how often; nothing is waited for.
func stress() {
	go func() {
		for {
			runtime.GC()
			time.Sleep(5 * time.Millisecond)
		}
	}()
	go func() {
		buffer := make([]byte, 1<<20)
		for {
			runtime.Stack(buffer, true)
			time.Sleep(15 * time.Millisecond)
		}
	}()
	for worker := 0; worker < 2; worker++ {
		go func() {
			var keep [64][]byte
			for turn := 0; ; turn++ {
				keep[turn%64] = make([]byte, 64+turn%4096)
				if turn%1000 == 0 {
					runtime.Gosched()
				}
			}
		}()
	}
}
