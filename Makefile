# Everything a developer runs. `make demo` and `make test` set up what they need, on a fresh Debian or Ubuntu with
# rustup and Go; both are idempotent. Tests and benchmarks need root (or CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE) and a
# kernel with BPF.

SHELL := /bin/bash
TOOLCHAIN := 1.98.0
LLVM := 22
BPF_LINKER := 0.13.0
TOOLS := $(CURDIR)/target/tools
export PATH := $(TOOLS)/bin:$(PATH)
# Go's caches stay in the clone.
export GOCACHE := $(CURDIR)/target/go/cache
export GOFLAGS := -buildvcs=false

.PHONY: help setup demo test test-all container-test arm64-test kernels-test lint bench release fuzz libraries clean

help:
	@echo "make demo     an example shop service under the launcher, with its traces drawn in the terminal"
	@echo "make test     all tests (root)"
	@echo "make test-all the same, with every way to build a program, every version of Go and more requests (nightly)"
	@echo "make container-test  those through a Docker engine (root); IMAGES=\"tag …\" tests these images"
	@echo "make arm64-test  the native engine on arm64, in a virtual machine (root, Debian)"
	@echo "make kernels-test  both engines with other kernels, each in a virtual machine (root, Debian); KERNELS=\"file …\" takes these"
	@echo "make lint     formatting, clippy for both architectures, licences and advisories, workflows, manifests"
	@echo "make bench    the benchmark: bare, traced, and with the OpenTelemetry SDK in the code (root)"
	@echo "make release  the static binary, target/release-static/go-auto-launch; ARCH=arm64 for the other architecture"
	@echo "make libraries  asks the module proxy for newer versions of the libraries that the tests build programs with"
	@echo "make fuzz     ten minutes of fuzzing of the binary reader"

setup:
	@scripts/setup $(TOOLCHAIN) $(LLVM) $(BPF_LINKER) $(TOOLS)

demo: setup
	@scripts/demo

test: setup
	@scripts/test

test-all: setup
	@TEST_ALL=1 scripts/test

container-test: setup
	@tests/container/run $(IMAGES)

lint: setup
	cargo fmt --check
	@scripts/clippy
	@scripts/cargo-deny $(TOOLS)
	@scripts/actionlint $(TOOLS)
	@scripts/kubernetes $(TOOLS)

arm64-test: setup
	@scripts/arm64

kernels-test: setup
	@scripts/kernels $(KERNELS)

bench: setup
	cargo build --release
	cargo run --release -p bench --

release: setup
	@scripts/release $(ARCH)

fuzz: setup
	@scripts/fuzz 600

libraries:
	@scripts/libraries

clean:
	cargo clean
