#!/bin/sh
# Makes the seed corpus of the fuzz target go_binary: the smallest Go program, stripped, in the layouts that differ.
set -eu
fuzz=$(cd "$(dirname "$0")" && pwd)
corpus=$fuzz/corpus/go_binary
mkdir -p "$corpus"
cd "$fuzz/../../tests/apps/vendored"
for version in 1.18.10 1.21.13 1.24.9 1.26.8 1.27.3; do
	for mode in exe pie; do
		CGO_ENABLED=0 GOTOOLCHAIN=go$version GOFLAGS=-buildvcs=false \
			go build -p 1 -buildmode=$mode -ldflags='-s -w' -o "$corpus/$version-$mode" .
	done
done
GOARCH=arm64 CGO_ENABLED=0 GOTOOLCHAIN=go1.27.3 GOFLAGS=-buildvcs=false \
	go build -p 1 -ldflags='-s -w' -o "$corpus/1.27.3-arm64" .
