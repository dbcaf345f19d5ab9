// pgx serves HTTP on an address that it prints ("listening <address>"), with a handler for each thing that can be done with pgx
// by itself, and exits on SIGTERM. The build tag pgx5 or pgx4 says by which major version:
//
//	pgx DSN
//
// Each answer says what came of it: "ok …" or "error …".
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx := context.Background()
	pool, err := newPool(ctx, os.Args[1])
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
	shop := &shop{pool: pool, dsn: os.Args[1]}
	add("/setup", shop.setup)
	shop.addPool(add)
	shop.addConn(add)
	shop.addBatches(add)
	shop.addFailures(add)
	go http.Serve(listener, mux)
	fmt.Println("listening", listener.Addr())
	<-stop
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

type adder func(path string, handle func(*http.Request) (string, error))

type shop struct {
	pool *Pool
	dsn  string
}

const (
	byID   = "SELECT id, name FROM orders WHERE id >= $1"
	one    = "SELECT name FROM orders WHERE id = $1"
	rename = "UPDATE orders SET name = $1 WHERE id = $2"
)

// setup makes the tables anew.
func (s *shop) setup(r *http.Request) (string, error) {
	for _, statement := range []string{
		"DROP TABLE IF EXISTS orders",
		"CREATE TABLE orders (id INTEGER PRIMARY KEY, name VARCHAR(100) NOT NULL)",
		"INSERT INTO orders (id, name) VALUES (1, 'first'), (2, 'second'), (3, 'third')",
	} {
		if _, err := s.pool.Exec(r.Context(), statement); err != nil {
			return "", err
		}
	}
	return "", nil
}

// all reads all rows, and says how many there were.
func all(rows Rows, err error) (string, error) {
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

func scanned(row Row) (string, error) {
	var name string
	err := row.Scan(&name)
	return name, err
}

func affected(tag CommandTag, err error) (string, error) {
	return fmt.Sprint(tag.RowsAffected(), " affected"), err
}

// queries is what Conn, Pool and Tx have in common.
type queries interface {
	Query(ctx context.Context, sql string, args ...any) (Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) Row
	Exec(ctx context.Context, sql string, args ...any) (CommandTag, error)
	Begin(ctx context.Context) (Tx, error)
	SendBatch(ctx context.Context, batch *Batch) BatchResults
	CopyFrom(ctx context.Context, table Identifier, columns []string, rows CopyFromSource) (int64, error)
}

// statements of each kind, one after the other.
func statements(ctx context.Context, on queries) (string, error) {
	if _, err := all(on.Query(ctx, byID, 1)); err != nil {
		return "", err
	}
	if _, err := scanned(on.QueryRow(ctx, one, 1)); err != nil {
		return "", err
	}
	return affected(on.Exec(ctx, rename, "first", 1))
}

func (s *shop) addPool(add adder) {
	add("/query", func(r *http.Request) (string, error) { return all(s.pool.Query(r.Context(), byID, 2)) })
	add("/query-row", func(r *http.Request) (string, error) { return scanned(s.pool.QueryRow(r.Context(), one, 1)) })
	add("/query-row-none", func(r *http.Request) (string, error) { return scanned(s.pool.QueryRow(r.Context(), one, 99)) })
	add("/exec", func(r *http.Request) (string, error) { return affected(s.pool.Exec(r.Context(), rename, "one", 1)) })
	add("/literals", func(r *http.Request) (string, error) {
		return all(s.pool.Query(r.Context(), "SELECT id FROM orders WHERE name = 'it''s secret' AND id IN (1, 2, 3)"))
	})
	add("/simple-protocol", func(r *http.Request) (string, error) { return all(s.pool.Query(r.Context(), byID, simpleProtocol, 1)) })
	add("/rows-early", func(r *http.Request) (string, error) {
		rows, err := s.pool.Query(r.Context(), byID, 1)
		if err != nil {
			return "", err
		}
		rows.Next()
		rows.Close()
		return "", rows.Err()
	})
	add("/pool", func(r *http.Request) (string, error) { return statements(r.Context(), s.pool) })
	add("/pool-conn", func(r *http.Request) (string, error) {
		conn, err := s.pool.Acquire(r.Context())
		if err != nil {
			return "", err
		}
		defer conn.Release()
		return statements(r.Context(), conn)
	})
	add("/commit", func(r *http.Request) (string, error) {
		tx, err := s.pool.Begin(r.Context())
		if err != nil {
			return "", err
		}
		defer tx.Rollback(r.Context())
		if _, err := statements(r.Context(), tx); err != nil {
			return "", err
		}
		return "", tx.Commit(r.Context())
	})
	add("/rollback", func(r *http.Request) (string, error) {
		tx, err := s.pool.Begin(r.Context())
		if err != nil {
			return "", err
		}
		return "", tx.Rollback(r.Context())
	})
	add("/nested", func(r *http.Request) (string, error) {
		tx, err := s.pool.Begin(r.Context())
		if err != nil {
			return "", err
		}
		defer tx.Rollback(r.Context())
		inner, err := tx.Begin(r.Context())
		if err != nil {
			return "", err
		}
		if _, err := inner.Exec(r.Context(), rename, "lost", 1); err != nil {
			return "", err
		}
		if err := inner.Rollback(r.Context()); err != nil {
			return "", err
		}
		return "", tx.Commit(r.Context())
	})
	add("/panic", func(r *http.Request) (said string, err error) {
		defer func() { said = fmt.Sprint("recovered ", recover()) }()
		tx, err := s.pool.Begin(r.Context())
		if err != nil {
			return "", err
		}
		defer tx.Rollback(r.Context())
		panic("as asked")
	})
	// pgx 4.5 has no (*Pool).Ping.
	add("/ping", func(r *http.Request) (string, error) {
		conn, err := s.pool.Acquire(r.Context())
		if err != nil {
			return "", err
		}
		defer conn.Release()
		return "", conn.Conn().Ping(r.Context())
	})
	add("/goroutine", func(r *http.Request) (said string, err error) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			said, err = scanned(s.pool.QueryRow(r.Context(), one, 1))
		}()
		<-done
		return
	})
}

