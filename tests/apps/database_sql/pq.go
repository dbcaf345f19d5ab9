//go:build pq

package main

import (
	"database/sql"

	"github.com/lib/pq"
)

var server = func() system {
	server := postgres("postgres")
	server.connector = func(dsn string) (*sql.DB, error) {
		connector, err := pq.NewConnector(dsn)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(connector), nil
	}
	return server
}()
