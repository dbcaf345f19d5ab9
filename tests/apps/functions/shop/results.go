package shop

import (
	"context"
	"errors"
)

// User takes six registers.
type User struct{ ID, Name, Mail string }

// Find returns its error in the seventh and eighth.
//
//go:noinline
func Find(ctx context.Context, id string) (User, error) {
	if id == "" {
		return User{}, errors.New("no id")
	}
	return User{ID: id, Name: "name of " + id, Mail: id + "@example.test"}, nil
}

// Nine returns as many words as there are registers on amd64.
//
//go:noinline
func Nine(n int) (a, b, c, d, e, f, g, h, i int) {
	if n > 1000 {
		return
	}
	return n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8
}