func (s *shop) addConn(add adder) {
	connected := func(r *http.Request, steps func(*Conn) (string, error)) (string, error) {
		conn, err := connect(r.Context(), s.dsn)
		if err != nil {
			return "", err
		}
		defer conn.Close(r.Context())
		return steps(conn)
	}
	add("/conn", func(r *http.Request) (string, error) {
		return connected(r, func(conn *Conn) (string, error) { return statements(r.Context(), conn) })
	})
	add("/prepared", func(r *http.Request) (string, error) {
		return connected(r, func(conn *Conn) (string, error) {
			if _, err := conn.Prepare(r.Context(), "by_id", byID); err != nil {
				return "", err
			}
			return all(conn.Query(r.Context(), "by_id", 1))
		})
	})
	add("/conn-ping", func(r *http.Request) (string, error) {
		return connected(r, func(conn *Conn) (string, error) { return "", conn.Ping(r.Context()) })
	})
	add("/notification", func(r *http.Request) (string, error) {
		return connected(r, func(conn *Conn) (string, error) {
			if _, err := conn.Exec(r.Context(), "LISTEN news"); err != nil {
				return "", err
			}
			if _, err := s.pool.Exec(r.Context(), "SELECT pg_notify('news', 'secret')"); err != nil {
				return "", err
			}
			_, err := conn.WaitForNotification(r.Context())
			return "", err
		})
	})
}

