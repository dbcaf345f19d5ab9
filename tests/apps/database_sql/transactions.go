package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
)

func (s *shop) addTransactions(add adder) {
	// begun runs steps within a transaction that is rolled back at the end, if it has not been committed.
	begun := func(r *http.Request, steps func(tx *sql.Tx) (string, error)) (string, error) {
		tx, err := s.BeginTx(r.Context(), nil)
		if err != nil {
			return "", err
		}
		defer tx.Rollback()
		return steps(tx)
	}
	add("/commit", func(r *http.Request) (string, error) {
		tx, err := s.BeginTx(r.Context(), nil)
		if err != nil {
			return "", err
		}
		if _, err := tx.ExecContext(r.Context(), rename, "committed", 1); err != nil {
			return "", err
		}
		if _, err := scanned(tx.QueryRowContext(r.Context(), one, 1)); err != nil {
			return "", err
		}
		return "", tx.Commit()
	})
	add("/commit-plain", func(*http.Request) (string, error) {
		tx, err := s.Begin()
		if err != nil {
			return "", err
		}
		if _, err := tx.Exec(rename, "committed", 1); err != nil {
			return "", err
		}
		if _, err := all(tx.Query(byID, 1)); err != nil {
			return "", err
		}
		return "", tx.Commit()
	})
	add("/rollback", func(r *http.Request) (string, error) {
		return begun(r, func(tx *sql.Tx) (string, error) { return affected(tx.ExecContext(r.Context(), rename, "lost", 2)) })
	})
	add("/rollback-after-commit", func(r *http.Request) (string, error) {
		return begun(r, func(tx *sql.Tx) (string, error) { return "", tx.Commit() })
	})
	add("/commit-twice", func(r *http.Request) (string, error) {
		return begun(r, func(tx *sql.Tx) (string, error) {
			if err := tx.Commit(); err != nil {
				return "", err
			}
			return "", tx.Commit()
		})
	})
	add("/empty-transaction", func(r *http.Request) (string, error) {
		return begun(r, func(*sql.Tx) (string, error) { return "", nil })
	})
	add("/prepared-in-transaction", func(r *http.Request) (string, error) {
		outer, err := s.PrepareContext(r.Context(), one)
		if err != nil {
			return "", err
		}
		defer outer.Close()
		return begun(r, func(tx *sql.Tx) (string, error) {
			inner, err := tx.PrepareContext(r.Context(), rename)
			if err != nil {
				return "", err
			}
			if _, err := inner.ExecContext(r.Context(), "prepared", 3); err != nil {
				return "", err
			}
			return scanned(tx.StmtContext(r.Context(), outer).QueryRowContext(r.Context(), 1))
		})
	})
	add("/panic-in-transaction", func(r *http.Request) (said string, err error) {
		defer func() {
			if value := recover(); value != nil {
				said = fmt.Sprint("recovered ", value)
			}
		}()
		return begun(r, func(tx *sql.Tx) (string, error) {
			if _, err := tx.ExecContext(r.Context(), rename, "lost", 2); err != nil {
				return "", err
			}
			panic("as asked")
		})
	})
	// database/sql rolls back, on a goroutine of its own.
	add("/cancelled-transaction", func(r *http.Request) (string, error) {
		ctx, cancel := context.WithCancel(r.Context())
		tx, err := s.BeginTx(ctx, nil)
		if err != nil {
			cancel()
			return "", err
		}
		if _, err := tx.ExecContext(ctx, rename, "lost", 2); err != nil {
			cancel()
			return "", err
		}
		cancel()
		for {
			if _, err := tx.Exec(rename, "lost", 2); errors.Is(err, sql.ErrTxDone) {
				return "", nil
			}
		}
	})
	add("/deadlock", func(r *http.Request) (string, error) {
		turn := func(ids ...int) error {
			_, err := begun(r, func(tx *sql.Tx) (string, error) { return lock(r.Context(), tx, ids) })
			return err
		}
		// A barrier, so that each has one before it wants the other.
		both.Add(2)
		other := make(chan error)
		go func() { other <- turn(2, 1) }()
		err := turn(1, 2)
		return "", errors.Join(err, <-other)
	})
	// Begins that many transactions, and ends them together.
	add("/transactions", func(r *http.Request) (string, error) {
		count, err := strconv.Atoi(r.URL.Query().Get("count"))
		if err != nil {
			return "", err
		}
		var open []*sql.Tx
		defer func() {
			for _, tx := range open {
				tx.Rollback()
			}
		}()
		for len(open) < count {
			tx, err := s.BeginTx(r.Context(), nil)
			if err != nil {
				return "", err
			}
			open = append(open, tx)
			if _, err := scanned(tx.QueryRowContext(r.Context(), one, 1)); err != nil {
				return "", err
			}
		}
		return fmt.Sprint(count), nil
	})
}

var both sync.WaitGroup

func lock(ctx context.Context, tx *sql.Tx, ids []int) (string, error) {
	if _, err := tx.ExecContext(ctx, rename, "locked", ids[0]); err != nil {
		both.Done()
		return "", err
	}
	both.Done()
	both.Wait()
	_, err := tx.ExecContext(ctx, rename, "locked", ids[1])
	return "", err
}
