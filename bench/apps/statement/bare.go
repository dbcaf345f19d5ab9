//go:build !otel

package main

import "database/sql"

func openDatabase(driver, dsn string) (*sql.DB, error) { return sql.Open(driver, dsn) }
