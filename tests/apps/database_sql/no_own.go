//go:build !fake

package main

import "database/sql"

// addOwn is for handlers that only one driver can serve.
func addOwn(*sql.DB, adder) {}
