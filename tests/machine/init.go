// init is the first process of a virtual machine: it starts the launcher with programs, sends them requests, compares the spans that
// come with these, and says how it went. Nothing else runs there.
package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	begin := time.Now()
	prepare()
	spans := &receiver{}
	listener, err := net.Listen("tcp", "127.0.0.1:4318")
	check(err)
	go http.Serve(listener, spans)
	fmt.Printf("machine: %s\n", release())
	failed := 0
	try := func(one run) {
		if !strings.Contains(one.name, os.Getenv("ONLY")) {
			return
		}
		if strings.Contains(one.name, "BPF") && one.without == "" && os.Getenv("ONLY") == "" {
			// The kernel would come to its end there (docs/limits.md).
			fmt.Printf("machine: %s: not tried\n", one.name)
			return
		}
		if problems := one.problems(spans); len(problems) > 0 {
			failed++
			fmt.Printf("machine: %s: FAILED\n  %s\n", one.name, strings.Join(problems, "\n  "))
		} else {
			fmt.Printf("machine: %s: ok\n", one.name)
		}
	}
	// Stripped, PIE, with cgo, with the race detector.
	programs, err := filepath.Glob("/app*")
	check(err)
	for _, program := range programs {
		try(run{name: "natively, " + program, program: program, requests: 300, flags: native})
	}
	try(run{name: "natively, reads of unmapped memory", requests: 300, flags: native, planted: "wild"})
	try(run{name: "natively, panics in probes", requests: 300, flags: native, planted: "panic"})
	clocks(try)
	// Elsewhere there is no such engine yet.
	if runtime.GOARCH == "amd64" {
		try(run{name: "root, by BPF", requests: 300, flags: []string{"--engine", "bpf"}, user: root, without: withoutBPF()})
	}
	yama(try)
	fmt.Printf("machine: %d failed, %v\n", failed, time.Since(begin).Round(time.Second))
	syscall.Sync()
	check(syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF))
}

var native = []string{"--engine", "native"}

// withoutBPF is what is said where this kernel cannot do what the other engine needs.
func withoutBPF() string {
	var major, minor int
	fmt.Sscanf(release(), "%d.%d", &major, &minor)
	if major < 6 || major == 6 && minor < 13 {
		return "Linux 6.13"
	}
	return ""
}

// release is what uname(1) says with -r.
func release() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	check(err)
	return strings.TrimSpace(string(text))
}

// clocks tries the sources of time that the kernel has besides the present one, which decide how the native engine tells the time.
func clocks(try func(run)) {
	const folder = "/sys/devices/system/clocksource/clocksource0/"
	present, err := os.ReadFile(folder + "current_clocksource")
	check(err)
	available, err := os.ReadFile(folder + "available_clocksource")
	check(err)
	for _, source := range strings.Fields(string(available)) {
		if source != strings.TrimSpace(string(present)) {
			check(os.WriteFile(folder+"current_clocksource", []byte(source), 0))
			try(run{name: "natively, time by " + source, requests: 100, flags: native})
		}
	}
	check(os.WriteFile(folder+"current_clocksource", bytes.TrimSpace(present), 0))
	fmt.Printf("machine: time by %s", present)
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

func check(err error) {
	if err != nil {
		fmt.Println("machine: FAILED:", err)
		syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	}
}
