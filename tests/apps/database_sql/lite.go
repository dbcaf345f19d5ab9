//go:build sqlite3 || sqlite

package main

// lite is what drivers of SQLite have in common.
func lite(name string) system {
	return system{
		name:        name,
		placeholder: func(int) string { return "?" },
		slow:        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000000) SELECT count(*) FROM n",
		lateError:   "SELECT abs(CASE WHEN id = 3 THEN -9223372036854775807 - 1 ELSE id END) FROM orders ORDER BY id",
	}
}
