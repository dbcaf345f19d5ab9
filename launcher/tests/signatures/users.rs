//! Declarations as users write them: of a program's own functions, generic ones, methods of values, with aliases and packages of
//! the same name.

use std::fs;

use go_auto_launch::binary::GoBinary;
use go_auto_launch::signature::{Assignment, Mismatch, Place, Placed, Signature, find, true_signature};

use super::support::apps::{self, GoVersion, Variant};

const FILES: [(&str, &str); 6] = [
    ("go.mod", "module example.test/users\n\ngo 1.21\n"),
    (
        "main.go",
        r#"package main

import (
	"context"

	"example.test/users/one/wire"
	"example.test/users/shop.v2"
	other "example.test/users/two/wire"
)

type Store struct{ n int }

type Size = wire.Size

// The program has another wire.Message, and no main.Size.
func (s *Store) Put(ctx context.Context, m wire.Message, size Size, o *other.Message) (wire.Message, error) {
	return m, ctx.Err()
}

type Outer struct{ *Store }

type Celsius float64

func (c Celsius) Near(d Celsius, n int) bool { return float64(c-d) < float64(n) }

//go:noinline
func Map[T, U any](all []T, first T, f func(T) U) []U {
	return append(make([]U, len(all)), f(first))
}

type List[T any] struct{ all []T }

//go:noinline
func (l *List[T]) Push(v T, n int) { l.all = append(l.all, v) }

type Pair struct {
	a int8
	b string
}

func main() {
	var keep []any
	keep = append(keep, &Outer{}, &other.Struct{}, new(other.Message), Celsius(1), wire.M{})
	for _, one := range keep {
		if put, ok := one.(interface {
			Put(context.Context, wire.Message, Size, *other.Message) (wire.Message, error)
		}); ok {
			put.Put(context.Background(), wire.M{}, 1, nil)
		}
		if near, ok := one.(interface{ Near(Celsius, int) bool }); ok {
			near.Near(2, 3)
		}
	}
	println(len(Map([]int{1}, 1, func(n int) string { return "" })))
	println(len(Map([]Pair{{}}, Pair{}, func(p Pair) int { return 1 })))
	ints, pairs := &List[int]{}, &List[Pair]{}
	ints.Push(1, 2)
	pairs.Push(Pair{}, 2)
	println(ints, pairs, shop.Open("x", 1))
}
"#,
    ),
    (
        "one/wire/wire.go",
        "package wire\n\nimport \"example.test/users/hidden\"\n\ntype (\n\tMessage = hidden.Any\n\tM = hidden.M\n\tSize = hidden.Size\n)\n",
    ),
    ("two/wire/wire.go", "package wire\n\ntype Message interface{ Two() }\n\ntype Struct struct{ A int }\n"),
    (
        "hidden/hidden.go",
        "package hidden\n\ntype Any interface{ Hidden() }\n\ntype M struct{}\n\nfunc (M) Hidden() {}\n\ntype Size uint32\n",
    ),
    ("shop.v2/shop.go", "package shop\n\n//go:noinline\nfunc Open(name string, n int) *int { return &n }\n"),
];

/// Words as `r0`, `f0`, `s0`; values in brackets.
fn places(assignment: &Assignment) -> String {
    let word = |place: &Place| match place {
        Place::Integer(number) => format!("r{number}"),
        Place::Float(number) => format!("f{number}"),
        Place::Local(offset) => format!("l{offset}"),
        Place::Stack(offset) => format!("s{offset}"),
    };
    let value = |placed: &Placed| {
        let words: Vec<String> = placed.words.iter().map(|one| word(&one.place)).collect();
        if placed.is_known { format!("[{}]", words.join(" ")) } else { "[?]".to_owned() }
    };
    assignment.receiver.iter().chain(&assignment.parameters).map(value).collect()
}

#[test]
fn functions_of_users_are_found() {
    for (version, variant) in [
        (GoVersion::GO_1_21, Variant::Stripped),
        (GoVersion::GO_1_24, Variant::Stripped),
        (GoVersion::GO_1_27, Variant::Stripped),
        (GoVersion::GO_1_27, Variant::Arm64Stripped),
    ] {
        let file = fs::read(apps::build_files("users", &FILES, version, variant)).unwrap();
        let binary = GoBinary::parse(&file).unwrap();
        let ask = |text: &str| {
            let signature = Signature::parse_full(text).unwrap_or_else(|error| panic!("{}", error.with_caret(text)));
            find(&binary, &binary.functions(&[&signature.symbol()]), &signature)
        };
        let all = |text: &str| -> Vec<String> {
            let found = ask(text).unwrap_or_else(|error| panic!("{version:?} {variant:?}: {error}"));
            found.iter().map(|found| places(&found.assignment)).collect()
        };
        let put = "main.(*Store).Put(ctx context.Context, m wire.Message, size Size, o *other.Message) (wire.Message, error)";
        assert_eq!(all(put), ["[r0][r1 r2][r3 r4][r5][r6]"]);
        let declared = true_signature(&binary, &ask(put).unwrap()[0].function).unwrap();
        assert_eq!(
            declared,
            "main.(*Store).Put(context.Context, example.test/users/hidden.Any, example.test/users/hidden.Size, \
             *example.test/users/two/wire.Message) (example.test/users/hidden.Any, error)"
        );
        assert_eq!(all("main.Celsius.Near(d Celsius, n int) bool"), ["[f0][f1][r0]"]);
        // In the order of their names; type parameters by value need names.
        assert_eq!(
            all("main.Map[T, U any](all []T, first T, f func(T) U) []U"),
            ["[r1 r2 r3][r4][r5]", "[r1 r2 r3][r4 r5 r6][r7]"]
        );
        assert_eq!(all("main.Map[...](all []T, first T, f func(T) U) []U"), ["[r1 r2 r3][?][?]", "[r1 r2 r3][?][?]"]);
        assert_eq!(all("main.(*List[T]).Push(v T, n int)"), ["[r0][r2][r3]", "[r0][r2 r3 r4][r5]"]);
        assert_eq!(all("example.test/users/shop%2ev2.Open(name string, n int) *int"), ["[r0 r1][r2]"]);
        assert_eq!(all("example.test/users/shop.v2.Open(name string, n int) *int"), ["[r0 r1][r2]"]);

        let refused = |text: &str| ask(text).unwrap_err();
        let other = put.replace("*other.Message)", "*Store)");
        assert!(matches!(refused(&other), Mismatch::OtherTypes { .. }), "{:?}", refused(&other));
        let other = put.replace("m wire.Message", "m string");
        assert!(matches!(refused(&other), Mismatch::OtherTypes { .. }), "{:?}", refused(&other));
        assert!(matches!(refused("main.(*List[T]).Push(v T)"), Mismatch::Differs { .. }));
        let promoted =
            refused("main.(*Outer).Put(ctx context.Context, m wire.Message, size Size, o *other.Message) (wire.Message, error)");
        assert!(matches!(promoted, Mismatch::Generated(_)), "{promoted:?}");
    }
}
