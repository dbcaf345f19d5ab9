// vendored is built from a vendor directory, so that its build information has no checksums.
package main

import "example.com/dep"

func main() { println(dep.Text()) }
