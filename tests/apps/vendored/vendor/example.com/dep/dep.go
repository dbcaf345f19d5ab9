// Package dep is vendored.
package dep

// Text says so.
func Text() string { return "vendored" }
