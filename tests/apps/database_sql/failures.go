package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

func (s *shop) addFailures(add adder) {
	add("/syntax-error", func(r *http.Request) (string, error) { return all(s.QueryContext(r.Context(), "SELEC id FROM orders")) })
	add("/missing-table", func(r *http.Request) (string, error) {
		return all(s.QueryContext(r.Context(), "SELECT id FROM missing"))
	})
	add("/constraint", func(r *http.Request) (string, error) {
		return affected(s.ExecContext(r.Context(), text("INSERT INTO orders (id, name) VALUES (?, ?)"), 1, "again"))
	})
	add("/wrapped", func(r *http.Request) (string, error) {
		_, err := s.QueryContext(r.Context(), "SELECT id FROM missing")
		return "", fmt.Errorf("as asked: %w", err)
	})
	add("/late-error", func(r *http.Request) (string, error) { return all(s.QueryContext(r.Context(), server.lateError)) })
	add("/not-sql", func(r *http.Request) (string, error) {
		return affected(s.ExecContext(r.Context(), "hello from the other side"))
	})
	add("/empty", func(r *http.Request) (string, error) { return affected(s.ExecContext(r.Context(), "")) })
	add("/invalid-utf8", func(r *http.Request) (string, error) {
		return all(s.QueryContext(r.Context(), "SELECT id FROM orders WHERE name = '\xff\xfe secret' AND id = 1"))
	})
	add("/unterminated", func(r *http.Request) (string, error) {
		return all(s.QueryContext(r.Context(), "SELECT id FROM orders WHERE name = 'it's secret'"))
	})
	add("/wrong-arguments", func(r *http.Request) (string, error) { return all(s.QueryContext(r.Context(), byID, 1, 2, 3)) })
	add("/cancelled", func(r *http.Request) (string, error) {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		return all(s.QueryContext(ctx, byID, 1))
	})
	add("/cancelled-meanwhile", func(r *http.Request) (string, error) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		time.AfterFunc(100*time.Millisecond, cancel)
		return all(s.QueryContext(ctx, server.slow))
	})
	add("/deadline", func(r *http.Request) (string, error) {
		ctx, cancel := within(r, 100*time.Millisecond)
		defer cancel()
		return all(s.QueryContext(ctx, server.slow))
	})
	add("/slow", func(r *http.Request) (string, error) { return all(s.QueryContext(r.Context(), server.slow)) })
	add("/lost", func(r *http.Request) (string, error) {
		if server.lost == "" {
			return "none", nil
		}
		return all(s.QueryContext(r.Context(), server.lost))
	})
}
