//go:build mysql

package main

import (
	"database/sql"

	"github.com/go-sql-driver/mysql"
)

var server = system{
	name: "mysql",
	connector: func(dsn string) (*sql.DB, error) {
		config, err := mysql.ParseDSN(dsn)
		if err != nil {
			return nil, err
		}
		connector, err := mysql.NewConnector(config)
		if err != nil {
			return nil, err
		}
		return sql.OpenDB(connector), nil
	},
	placeholder: func(int) string { return "?" },
	slow:        "SELECT SLEEP(5)",
	lateError:   "SELECT CASE WHEN id = 3 THEN (SELECT id FROM orders) ELSE id END FROM orders ORDER BY id",
	lost:        "KILL CONNECTION_ID()",
	procedure: []string{
		"DROP PROCEDURE IF EXISTS add_order",
		"CREATE PROCEDURE add_order(new_id INTEGER, new_name VARCHAR(100)) INSERT INTO orders (id, name) VALUES (new_id, new_name)",
	},
}
