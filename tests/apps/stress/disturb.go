package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// What has happened.
var sent, started, stacks atomic.Int64

// disturb starts what the flags say; the result ends what has to be ended.
func disturb() func() {
	if *collect {
		go every(20*time.Millisecond, runtime.GC)
		buffer := make([]byte, 1<<20)
		go every(15*time.Millisecond, func() { stacks.Add(int64(min(runtime.Stack(buffer, true), 1))) })
	}
	if *urgent > 0 {
		go storm(*urgent)
	}
	if *children {
		go every(20*time.Millisecond, child)
	}
	if *profile != "" {
		return startProfile(*profile)
	}
	return func() {}
}

func every(pause time.Duration, do func()) {
	for {
		do()
		time.Sleep(pause)
	}
}

// child starts one and looks at what it says.
func child() {
	output, err := exec.Command("/bin/echo", "child").Output()
	if err != nil || string(output) != "child\n" {
		log.Fatalf("a child said %q, %v", output, err)
	}
	started.Add(1)
}

// storm sends SIGURG to each thread in turn, some every millisecond.
func storm(perSecond int) {
	for {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			log.Fatal(err)
		}
		for left := perSecond / 1000; left > 0; {
			for _, task := range tasks {
				thread, err := strconv.Atoi(task.Name())
				if err != nil {
					log.Fatal(err)
				}
				// The thread may have ended.
				if _, _, errno := syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(os.Getpid()), uintptr(thread), uintptr(syscall.SIGURG)); errno == 0 {
					sent.Add(1)
				}
				left--
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// profileAt sets the rate, which StartCPUProfile then finds set and says so on standard error.
func profileAt(hertz int) { runtime.SetCPUProfileRate(hertz) }

//go:noinline
func dereference() {
	var pointer *[16]int
	pointer[len(os.Args)%16] = 1
}

// caught is what `do` has panicked with.
func caught(do func()) (text string) {
	defer func() { text = fmt.Sprint(recover()) }()
	do()
	return ""
}

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

func allocate(times int) bool {
	var keep [64][]byte
	for turn := 0; turn < times; turn++ {
		keep[turn%64] = make([]byte, 64+turn%4096)
	}
	return keep[0] != nil
}
