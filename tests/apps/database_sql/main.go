// database_sql serves HTTP on an address that it prints ("listening <address>"), with a handler for each thing that can be done
// with database/sql, and exits on SIGTERM. A build tag says by which driver:
//
//	database_sql DSN [connector]
//
// opens the database by its DSN, or by a connector of the driver's. Each answer says what came of it: "ok …" or "error …".
package main

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

// system is what the drivers differ in. The files with build tags have one each.
type system struct {
	// name of the server.
	name string
	// connector opens a database without sql.Open; nil where there is no such way.
	connector func(dsn string) (*sql.DB, error)
	// placeholder for the argument with this number, from 1.
	placeholder func(number int) string
	// slow is a query that takes seconds.
	slow string
	// lateError fails at the third row.
	lateError string
	// lost is a query that ends its own connection.
	lost string
	// procedure creates the procedure add_order(id, name); empty where there are none.
	procedure []string
}

func main() {
	db, err := open(os.Args[1:])
	check(err)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	mux := http.NewServeMux()
	add := func(path string, handle func(*http.Request) (string, error)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if said, err := handle(r); err != nil {
				fmt.Fprintf(w, "error %T %s", err, err)
			} else {
				fmt.Fprint(w, "ok ", said)
			}
		})
	}
	shop := &shop{DB: db}
	shop.addStatements(add)
	shop.addTransactions(add)
	shop.addFailures(add)
	shop.addGoroutines(add)
	addReopened(add)
	addOwn(db, add)
	go http.Serve(listener, mux)
	fmt.Println("listening", listener.Addr())
	<-stop
}

