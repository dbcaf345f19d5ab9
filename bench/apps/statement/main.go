// statement executes statements of SQLite in memory, a database for each connection, as it is told over its listener
// (subject.Obey). Its argument says what: exec or query-row.
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log"
	"net"
	"os"

	"modernc.org/sqlite"

	"example.com/bench/subject"
)

const connections = 32

func main() {
	subject.Run(func(listener net.Listener) {
		db := open()
		ctx := context.Background()
		switch os.Args[1] {
		case "exec":
			subject.Obey(listener, func() error {
				_, err := db.ExecContext(ctx, "UPDATE orders SET name = ? WHERE id = ?", "other", 1)
				return err
			})
		case "query-row":
			subject.Obey(listener, func() error {
				var name string
				return db.QueryRowContext(ctx, "SELECT name FROM orders WHERE id = ?", 1).Scan(&name)
			})
		default:
			log.Fatal("statement: exec or query-row is needed")
		}
	})
}

// open makes the tables in each connection, and all connections at once.
func open() *sql.DB {
	sqlite.RegisterConnectionHook(func(connection sqlite.ExecQuerierContext, _ string) error {
		for _, text := range []string{
			"CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
			"INSERT INTO orders (id, name) VALUES (1, 'first')",
		} {
			if _, err := connection.ExecContext(context.Background(), text, []driver.NamedValue{}); err != nil {
				return err
			}
		}
		return nil
	})
	db, err := openDatabase("sqlite", ":memory:")
	if err != nil {
		log.Fatal("statement: ", err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	var held []*sql.Conn
	for range connections {
		conn, err := db.Conn(context.Background())
		if err != nil {
			log.Fatal("statement: ", err)
		}
		held = append(held, conn)
	}
	for _, conn := range held {
		if err := conn.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	return db
}
