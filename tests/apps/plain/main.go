// plain is a Go program in which nothing can be traced.
package main

import "os"

func main() {
	os.Stdout.WriteString("out\n")
	os.Exit(3)
}
