// A Go program in which there is nothing to trace.
package main

import "fmt"

func main() { fmt.Println("done") }
