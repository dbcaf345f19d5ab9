//go:build fake

package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// fakeDriver answers every query with three rows, and does what no server can be asked for. With the DSN "minimal" its connections
// have the methods that they must have and no others.
type fakeDriver struct{}

var fake = fakeDriver{}

func init() { sql.Register("fake", fake) }

func (fakeDriver) Open(dsn string) (driver.Conn, error) {
	if dsn == "minimal" {
		return &minimalConn{}, nil
	}
	return &conn{}, nil
}

// bad is how often the next statements find that the connection is bad.
var bad atomic.Int64

func run(ctx context.Context, text string) error {
	switch {
	case bad.Add(-1) >= 0:
		return driver.ErrBadConn
	case text == "PANIC":
		panic("as asked")
	case strings.Contains(text, "missing"):
		return &fakeError{code: 42}
	case text == "SLOW":
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Second):
		}
	}
	return nil
}

type fakeError struct{ code int }

func (e *fakeError) Error() string { return fmt.Sprint("fake error ", e.code) }

type minimalConn struct{}

func (*minimalConn) Prepare(text string) (driver.Stmt, error) { return &statement{text: text}, nil }
func (*minimalConn) Close() error                             { return nil }
func (*minimalConn) Begin() (driver.Tx, error)                { return transaction{}, nil }

type conn struct{ minimalConn }

func (*conn) QueryContext(ctx context.Context, text string, _ []driver.NamedValue) (driver.Rows, error) {
	if err := run(ctx, text); err != nil {
		return nil, err
	}
	return newRows(text), nil
}

func (*conn) ExecContext(ctx context.Context, text string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(3), run(ctx, text)
}

func (*conn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	return transaction{}, run(ctx, "BEGIN")
}

func (*conn) Ping(ctx context.Context) error { return run(ctx, "PING") }

type transaction struct{}

func (transaction) Commit() error   { return nil }
func (transaction) Rollback() error { return nil }

type statement struct{ text string }

func (*statement) Close() error  { return nil }
func (*statement) NumInput() int { return -1 }
func (s *statement) Exec([]driver.Value) (driver.Result, error) {
	return driver.RowsAffected(3), run(context.Background(), s.text)
}
func (s *statement) Query([]driver.Value) (driver.Rows, error) {
	if err := run(context.Background(), s.text); err != nil {
		return nil, err
	}
	return newRows(s.text), nil
}

type rows struct {
	columns []string
	next    int
	fails   bool
}

func newRows(text string) *rows {
	columns := []string{"name"}
	if strings.HasPrefix(text, "SELECT id, name") {
		columns = []string{"id", "name"}
	}
	return &rows{columns: columns, fails: text == lateError}
}

func (r *rows) Columns() []string { return r.columns }
func (*rows) Close() error        { return nil }
func (r *rows) Next(values []driver.Value) error {
	r.next++
	if r.next > 3 {
		return io.EOF
	}
	if r.fails && r.next == 3 {
		return errors.New("a late error")
	}
	for column := range values {
		values[column] = int64(r.next)
	}
	return nil
}

const lateError = "LATE"

var server = system{
	name:        "fake",
	placeholder: func(int) string { return "?" },
	slow:        "SLOW",
	lateError:   lateError,
}

// addOwn: the next statements find that their connection is bad, twice: database/sql tries again; and a driver that panics.
func addOwn(db *sql.DB, add adder) {
	add("/retries", func(r *http.Request) (string, error) {
		bad.Store(2)
		return scanned(db.QueryRowContext(r.Context(), one, 1))
	})
	add("/retries-exec", func(r *http.Request) (string, error) {
		bad.Store(2)
		return affected(db.ExecContext(r.Context(), rename, "again", 1))
	})
	add("/retries-in-vain", func(r *http.Request) (string, error) {
		bad.Store(10)
		defer bad.Store(0)
		return scanned(db.QueryRowContext(r.Context(), one, 1))
	})
	add("/panic-in-driver", func(r *http.Request) (said string, err error) {
		defer func() { said = fmt.Sprint("recovered ", recover()) }()
		return affected(db.ExecContext(r.Context(), "PANIC"))
	})
}
