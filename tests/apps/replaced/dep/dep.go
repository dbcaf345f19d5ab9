// Package dep is replaced.
package dep

// Text says so.
func Text() string { return "replaced" }
