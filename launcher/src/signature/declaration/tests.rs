//! Declarations of Go as text, into signatures, and what is wrong with others.

use super::*;

/// The declaration as Go writes it, with full names; results always in brackets.
fn show(signature: &Signature) -> String {
    let list = |all: &[Parameter]| {
        let one = |parameter: &Parameter| match &parameter.name {
            Some(name) => format!("{name} {}", parameter.go_type),
            None => parameter.go_type.to_string(),
        };
        all.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let receiver = signature.receiver.as_slice().iter().map(|receiver| format!("({}) ", list(std::slice::from_ref(receiver))));
    let receiver: String = receiver.collect();
    format!("{receiver}{}({}) ({})", signature.symbol(), list(&signature.parameters), list(&signature.results))
}

/// Text as in a table for package `p/q`, and what it means.
const TABLE: &[(&str, &str)] = &[
    ("func F()", "p/q.F() ()"),
    ("func F() {", "p/q.F() ()"),
    ("func F(int, string) error", "p/q.F(int, string) (interface { … })"),
    (
        "func F(a, b int, _ string, c ...any) (n int, err error)",
        "p/q.F(a int, b int, string, c []interface {}) (n int, err interface { … })",
    ),
    ("func F(...int)", "p/q.F([]int) ()"),
    ("func F(a int,\n\tb string,\n) (\n\tint,\n)", "p/q.F(a int, b string) (int)"),
    ("func F( // (\n// )\n\ta int, // b\n) // c", "p/q.F(a int) ()"),
    ("func F(T, *T, U) T", "p/q.F(p/q.T, *p/q.T, p/q.U) (p/q.T)"),
    ("func F(x T, y, z http.Header)", "p/q.F(x p/q.T, y http.Header, z http.Header) ()"),
    ("func F(net/http.Header, github.com/jackc/pgx/v5.Rows)", "p/q.F(net/http.Header, github.com/jackc/pgx/v5.Rows) ()"),
    ("func F(gopkg.in/yaml.v3.Node, gopkg.in/yaml%2ev3.Node)", "p/q.F(gopkg.in/yaml.v3.Node, gopkg.in/yaml.v3.Node) ()"),
    ("func F(a []byte, b [4]rune, c [0x10][1_0]int)", "p/q.F(a []uint8, b [4]int32, c [16][10]int) ()"),
    ("func F(a[]byte, b[2]int) bool", "p/q.F(a []uint8, b [2]int) (bool)"),
    (
        "func F(m map[string][]*T, c chan<- int, d <-chan int, e chan (<-chan T))",
        "p/q.F(m map[string][]*p/q.T, c chan int, d chan int, e chan chan p/q.T) ()",
    ),
    ("func F(f func(a, b int) (string, error), g func())", "p/q.F(f func(a, b int) (string, error), g func()) ()"),
    ("func F(f func(int) func() bool) func(...any) int", "p/q.F(f func(int) func() bool) (func(...any) int)"),
    ("func F(i interface{}, j interface{ M(x []int) error; error })", "p/q.F(i interface {}, j interface { … }) ()"),
    (
        "func F(s struct{}, t struct { a, b int; T; *http.Header; o Opt[int]; Opt[T]; g []int `x:\"}\"`; h func() \"\\\"y\" })",
        "p/q.F(s struct {}, t struct { a int; b int; T p/q.T; Header *http.Header; o p/q.Opt[int]; Opt[p/q.T] p/q.Opt[p/q.T]; g []int; h func() }) ()",
    ),
    ("func F(Opt[int, T], Opt[...])", "p/q.F(p/q.Opt[int,p/q.T], p/q.Opt[...]) ()"),
    ("func F(unsafe.Pointer, uintptr, (((int))))", "p/q.F(unsafe.Pointer, uintptr, int) ()"),
    ("func F(string, string int)", "p/q.F(string int, string int) ()"),
    (
        "func (db *DB) Q(ctx context.Context) (*Rows, error)",
        "(db *p/q.DB) p/q.(*DB).Q(ctx context.Context) (*p/q.Rows, interface { … })",
    ),
    ("func (*DB) Q()", "(*p/q.DB) p/q.(*DB).Q() ()"),
    ("func (DB) Q()", "(p/q.DB) p/q.DB.Q() ()"),
    ("func (_ DB) Q()", "(p/q.DB) p/q.DB.Q() ()"),
    ("func (db DB) Q()", "(db p/q.DB) p/q.DB.Q() ()"),
    ("func (l *List[T]) Push(v T, w *T, x U)", "(l *p/q.List[...]) p/q.(*List[...]).Push(v T, w *T, x p/q.U) ()"),
    ("func (List[K, V]) Len() (n int)", "(p/q.List[...]) p/q.List[...].Len() (n int)"),
    ("func Map[T, U any, S ~[]T](x S, f func(T) U) []U", "p/q.Map[...](x S, f func(T) U) ([]U)"),
    ("func (g *G[T]) Map[U interface{ ~int | ~string }](u U, t T)", "(g *p/q.G[...]) p/q.(*G[...]).Map[...](u U, t T) ()"),
];

/// Text as users write it, and what it means.
const FULL: &[(&str, &str)] = &[
    ("main.run()", "main.run() ()"),
    ("func main.run(n int) error {", "main.run(n int) (interface { … })"),
    (
        "example.com/shop/orders.(*Store).Place(ctx context.Context, o *Order) (*Receipt, error)",
        "(recv *example.com/shop/orders.Store) example.com/shop/orders.(*Store).Place(ctx context.Context, o *example.com/shop/orders.Order) (*example.com/shop/orders.Receipt, interface { … })",
    ),
    ("main.Store.M()", "(recv main.Store) main.Store.M() ()"),
    ("main.(Store).M()", "(recv main.Store) main.Store.M() ()"),
    (
        "gopkg.in/yaml.v3.Unmarshal(in []byte, out any) error",
        "gopkg.in/yaml%2ev3.Unmarshal(in []uint8, out interface {}) (interface { … })",
    ),
    (
        "gopkg.in/yaml%2ev3.(*Decoder).Decode(v any)",
        "(recv *gopkg.in/yaml.v3.Decoder) gopkg.in/yaml%2ev3.(*Decoder).Decode(v interface {}) ()",
    ),
    ("gopkg.in/yaml.v3.Node.IsZero() bool", "(recv gopkg.in/yaml.v3.Node) gopkg.in/yaml%2ev3.Node.IsZero() (bool)"),
    ("main.Map[...](x []int) int", "main.Map[...](x []int) (int)"),
    ("main.Map[T, U any](x []T) U", "main.Map[...](x []T) (U)"),
    ("main.(*List[...]).Push(v *T)", "(recv *main.List[...]) main.(*List[...]).Push(v *main.T) ()"),
    ("main.(*List[T]).Push(v T)", "(recv *main.List[...]) main.(*List[...]).Push(v T) ()"),
    ("main.List[...].Len() int", "(recv main.List[...]) main.List[...].Len() (int)"),
    ("main.List[T].Get(i int) T", "(recv main.List[...]) main.List[...].Get(i int) (T)"),
    ("example.com/x-y_z/a~b.F()", "example.com/x-y_z/a~b.F() ()"),
];

#[test]
fn declarations_are_read() {
    for (text, meant) in TABLE {
        let signature = Signature::parse("p/q", text).unwrap_or_else(|error| panic!("{}", error.with_caret(text)));
        assert_eq!(&show(&signature), meant, "{text}");
    }
    for (text, meant) in FULL {
        let signature = Signature::parse_full(text).unwrap_or_else(|error| panic!("{}", error.with_caret(text)));
        assert_eq!(&show(&signature), meant, "{text}");
    }
}

#[test]
fn names_are_kept_apart() {
    let generic = Signature::parse("main", "func (g *G[T]) Map[U any](u U, t *T)").unwrap();
    assert!(generic.is_generic);
    assert_eq!(generic.type_parameters, ["T", "U"]);
    assert_eq!(generic.parameters[0].go_type, GoType::Named { package: None, name: "U".to_owned() });
    let plain = Signature::parse("main", "func (_ *T) M(_, a int)").unwrap();
    assert!(!plain.is_generic);
    assert_eq!(plain.receiver.unwrap().name, None);
    assert_eq!(plain.parameters[0].name, None);
    assert_eq!(plain.parameters[1].name.as_deref(), Some("a"));
    assert_eq!(Signature::parse_full("main.T.M()").unwrap().receiver.unwrap().name.as_deref(), Some(RECEIVER));
}

/// Text, where it is wrong, and how; a `^` in the text stands before the place.
const WRONG: &[(&str, &str)] = &[
    ("^", "expected func"),
    ("^fun F()", "expected func"),
    ("^function()", "expected func"),
    ("func ^", "expected a name"),
    ("func ^1F()", "1F is not a name"),
    ("func ^a.F()", "a.F is not a name"),
    ("func ^range()", "range is a word of the language, not a name"),
    ("func F^", "expected ("),
    ("func F(^", "expected a type"),
    ("func F(a int^", "expected , or )"),
    ("func F(a int, ^", "expected a type"),
    ("func F(^,)", "expected a type"),
    ("func F(a int ^b string)", "expected , or )"),
    ("func F(a b ^int)", "expected , or )"),
    ("func F(a int, b^)", "expected a type"),
    ("func F(a int, ^*T)", "parameters have names either all or none: name the type, or write _ for the name"),
    ("func F(^http.Header, a int)", "parameters have names either all or none: name the type, or write _ for the name"),
    ("func F(a ...int, ^b int)", "only the last parameter can be variadic, with a name of its own or none"),
    ("func F(^a, b ...int)", "only the last parameter can be variadic, with a name of its own or none"),
    ("func F() (a ...int^)", "only the last parameter can be variadic, with a name of its own or none"),
    ("func F() ^...int", "only the last parameter can be variadic, with a name of its own or none"),
    ("func F(a [^n]int)", "the length of an array must be written as a number"),
    ("func F(a [^...]int)", "the length of an array must be written as a number"),
    ("func F(a [^99999999999999999999]int)", "the length of an array must be written as a number"),
    ("func F(a [3 ^int)", "expected ]"),
    ("func F(a map ^string)", "expected ["),
    ("func F(a <-^ch int)", "expected chan"),
    ("func F(a chan^)", "expected a type"),
    ("func F(a *^)", "expected a type"),
    ("func F(a http^.)", "expected , or )"),
    ("func F(a net/http^)", "expected a type's name behind the import path"),
    ("func F(a http.^func)", "func is a word of the language, not a name"),
    ("func F(a interface{ M()^", "expected }"),
    ("func F(a struct{ b int ^c int })", "expected }"),
    ("func F(a struct{ b int ^`x)", "expected the end of the string"),
    ("func F(a struct{ ^", "expected }"),
    ("func F(f func ^int)", "expected ("),
    ("func F() int ^int", "the declaration ends before this"),
    ("func F() { ^return }", "the declaration ends before this"),
    ("func (^) F()", "expected a name"),
    ("func (a *A^, b *B) F()", "a method has one receiver"),
    ("func (a *^*A) F()", "expected a name"),
    ("func (a *A)^", "expected a name"),
    ("func F[^](a int)", "expected a name"),
    ("func F[T any(a int)^", "expected ]"),
];

/// As [`WRONG`], with full names.
const WRONG_FULL: &[(&str, &str)] = &[
    ("^", "the function's name must follow its package, as in example.com/shop/orders.(*Store).Place or main.run"),
    ("^run()", "the function's name must follow its package, as in example.com/shop/orders.(*Store).Place or main.run"),
    (
        "func ^(s *Store) Place()",
        "the function's name must follow its package, as in example.com/shop/orders.(*Store).Place or main.run",
    ),
    (
        "example.com/^shop()",
        "the function's name must follow its package, as in example.com/shop/orders.(*Store).Place or main.run",
    ),
    ("main.^a-b()", "a-b is not a name"),
    ("main.(*^)", "expected a name"),
    ("main.(*^T.M()", "T.M is not a name"),
    ("main.(*T)^M()", "expected ."),
    ("main.(*T).^()", "expected a name"),
    ("main.run^", "expected ("),
    ("main.run ^x()", "expected ("),
];

fn places(marked: &str) -> (String, usize) {
    (marked.replacen('^', "", 1), marked.find('^').unwrap())
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let check = |marked: &str, problem: &str, read: &dyn Fn(&str) -> Result<Signature, SignatureError>| {
        let (text, at) = places(marked);
        match read(&text) {
            Err(error) if (error.to_string().as_str(), error.at) == (problem, at) => None,
            other => Some(format!("{marked}: {other:?}")),
        }
    };
    let table = WRONG.iter().filter_map(|(marked, problem)| check(marked, problem, &|text| Signature::parse("p", text)));
    let full = WRONG_FULL.iter().filter_map(|(marked, problem)| check(marked, problem, &Signature::parse_full));
    let failures: Vec<String> = table.chain(full).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn long_and_deep_texts_are_refused() {
    let deep = format!("func F(a {}int)", "*".repeat(100));
    assert!(Signature::parse("p", &deep).unwrap_err().to_string().contains("depth"));
    let deep = format!("func F(a {}", "func(".repeat(1000));
    assert!(Signature::parse("p", &deep).is_err());
    let long = format!("func F(a {})", "x".repeat(10_000));
    let error = Signature::parse("p", &long).unwrap_err();
    assert_eq!(error.to_string(), "a declaration of more than 8192 bytes is not read");
    assert_eq!(error.at, 8192);
}

/// Nothing panics, and errors have their place within the text.
fn must_not_panic(text: &str) {
    for read in [Signature::parse("p", text), Signature::parse_full(text)] {
        match read {
            Ok(signature) => drop(signature.symbol()),
            Err(error) => {
                assert!(error.at <= text.len(), "{text}: {error:?}");
                assert!(text.is_char_boundary(error.at), "{text}: {error:?}");
                drop(error.with_caret(text));
            }
        }
    }
}

#[test]
fn damaged_texts_are_errors_not_panics() {
    let texts = TABLE.iter().chain(FULL).chain(WRONG).chain(WRONG_FULL).map(|(text, _)| *text);
    for text in texts.chain(["func Ä(ö ñ.Ω) ★", "ünï/cödé.(*Täg).F(x ★)"]) {
        for (at, c) in text.char_indices() {
            let (before, behind) = (&text[..at], &text[at + c.len_utf8()..]);
            must_not_panic(before);
            must_not_panic(&format!("{before}{behind}"));
            for other in ["(", ")", "[", "]", "{", "}", "*", ".", ",", "/", "%", "\"", "`", "...", "é", " ", "func"] {
                must_not_panic(&format!("{before}{other}{behind}"));
            }
        }
    }
}