func open(args []string) (*sql.DB, error) {
	if len(args) > 1 && args[1] == "connector" {
		return server.connector(args[0])
	}
	return sql.Open(server.name, args[0])
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

type adder func(path string, handle func(*http.Request) (string, error))

type shop struct{ *sql.DB }

// text has a question mark for each argument, which becomes what the driver wants.
func text(statement string) string {
	parts := strings.Split(statement, "?")
	var text strings.Builder
	for number, part := range parts {
		if number > 0 {
			text.WriteString(server.placeholder(number))
		}
		text.WriteString(part)
	}
	return text.String()
}

var (
	byID   = text("SELECT id, name FROM orders WHERE id >= ?")
	one    = text("SELECT name FROM orders WHERE id = ?")
	rename = text("UPDATE orders SET name = ? WHERE id = ?")
)

// setup makes the tables anew.
func (s *shop) setup(*http.Request) (string, error) {
	for _, statement := range []string{
		"DROP TABLE IF EXISTS orders",
		"DROP TABLE IF EXISTS items",
		"CREATE TABLE orders (id INTEGER PRIMARY KEY, name VARCHAR(100) NOT NULL)",
		"CREATE TABLE items (id INTEGER PRIMARY KEY, order_id INTEGER)",
		"INSERT INTO orders (id, name) VALUES (1, 'first'), (2, 'second'), (3, 'third')",
	} {
		if _, err := s.Exec(statement); err != nil {
			return "", err
		}
	}
	for _, statement := range server.procedure {
		if _, err := s.Exec(statement); err != nil {
			return "", err
		}
	}
	return "", nil
}

// all reads all rows, and says how many there were.
func all(rows *sql.Rows, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer rows.Close()
	count := 0
	for rows.Next() {
		count++
	}
	return fmt.Sprint(count, " rows"), rows.Err()
}

func affected(result sql.Result, err error) (string, error) {
	if err != nil {
		return "", err
	}
	count, err := result.RowsAffected()
	return fmt.Sprint(count, " affected"), err
}

func scanned(row *sql.Row) (string, error) {
	var name string
	err := row.Scan(&name)
	return name, err
}

// first ends at the first error.
func first(steps ...func() (string, error)) (string, error) {
	var said []string
	for _, step := range steps {
		one, err := step()
		if err != nil {
			return "", err
		}
		said = append(said, one)
	}
	return strings.Join(said, ", "), nil
}

func (s *shop) addStatements(add adder) {
	add("/setup", s.setup)
	add("/query", func(*http.Request) (string, error) {
		return all(s.Query("SELECT id, name FROM orders WHERE id > 0 AND name <> 'secret'"))
	})
	add("/query-context", func(r *http.Request) (string, error) { return all(s.QueryContext(r.Context(), byID, 2)) })
	add("/query-row", func(*http.Request) (string, error) { return scanned(s.QueryRow(one, 1)) })
	add("/query-row-context", func(r *http.Request) (string, error) { return scanned(s.QueryRowContext(r.Context(), one, 2)) })
	add("/query-row-none", func(r *http.Request) (string, error) { return scanned(s.QueryRowContext(r.Context(), one, 99)) })
	add("/join", func(r *http.Request) (string, error) {
		return all(s.QueryContext(r.Context(), "SELECT o.id FROM orders o LEFT JOIN items i ON i.order_id = o.id"))
	})
	add("/exec", func(*http.Request) (string, error) {
		return affected(s.Exec("UPDATE orders SET name = 'secret' WHERE id IN (1, 2, 3)"))
	})
	add("/exec-context", func(r *http.Request) (string, error) { return affected(s.ExecContext(r.Context(), rename, "one", 1)) })
	add("/literals", func(r *http.Request) (string, error) {
		return all(s.QueryContext(r.Context(), "SELECT id FROM orders WHERE name = 'it''s secret' AND id IN (1, 2, 3) -- secret\n"))
	})
	add("/prepared", func(r *http.Request) (string, error) {
		query, err := s.PrepareContext(r.Context(), byID)
		if err != nil {
			return "", err
		}
		defer query.Close()
		row, err := s.PrepareContext(r.Context(), one)
		if err != nil {
			return "", err
		}
		defer row.Close()
		update, err := s.PrepareContext(r.Context(), rename)
		if err != nil {
			return "", err
		}
		defer update.Close()
		return first(
			func() (string, error) { return all(query.QueryContext(r.Context(), 1)) },
			func() (string, error) { return scanned(row.QueryRowContext(r.Context(), 1)) },
			func() (string, error) { return affected(update.ExecContext(r.Context(), "prepared", 1)) },
		)
	})
	add("/prepared-plain", func(*http.Request) (string, error) {
		query, err := s.Prepare(byID)
		if err != nil {
			return "", err
		}
		defer query.Close()
		return first(
			func() (string, error) { return all(query.Query(1)) },
			func() (string, error) { return all(query.Query(2)) },
		)
	})
	add("/conn", func(r *http.Request) (string, error) {
		conn, err := s.Conn(r.Context())
		if err != nil {
			return "", err
		}
		defer conn.Close()
		return first(
			func() (string, error) { return "", conn.PingContext(r.Context()) },
			func() (string, error) { return all(conn.QueryContext(r.Context(), byID, 1)) },
			func() (string, error) { return scanned(conn.QueryRowContext(r.Context(), one, 1)) },
			func() (string, error) { return affected(conn.ExecContext(r.Context(), rename, "conn", 1)) },
			func() (string, error) {
				statement, err := conn.PrepareContext(r.Context(), one)
				if err != nil {
					return "", err
				}
				defer statement.Close()
				return scanned(statement.QueryRowContext(r.Context(), 1))
			},
			func() (string, error) {
				tx, err := conn.BeginTx(r.Context(), nil)
				if err != nil {
					return "", err
				}
				return "", tx.Commit()
			},
		)
	})
	add("/ping", func(r *http.Request) (string, error) { return "", s.PingContext(r.Context()) })
	add("/procedure", func(r *http.Request) (string, error) {
		if server.procedure == nil {
			return "none", nil
		}
		_, err := s.ExecContext(r.Context(), text("CALL add_order(?, ?)"), 100, "called")
		return "", err
	})
	add("/large", func(r *http.Request) (string, error) {
		return scanned(s.QueryRowContext(r.Context(), "SELECT length('"+strings.Repeat("secret", 1<<20/6)+"') FROM orders WHERE id = 1"))
	})
	add("/large-with-arguments", func(r *http.Request) (string, error) {
		padding := strings.Repeat("/* padding, padding, padding */ ", 1<<20/32)
		return scanned(s.QueryRowContext(r.Context(), "SELECT name FROM orders "+padding+text("WHERE id = ?"), 1))
	})
	// Collects what a test has left open.
	add("/collect", func(*http.Request) (string, error) { debug.FreeOSMemory(); return "", nil })
}

// within is a context for statements that must not take longer.
func within(r *http.Request, time time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.Context(), time)
}
