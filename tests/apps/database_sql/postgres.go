//go:build pgx5 || pgx4 || pq

package main

import "fmt"

// postgres is what drivers of PostgreSQL have in common.
func postgres(name string) system {
	return system{
		name:        name,
		placeholder: func(number int) string { return fmt.Sprint("$", number) },
		slow:        "SELECT pg_sleep(5)",
		lateError:   "SELECT 1 / (3 - id) FROM orders ORDER BY id",
		lost:        "SELECT pg_terminate_backend(pg_backend_pid())",
		procedure: []string{
			`CREATE OR REPLACE PROCEDURE add_order(new_id INTEGER, new_name VARCHAR) LANGUAGE SQL AS
			$$ INSERT INTO orders (id, name) VALUES (new_id, new_name) $$`,
		},
	}
}
