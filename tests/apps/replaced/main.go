// replaced is built from a module that a replace directive takes from a local directory.
package main

import "example.com/dep"

func main() { println(dep.Text()) }
