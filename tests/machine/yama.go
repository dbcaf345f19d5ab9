package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
)

// yama tries what the levels of Yama leave of tracing (Documentation/admin-guide/LSM/Yama.rst), where the kernel has it. From the last
// one there is no way back.
func yama(try func(run)) {
	const file = "/proc/sys/kernel/yama/ptrace_scope"
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		fmt.Println("machine: this kernel has no Yama")
		return
	}
	byBPF := run{name: "root, by BPF", user: root, armedBefore: true, without: withoutBPF()}
	if runtime.GOARCH != "amd64" {
		byBPF.without = "Yama"
	}
	for level, runs := range [][]run{
		{{name: "nobody", flags: native}},
		{{name: "nobody", flags: native}},
		{
			{name: "nobody", without: "Yama"},
			{name: "nobody with CAP_SYS_PTRACE", user: tracer, flags: native},
			{name: "root", user: root, flags: native},
		},
		{{name: "nobody", without: "Yama"}, {name: "nobody with CAP_SYS_PTRACE", user: tracer, without: "Yama"}, byBPF},
	} {
		check(os.WriteFile(file, fmt.Append(nil, level), 0))
		for _, one := range runs {
			one.name = fmt.Sprintf("Yama %d, %s", level, one.name)
			one.requests = 20
			try(one)
		}
	}
}
