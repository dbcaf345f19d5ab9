// function calls one of 20 functions of its own, 20 times in a tight loop, as it is told over its listener (subject.Obey). Its
// argument is the function's name.
package main

import (
	"context"
	"errors"
	"log"
	"net"
	"os"

	"example.com/bench/subject"
)

// calls is what one time means.
const calls = 20

func main() {
	subject.Run(func(listener net.Listener) {
		called, ctx, order := functions[os.Args[1]], context.Background(), &order{id: 7}
		if called == nil {
			log.Fatal("function: there is none called ", os.Args[1])
		}
		subject.Obey(listener, func() error {
			for range calls {
				if err := spanned(ctx, called, order); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

type order struct{ id int }

type function = func(context.Context, *order) error

// weigh is the work of each: a few microseconds.
//
//go:noinline
func (o *order) weigh(factor int) int {
	sum := o.id
	for number := range 2_000 {
		sum = sum*factor + number
	}
	return sum
}

var errWeight = errors.New("it has no weight")

var functions = map[string]function{
	"Accept":  Accept,
	"Bill":    Bill,
	"Cancel":  Cancel,
	"Check":   Check,
	"Confirm": Confirm,
	"Count":   Count,
	"Deliver": Deliver,
	"Find":    Find,
	"Hold":    Hold,
	"List":    List,
	"Move":    Move,
	"Pack":    Pack,
	"Pay":     Pay,
	"Place":   Place,
	"Price":   Price,
	"Refund":  Refund,
	"Release": Release,
	"Return":  Return,
	"Ship":    Ship,
	"Weigh":   Weigh,
}

func Accept(_ context.Context, order *order) error {
	if order.weigh(31) == 0 {
		return errWeight
	}
	return nil
}

func Bill(_ context.Context, order *order) error {
	if order.weigh(33) == 0 {
		return errWeight
	}
	return nil
}

func Cancel(_ context.Context, order *order) error {
	if order.weigh(35) == 0 {
		return errWeight
	}
	return nil
}

func Check(_ context.Context, order *order) error {
	if order.weigh(37) == 0 {
		return errWeight
	}
	return nil
}

func Confirm(_ context.Context, order *order) error {
	if order.weigh(39) == 0 {
		return errWeight
	}
	return nil
}

func Count(_ context.Context, order *order) error {
	if order.weigh(41) == 0 {
		return errWeight
	}
	return nil
}

func Deliver(_ context.Context, order *order) error {
	if order.weigh(43) == 0 {
		return errWeight
	}
	return nil
}

func Find(_ context.Context, order *order) error {
	if order.weigh(45) == 0 {
		return errWeight
	}
	return nil
}

func Hold(_ context.Context, order *order) error {
	if order.weigh(47) == 0 {
		return errWeight
	}
	return nil
}

func List(_ context.Context, order *order) error {
	if order.weigh(49) == 0 {
		return errWeight
	}
	return nil
}

func Move(_ context.Context, order *order) error {
	if order.weigh(51) == 0 {
		return errWeight
	}
	return nil
}

func Pack(_ context.Context, order *order) error {
	if order.weigh(53) == 0 {
		return errWeight
	}
	return nil
}

func Pay(_ context.Context, order *order) error {
	if order.weigh(55) == 0 {
		return errWeight
	}
	return nil
}

func Place(_ context.Context, order *order) error {
	if order.weigh(57) == 0 {
		return errWeight
	}
	return nil
}

func Price(_ context.Context, order *order) error {
	if order.weigh(59) == 0 {
		return errWeight
	}
	return nil
}

func Refund(_ context.Context, order *order) error {
	if order.weigh(61) == 0 {
		return errWeight
	}
	return nil
}

func Release(_ context.Context, order *order) error {
	if order.weigh(63) == 0 {
		return errWeight
	}
	return nil
}

func Return(_ context.Context, order *order) error {
	if order.weigh(65) == 0 {
		return errWeight
	}
	return nil
}

func Ship(_ context.Context, order *order) error {
	if order.weigh(67) == 0 {
		return errWeight
	}
	return nil
}

func Weigh(_ context.Context, order *order) error {
	if order.weigh(69) == 0 {
		return errWeight
	}
	return nil
}
