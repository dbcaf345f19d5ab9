//go:build !newest

package main

// values are of the types that only newer versions have.
func values() {}
