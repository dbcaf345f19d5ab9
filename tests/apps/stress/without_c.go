//go:build !cgo

package main

import "log"

func withC() {
	if *chain || *threads > 0 || *fork {
		log.Fatal("this needs a build with cgo")
	}
}

func printC() {}
