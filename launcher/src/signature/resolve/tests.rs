//! Signatures and the types of a program, into registers and words of the stack.

use std::collections::BTreeMap;

use super::super::abi::Place;
use super::super::expected;
use super::*;
use crate::binary::ArgPart;

/// Types that a test knows.
pub(in super::super) struct Known(pub(in super::super) BTreeMap<&'static str, Shape>);

impl NamedTypes for Known {
    fn shape(&self, package: Option<&str>, name: &str) -> Option<Shape> {
        self.0.get(format!("{}.{name}", package?).as_str()).cloned()
    }
}

/// A value's words: `r0` and `f0` are registers, `s8` stack slots; in brackets.
fn place(text: &str, architecture: Architecture) -> (String, u32) {
    let known = Known(BTreeMap::from([
        ("p.Small", Shape::Word { size: 1, is_float: false }),
        ("p.Point", Shape::Struct(vec![Shape::Word { size: 8, is_float: true }; 2])),
        ("pgconn.CommandTag", Shape::Struct(vec![Shape::Pair])),
    ]));
    let signature = Signature::parse("p", text).unwrap_or_else(|error| panic!("{}", error.with_caret(text)));
    let assignment = assign(&signature, architecture, &known).unwrap();
    let value = |placed: &super::super::Placed| {
        let word = |word: &super::super::Word| match word.place {
            Place::Integer(number) => format!("r{number}"),
            Place::Float(number) => format!("f{number}"),
            Place::Local(offset) => format!("l{offset}"),
            Place::Stack(offset) => format!("s{offset}"),
        };
        format!("[{}]", placed.words.iter().map(word).collect::<Vec<_>>().join(" "))
    };
    let incoming: String = assignment.receiver.iter().chain(&assignment.parameters).map(value).collect();
    let results: String = assignment.results.iter().map(value).collect();
    (format!("{incoming} {results}"), assignment.args)
}

fn amd64(text: &str) -> (String, u32) {
    place(text, Architecture::Amd64)
}

fn is(places: &str, args: u32) -> (String, u32) {
    (places.to_owned(), args)
}

#[test]
fn values_are_spread_over_registers() {
    assert_eq!(amd64("func F()"), is(" ", 0));
    assert_eq!(amd64("func F(a int8, b float32, c int) error"), is("[r0][f0][r1] [r0 r1]", 16));
    assert_eq!(
        amd64("func (db *DB) Q(ctx context.Context, query string, args ...any) (*Rows, error)"),
        is("[r0][r1 r2][r3 r4][r5 r6 r7] [r0][r1 r2]", 64)
    );
    assert_eq!(amd64("func F(p Point, s Small, t pgconn.CommandTag) Small"), is("[f0 f1][r0][r1 r2] [r0]", 40));
    assert_eq!(amd64("func F(a complex64, b struct{ x int8; _ int16; y [1]string })"), is("[f0 f1][r0 r1 r2 r3] ", 32));
    assert_eq!(
        amd64("func F(m map[int]int, c chan int, f func(), d time.Duration, t time.Time)"),
        is("[r0][r1][r2][r3][r4 r5 r6] ", 56)
    );
}

#[test]
fn what_does_not_fit_as_a_whole_is_on_the_stack() {
    // A later, smaller one still gets registers.
    assert_eq!(
        amd64("func F(a, b, c, d int, s [2]int, e, f []int, g int16)"),
        is("[r0][r1][r2][r3][s0 s8][r4 r5 r6][s16 s24 s32][r7] ", 40 + 64)
    );
    assert_eq!(amd64("func F(a [2]int8, b bool) (c [3]int8, d int, e [2]int64)"), is("[s0 s1][r0] [s8 s9 s10][r0][s16 s24]", 40));
    assert_eq!(amd64("func F(a struct{}, b [0]int, c int)"), is("[][][r0] ", 8));
    assert_eq!(amd64("func F(a, b, c, d, e string)"), is("[r0 r1][r2 r3][r4 r5][r6 r7][s0 s8] ", 16 + 64));
    assert_eq!(place("func F(a, b, c, d, e string)", Architecture::Arm64), is("[r0 r1][r2 r3][r4 r5][r6 r7][r8 r9] ", 80));
    let floats = "func F(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p float64)";
    assert!(amd64(floats).0.ends_with("[f14][s0] "), "{:?}", amd64(floats));
    assert!(place(floats, Architecture::Arm64).0.ends_with("[f15] "));
}

#[test]
fn an_unknown_type_is_named() {
    let signature = Signature::parse("p", "func F(a *Unknown, b []Unknown, c struct { d [3]Unknown }) int").unwrap();
    let error = assign(&signature, Architecture::Amd64, &Known(BTreeMap::new())).unwrap_err();
    assert_eq!(error, NotAssigned::UnknownType("p.Unknown".to_owned()));
    let large = Signature::parse("p", "func F(a [1000000000]int)").unwrap();
    assert_eq!(assign(&large, Architecture::Amd64, &Known(BTreeMap::new())), Err(NotAssigned::TooLarge));
    let generic = Signature::parse("p", "func F[T any](a T)").unwrap();
    let error = assign(&generic, Architecture::Amd64, &Known(BTreeMap::new())).unwrap_err();
    assert_eq!(error, NotAssigned::UnknownType("T".to_owned()));
}

#[test]
fn a_dictionary_is_behind_the_receiver() {
    let arguments = [("T".to_owned(), GoType::Basic(Basic::String))];
    let known = Known(BTreeMap::new());
    let words = |text: &str| {
        let signature = Signature::parse("p", text).unwrap();
        let shapes = Resolver::new(&known, &arguments).values(&signature).known().unwrap();
        let assignment = shapes.assign(Architecture::Amd64).unwrap();
        (assignment.parameters[0].words[0].place, assignment.args, assignment.arg_info)
    };
    let (word, open, close) = (|offset| ArgPart::Word { offset, size: 8 }, ArgPart::Open, ArgPart::Close);
    let (place, args, info) = words("func F[T any](a T, b bool)");
    assert_eq!((place, args), (Place::Integer(1), 32));
    assert_eq!(info.0, [open, word(8), word(16), close, ArgPart::Word { offset: 24, size: 1 }]);
    let (place, args, info) = words("func (l *List[T]) Push(a T)");
    assert_eq!((place, args), (Place::Integer(2), 32));
    assert_eq!(info.0, [word(8), open, word(16), word(24), close]);
}

/// As the compiler writes it: `40` is a word of 8 bytes at 64, `…` more, `^` far.
fn info(text: &str) -> String {
    let signature = Signature::parse("p", text).unwrap();
    let info = assign(&signature, Architecture::Amd64, &Known(BTreeMap::new())).unwrap().arg_info;
    let part = |part: &ArgPart| match part {
        ArgPart::Word { offset, size } => format!("{offset}:{size} "),
        ArgPart::FarWord => "^ ".to_owned(),
        ArgPart::Open => "{".to_owned(),
        ArgPart::Close => "}".to_owned(),
        ArgPart::More => "…".to_owned(),
    };
    info.0.iter().map(part).collect()
}

#[test]
fn argument_information_is_as_the_compiler_writes_it() {
    assert_eq!(info("func F()"), "");
    assert_eq!(info("func F(a *int, s string, b bool) int"), "0:8 {8:8 16:8 }24:1 ");
    assert_eq!(info("func F(a [2]int16, b int) [2]int"), "{0:2 2:2 }24:8 ");
    assert_eq!(info("func F(a struct{}, b [0]int, c complex128)"), "{}{}{0:8 8:8 }");
    // Ten components, one of them without contents; what is open is closed.
    assert_eq!(info("func F(a, b, c, d, e, f, g, h, i, j int)"), "8:8 16:8 24:8 32:8 40:8 48:8 56:8 64:8 72:8 0:8 ");
    assert_eq!(info("func F(a, b, c, d, e, f, g, h, i, j, k int8)"), "8:1 9:1 10:1 11:1 12:1 13:1 14:1 15:1 16:1 0:1 …");
    assert_eq!(info("func F(a [12]int8)"), "{0:1 1:1 2:1 3:1 4:1 5:1 6:1 7:1 8:1 9:1 …}");
    assert_eq!(info("func F(a [12]int8, b int)"), "{0:1 1:1 2:1 3:1 4:1 5:1 6:1 7:1 8:1 9:1 …}…");
    assert_eq!(info("func F(a [1][1][1][1][1]int, b int)"), "{{{{{…}}}}}8:8 ");
    assert_eq!(info("func F(a [40]int64, b int)"), "{0:8 8:8 16:8 24:8 32:8 40:8 48:8 56:8 64:8 72:8 …}…");
    assert_eq!(info("func F(a [1]struct { b [29]struct{}; c [30]int64 }, d [2]int)"), "{{{{}{}{}{}{}{}{}{}{}{}…}…}}…");
    assert_eq!(info("func F(a struct { b int8; c [1]int64 }, d [2]int8, e [100]int64)"), {
        let first = "{808:1 {816:8 }}{0:1 1:1 }{8:8 16:8 24:8 32:8 40:8 48:8 …}";
        first.replace("808:1 ", "^ ").replace("816:8 ", "^ ")
    });
    let mut huge = vec![(0, Shape::Array(u64::MAX, Box::new(Shape::Struct(Vec::new()))))];
    huge.push((0, Shape::POINTER));
    assert_eq!(expected::arg_info(huge.iter().map(|(home, shape)| (*home, shape))).0.len(), 24);
}
