package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net/http"
)

// remoteDatabase is one whose driver asks this URL for each statement, by this client.
func remoteDatabase(client *http.Client, url string) *sql.DB {
	return sql.OpenDB(remote{client, url})
}

// remote is the connector of such a database, its driver, and its connections.
type remote struct {
	client *http.Client
	url    string
}

var errNoStatements = errors.New("only queries")

func (r remote) Connect(context.Context) (driver.Conn, error) { return r, nil }
func (r remote) Driver() driver.Driver                        { return r }
func (r remote) Open(string) (driver.Conn, error)             { return r, nil }
func (r remote) Prepare(string) (driver.Stmt, error)          { return nil, errNoStatements }
func (r remote) Begin() (driver.Tx, error)                    { return nil, errNoStatements }
func (r remote) Close() error                                 { return nil }

func (r remote) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	return nothing{}, r.ask(ctx)
}

func (r remote) ask(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, "GET", r.url, nil)
	if err != nil {
		return err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// nothing is a result without rows.
type nothing struct{}

func (nothing) Columns() []string         { return []string{"one"} }
func (nothing) Close() error              { return nil }
func (nothing) Next([]driver.Value) error { return io.EOF }

// queried serves a request with one statement, in its context.
func queried(database *sql.DB) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rows, err := database.QueryContext(r.Context(), "SELECT 1")
		check(err)
		check(rows.Close())
	}
}
