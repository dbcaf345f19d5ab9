//go:build cgo

package main

// static void nothing(void) {}
import "C"

// With it the program has a runtime of C, whose stacks and threads are others than Go's.
func init() { callC = func() { C.nothing() } }
