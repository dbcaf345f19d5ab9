//go:build otel

package main

import (
	"database/sql"

	"github.com/XSAM/otelsql"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
)

// openDatabase as the documentation of otelsql says, with one span for a statement: none of rows and of connections.
func openDatabase(driver, dsn string) (*sql.DB, error) {
	return otelsql.Open(driver, dsn, otelsql.WithAttributes(semconv.DBSystemNameSQLite), otelsql.WithSpanOptions(otelsql.SpanOptions{
		OmitConnResetSession: true, OmitConnectorConnect: true, OmitRows: true, OmitConnPrepare: true,
	}))
}