func (s *shop) addBatches(add adder) {
	batch := func(texts ...string) *Batch {
		batch := &Batch{}
		for _, text := range texts {
			batch.Queue(text, 1)
		}
		return batch
	}
	add("/batch", func(r *http.Request) (string, error) {
		results := s.pool.SendBatch(r.Context(), batch(one, one, byID))
		defer results.Close()
		if _, err := scanned(results.QueryRow()); err != nil {
			return "", err
		}
		if _, err := results.Exec(); err != nil {
			return "", err
		}
		return all(results.Query())
	})
	add("/batch-unread", func(r *http.Request) (string, error) {
		return "", s.pool.SendBatch(r.Context(), batch(one, byID)).Close()
	})
	add("/batch-error", func(r *http.Request) (string, error) {
		return "", s.pool.SendBatch(r.Context(), batch(one, "SELECT 1 FROM missing WHERE id = $1")).Close()
	})
	add("/batch-late-error", func(r *http.Request) (string, error) {
		return "", s.pool.SendBatch(r.Context(), batch(one, "SELECT 1 / ($1::int - 1)")).Close()
	})
	add("/copy", func(r *http.Request) (string, error) {
		if _, err := s.pool.Exec(r.Context(), "DELETE FROM orders WHERE id >= $1", 100); err != nil {
			return "", err
		}
		rows := copyFromRows([][]any{{100, "a"}, {101, "b"}})
		count, err := s.pool.CopyFrom(r.Context(), Identifier{"public", "orders"}, []string{"id", "name"}, rows)
		return fmt.Sprint(count), err
	})
	add("/copy-error", func(r *http.Request) (string, error) {
		rows := copyFromRows([][]any{{1, "again"}})
		_, err := s.pool.CopyFrom(r.Context(), Identifier{"orders"}, []string{"id", "name"}, rows)
		return "", err
	})
}

func (s *shop) addFailures(add adder) {
	add("/syntax-error", func(r *http.Request) (string, error) { return all(s.pool.Query(r.Context(), "SELEC id FROM orders")) })
	add("/missing-table", func(r *http.Request) (string, error) {
		return affected(s.pool.Exec(r.Context(), "DELETE FROM missing"))
	})
	add("/constraint", func(r *http.Request) (string, error) {
		return affected(s.pool.Exec(r.Context(), "INSERT INTO orders (id, name) VALUES ($1, $2)", 1, "again"))
	})
	add("/late-error", func(r *http.Request) (string, error) {
		return all(s.pool.Query(r.Context(), "SELECT 1 / (3 - id) FROM orders WHERE id < 50 ORDER BY id"))
	})
	add("/cancelled", func(r *http.Request) (string, error) {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		return all(s.pool.Query(ctx, byID, 1))
	})
	add("/deadline", func(r *http.Request) (string, error) {
		ctx, cancel := context.WithTimeout(r.Context(), 100*time.Millisecond)
		defer cancel()
		return all(s.pool.Query(ctx, "SELECT pg_sleep(5)"))
	})
	add("/lost", func(r *http.Request) (string, error) {
		return affected(s.pool.Exec(r.Context(), "SELECT pg_terminate_backend(pg_backend_pid())"))
	})
	// A pool of one connection, which somebody has.
	add("/exhausted", func(r *http.Request) (string, error) {
		small, err := newPool(r.Context(), s.dsn+"&pool_max_conns=1")
		if err != nil {
			return "", err
		}
		defer small.Close()
		held, err := small.Acquire(r.Context())
		if err != nil {
			return "", err
		}
		defer held.Release()
		ctx, cancel := context.WithTimeout(r.Context(), 100*time.Millisecond)
		defer cancel()
		said, err := scanned(small.QueryRow(ctx, one, 1))
		if !errors.Is(err, context.DeadlineExceeded) {
			return said, fmt.Errorf("not exhausted: %w", err)
		}
		return said, err
	})
	// A pool whose one connection comes back after a while.
	add("/waited", func(r *http.Request) (string, error) {
		small, err := newPool(r.Context(), s.dsn+"&pool_max_conns=1")
		if err != nil {
			return "", err
		}
		defer small.Close()
		held, err := small.Acquire(r.Context())
		if err != nil {
			return "", err
		}
		time.AfterFunc(200*time.Millisecond, held.Release)
		return scanned(small.QueryRow(r.Context(), one, 1))
	})
}
