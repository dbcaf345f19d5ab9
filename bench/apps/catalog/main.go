// catalog is the small JSON server in a program that has libraries of other tables in it, and may use them: what they take at its
// start.
package main

import (
	"database/sql"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite"

	"example.com/bench/subject"
)

type greeting struct {
	Message string   `json:"message"`
	Items   []string `json:"items"`
	At      int64    `json:"at"`
}

func main() {
	subject.Run(func(listener net.Listener) {
		if path := os.Getenv("ORDERS"); path != "" {
			use(path)
		}
		http.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(greeting{"hello", []string{"one", "two", "three"}, time.Now().Unix()})
		})
		_ = http.Serve(listener, subject.Handler(http.DefaultServeMux, "server"))
	})
}

// use is not called, but the linker does not know.
func use(path string) {
	http.HandleFunc("/orders", func(w http.ResponseWriter, r *http.Request) {
		db, err := sql.Open("sqlite", path)
		if err != nil {
			return
		}
		defer db.Close()
		_, _ = db.ExecContext(r.Context(), "UPDATE orders SET name = ?", "other")
		pool, err := pgxpool.New(r.Context(), path)
		if err != nil {
			return
		}
		defer pool.Close()
		_, _ = pool.Exec(r.Context(), "UPDATE orders SET name = $1", "other")
	})
}
