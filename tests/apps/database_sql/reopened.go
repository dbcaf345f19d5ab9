package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
)

// addReopened adds what opens a database after the other, of which each may be where one was before.
func addReopened(add adder) {
	add("/reopened", func(r *http.Request) (string, error) {
		folder := filepath.Dir(os.Args[1])
		for number := 0; number < 200; number++ {
			db, err := sql.Open(server.name, filepath.Join(folder, fmt.Sprintf("reopened-%03d.db", number)))
			if err != nil {
				return "", err
			}
			if _, err := db.ExecContext(r.Context(), fmt.Sprintf("CREATE TABLE number_%d (id INTEGER)", number)); err != nil {
				return "", err
			}
			if err := db.Close(); err != nil {
				return "", err
			}
			runtime.GC()
		}
		return "", nil
	})
}
