package main

import "runtime"

// stress collects garbage without a pause, beside what allocates.
func stress() {
	go func() {
		for {
			runtime.GC()
		}
	}()
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
