package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"strconv"
	"sync"
)

// unclosed are rows that nobody closes.
var unclosed struct {
	sync.Mutex
	rows []*sql.Rows
}

func (s *shop) addGoroutines(add adder) {
	add("/rows-open", func(r *http.Request) (string, error) {
		rows, err := s.Query(byID, 1)
		if err != nil {
			return "", err
		}
		unclosed.Lock()
		defer unclosed.Unlock()
		unclosed.rows = append(unclosed.rows, rows)
		return fmt.Sprint(rows.Next()), nil
	})
	add("/rows-early", func(r *http.Request) (string, error) {
		rows, err := s.QueryContext(r.Context(), byID, 1)
		if err != nil {
			return "", err
		}
		rows.Next()
		return "", rows.Close()
	})
	// Closed by database/sql, on a goroutine of its own.
	add("/rows-cancelled", func(r *http.Request) (string, error) {
		ctx, cancel := context.WithCancel(r.Context())
		rows, err := s.QueryContext(ctx, byID, 1)
		if err != nil {
			cancel()
			return "", err
		}
		rows.Next()
		cancel()
		for rows.Next() {
		}
		return fmt.Sprint(rows.Err()), nil
	})
	add("/rows-elsewhere", func(r *http.Request) (string, error) {
		rows, err := s.QueryContext(r.Context(), byID, 1)
		if err != nil {
			return "", err
		}
		var said string
		wait(func() { said, err = all(rows, nil) })
		return said, err
	})
	add("/goroutine", func(r *http.Request) (said string, err error) {
		wait(func() { said, err = scanned(s.QueryRow(one, 1)) })
		return
	})
	add("/goroutine-context", func(r *http.Request) (said string, err error) {
		wait(func() { said, err = scanned(s.QueryRowContext(r.Context(), one, 1)) })
		return
	})
	// One query while the rows of another are read.
	add("/nested", func(r *http.Request) (string, error) {
		rows, err := s.QueryContext(r.Context(), byID, 1)
		if err != nil {
			return "", err
		}
		defer rows.Close()
		for rows.Next() {
			if _, err := scanned(s.QueryRowContext(r.Context(), one, 1)); err != nil {
				return "", err
			}
		}
		return "", rows.Err()
	})
	add("/many", func(r *http.Request) (string, error) {
		goroutines, statements := number(r, "goroutines"), number(r, "statements")
		failures := make(chan error, goroutines)
		for goroutine := 0; goroutine < goroutines; goroutine++ {
			go func() {
				var err error
				for statement := 0; statement < statements && err == nil; statement++ {
					_, err = scanned(s.QueryRowContext(r.Context(), one, 1+statement%3))
				}
				failures <- err
			}()
		}
		var err error
		for goroutine := 0; goroutine < goroutines; goroutine++ {
			if one := <-failures; one != nil {
				err = one
			}
		}
		return fmt.Sprint(goroutines * statements), err
	})
}

func number(r *http.Request, name string) int {
	number, err := strconv.Atoi(r.URL.Query().Get(name))
	check(err)
	return number
}

// wait runs it on another goroutine.
func wait(run func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		run()
	}()
	<-done
}
