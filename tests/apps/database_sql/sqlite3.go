//go:build sqlite3

package main

import _ "github.com/mattn/go-sqlite3"

var server = lite("sqlite3")
