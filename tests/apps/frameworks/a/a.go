// Package a is initialised before the frameworks are, by its path: what they log as they are goes to standard error.
package a

import "os"

// Stdout is standard output.
var Stdout = os.Stdout

func init() { os.Stdout = os.Stderr }
