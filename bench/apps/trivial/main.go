// trivial ends at once: what starting and ending a Go program costs.
package main

func main() {}
