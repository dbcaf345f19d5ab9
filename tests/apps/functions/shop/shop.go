// Package shop has functions and methods of all kinds, for tests of spans of a program's own functions.
package shop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Item is a struct that is passed by value.
type Item struct {
	Name  string
	Cents int64
}

// Order has fields of the kinds that expressions read.
type Order struct {
	ID     string
	Items  []Item
	Paid   bool
	Weight float64
	Next   *Order
}

// Receipt is a result.
type Receipt struct {
	Number uint32
	Cents  int64
}

// Refused is an error of the program's own.
type Refused struct{ Code int }

func (r *Refused) Error() string { return fmt.Sprintf("refused with code %d", r.Code) }

// ErrEmpty is an error of the standard library.
var ErrEmpty = errors.New("the order is empty")

// Store has methods with pointer receivers.
type Store struct {
	Name  string
	count uint32
}

// Branch has those of Store promoted.
type Branch struct {
	Number int
	*Store
}

// Money has methods with value receivers.
type Money struct {
	Cents    int64
	Currency string
}

// Place fails in several ways: without items, with those that are refused, and with those of which one wraps the other.
//
//go:noinline
func (s *Store) Place(ctx context.Context, o *Order) (*Receipt, error) {
	if len(o.Items) == 0 {
		return nil, ErrEmpty
	}
	if o.Items[0].Name == "refused" {
		return nil, &Refused{7}
	}
	if o.Items[0].Name == "wrapped" {
		return nil, fmt.Errorf("placing %s: %w", o.ID, &Refused{8})
	}
	s.count++
	cents := Total(o.Items)
	if err := s.charge(ctx, Money{cents, "EUR"}); err != nil {
		return nil, err
	}
	return &Receipt{s.count, cents}, nil
}

//go:noinline
func (s *Store) charge(ctx context.Context, money Money) error {
	if money.Add(Money{1, money.Currency}).Cents < 0 {
		return errors.New("a negative amount")
	}
	return ctx.Err()
}

// Add has a value receiver and returns a struct.
//
//go:noinline
func (m Money) Add(other Money) Money { return Money{m.Cents + other.Cents, m.Currency} }

// Total has no context.
//
//go:noinline
func Total(items []Item) (cents int64) {
	for _, item := range items {
		cents += item.Cents
	}
	return cents
}

// Wrapped changes its named result when it has returned.
//
//go:noinline
func Wrapped(ctx context.Context, fails bool) (receipt *Receipt, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("wrapped: %w", err)
		}
	}()
	if fails {
		return nil, &Refused{9}
	}
	return &Receipt{9, 9}, nil
}

// Recovered makes an error of a panic.
//
//go:noinline
func Recovered(ctx context.Context, what string) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("recovered: %v", value)
		}
	}()
	Explode(what)
	return nil
}

// Explode panics.
//
//go:noinline
func Explode(what string) int { panic("as asked: " + what) }

// Many has more parameters than there are registers.
//
//go:noinline
func Many(ctx context.Context, a int8, b uint16, c bool, d float64, e string, f []int, g [1]int32, h *Order, i any, j Item, k uint64, l string, m byte) (int, string, error) {
	if i == nil || d < 0 || g[0] == 0 || m == 0 {
		return 0, "", errors.New("too few")
	}
	return len(f) + int(a) + int(b), e + l + j.Name + h.ID, nil
}

// Map is generic.
//
//go:noinline
func Map[T, U any](in []T, each func(T) U) []U {
	var out []U
	for _, one := range in {
		out = append(out, each(one))
	}
	return out
}

// Stack is a generic type.
type Stack[T any] struct{ items []T }

// Push is a method of it.
//
//go:noinline
func (s *Stack[T]) Push(item T, weight int) int {
	s.items = append(s.items, item)
	return len(s.items) * weight
}

// Factorial calls itself.
//
//go:noinline
func Factorial(n int) int {
	if n < 2 {
		return 1
	}
	return n * Factorial(n-1)
}

// Fetch makes a request, and returns the body of its answer.
//
//go:noinline
func Fetch(ctx context.Context, url string) (body string, err error) {
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return string(text), err
}

// Work does nothing, on whichever goroutine.
//
//go:noinline
func Work(number int) int { return number + 1 }

// Small is inlined wherever it is called.
func Small(n int) int { return n + 1 }

// Counter returns a closure.
func Counter() func() int {
	n := 0
	return func() int { n++; return n }
}
