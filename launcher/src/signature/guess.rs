//! The places of a declaration's values where the program does not describe the type of one: from what it says of the function.
//!
//! [`ArgInfo`] has the words of each parameter. Whether one of four or eight bytes is floating-point, and whether several like ones
//! are an array, it does not have: the places of such a parameter and of those behind it are then not known. Of results it has
//! nothing.

use super::abi::{Assignment, Place, Placed, Shapes};
use super::resolve::Values;
use super::shape::Shape;
use crate::binary::{Architecture, ArgInfo, ArgPart};

/// What the program says of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Says {
    pub(super) args: Option<u32>,
    pub(super) arg_info: ArgInfo,
}

impl Says {
    /// Whether that is what follows from `assignment`.
    pub(super) fn agrees(&self, assignment: &Assignment) -> bool {
        self.args == Some(assignment.args) && self.arg_info == assignment.arg_info
    }
}

/// What has been found out.
#[derive(Clone, Debug)]
pub(super) enum Guess {
    /// Places with which the program agrees.
    Agrees(Assignment),
    /// The shapes are known or follow, but the program does not agree.
    Differs(Assignment),
    /// Nothing tells the shape of this type.
    Unknown(String),
    /// [`super::NotAssigned::TooLarge`].
    TooLarge,
}

/// Fills in what is not known of `values`.
pub(super) fn guess(values: Values, says: &Says, architecture: Architecture) -> Guess {
    let Values { receiver, parameters, results, has_dictionary } = values;
    let has_receiver = receiver.is_some();
    let told = told(&says.arg_info, has_receiver, has_dictionary);
    let mut incoming = Vec::new();
    for (value, told) in receiver.into_iter().chain(parameters).zip(told) {
        incoming.push(match (value, told) {
            (Ok(shape), _) => Incoming { shape, unsure: None },
            (Err(type_name), Some(shape)) => Incoming { unsure: could_be_other(&shape).then_some(type_name), shape },
            (Err(type_name), None) => return Guess::Unknown(type_name),
        });
    }
    let first_unsure = incoming.iter().position(|incoming| incoming.unsure.is_some());
    let unknown_result = results.iter().position(Result::is_err);
    let unsure_type = incoming.iter().find_map(|incoming| incoming.unsure.clone());
    let unknown_type = unsure_type.or_else(|| results.iter().find_map(|result| result.as_ref().err().cloned()));
    // As if it were one that comes in a register: else the program will not agree.
    let results: Vec<Shape> = results.into_iter().map(|result| result.unwrap_or(Shape::POINTER)).collect();
    let assign = |other: fn(&Shape) -> Shape| {
        let mut all =
            incoming.iter().map(|Incoming { shape, unsure }| unsure.as_ref().map_or_else(|| shape.clone(), |_| other(shape)));
        let receiver = if has_receiver { all.next() } else { None };
        Shapes { receiver, has_dictionary, parameters: all.collect(), results: results.clone() }.assign(architecture)
    };
    let Some(first) = assign(Shape::clone) else { return Guess::TooLarge };
    let others: [fn(&Shape) -> Shape; 2] = [as_floats, as_arrays];
    let mut all = std::iter::once(Some(first.clone())).chain(others.into_iter().map(assign)).flatten();
    match (all.find(|assignment| says.agrees(assignment)), unknown_type) {
        (Some(mut assignment), _) => {
            forget(&mut assignment, first_unsure, unknown_result);
            Guess::Agrees(assignment)
        }
        (None, Some(type_name)) if has_words(&first.arg_info, &says.arg_info) => Guess::Unknown(type_name),
        (None, _) => Guess::Differs(first),
    }
}

/// A receiver or parameter.
struct Incoming {
    shape: Shape,
    /// Its type, if that could have another shape.
    unsure: Option<String>,
}

/// The shapes of the receiver and the parameters as `info` tells them, and then none for ever.
fn told(info: &ArgInfo, has_receiver: bool, has_dictionary: bool) -> impl Iterator<Item = Option<Shape>> {
    // The first is left out, which is the receiver, and the second is not one of them; or else the first is not.
    let (left_out, hidden) = match (has_dictionary, has_receiver) {
        (true, true) => (1, 1),
        (true, false) | (false, _) => (0, 0),
    };
    let groups = groups(&info.0).into_iter().skip(hidden);
    std::iter::repeat_n(None, left_out).chain(groups).chain(std::iter::repeat(None))
}

/// Whether both have the same words, wherever they are.
fn has_words(one: &ArgInfo, other: &ArgInfo) -> bool {
    let is_alike = |(one, other): (&ArgPart, &ArgPart)| match (one, other) {
        (ArgPart::Word { size: one, .. }, ArgPart::Word { size: other, .. }) => one == other,
        (ArgPart::FarWord, ArgPart::Word { .. }) | (ArgPart::Word { .. }, ArgPart::FarWord) => true,
        (one, other) => one == other,
    };
    one.0.len() == other.0.len() && one.0.iter().zip(&other.0).all(is_alike)
}

/// Leaves out places that could be others.
fn forget(assignment: &mut Assignment, first_unsure: Option<usize>, unknown_result: Option<usize>) {
    let Assignment { receiver, parameters, results, args: _, arg_info: _ } = assignment;
    let forget = |placed: &mut Placed| *placed = Placed { words: Vec::new(), is_known: false, ..placed.clone() };
    results.iter_mut().skip(unknown_result.unwrap_or(usize::MAX)).for_each(forget);
    if let Some(first) = first_unsure {
        receiver.iter_mut().chain(parameters).skip(first).for_each(forget);
        let is_on_stack = |placed: &&mut Placed| placed.words.iter().any(|word| matches!(word.place, Place::Stack(_)));
        results.iter_mut().filter(is_on_stack).for_each(forget);
    }
}

/// The shape of each parameter as far as it is told completely; words are integers, brackets structs.
fn groups(parts: &[ArgPart]) -> Vec<Option<Shape>> {
    // What is open, from outside in; the first is the list itself.
    let mut open: Vec<Option<Vec<Shape>>> = Vec::new();
    let mut found = Vec::new();
    for part in parts {
        let shape = match part {
            ArgPart::Open => {
                open.push(Some(Vec::new()));
                continue;
            }
            ArgPart::Close => open.pop().flatten().map(Shape::Struct),
            ArgPart::Word { size, offset: _ } => Some(Shape::Word { size: *size, is_float: false }),
            ArgPart::FarWord | ArgPart::More => None,
        };
        match (open.last_mut(), shape) {
            (None, shape) => found.push(shape),
            (Some(Some(fields)), Some(shape)) => fields.push(shape),
            (Some(fields), _) => *fields = None,
        }
    }
    found
}

/// Whether another type has these words too, and comes elsewhere.
fn could_be_other(shape: &Shape) -> bool {
    match shape {
        Shape::Word { size, .. } => *size >= 4,
        Shape::Struct(fields) => are_alike(fields) || fields.iter().any(could_be_other),
        Shape::Pair | Shape::Triple | Shape::Complex(_) | Shape::Array(..) => true,
    }
}

fn are_alike(fields: &[Shape]) -> bool {
    fields.len() > 1 && fields.windows(2).all(|pair| pair.first() == pair.last())
}

/// The same with a floating-point number wherever there can be one.
fn as_floats(shape: &Shape) -> Shape {
    match shape {
        Shape::Word { size, is_float: _ } => Shape::Word { size: *size, is_float: *size >= 4 },
        Shape::Struct(fields) => Shape::Struct(fields.iter().map(as_floats).collect()),
        Shape::Pair | Shape::Triple | Shape::Complex(_) | Shape::Array(..) => shape.clone(),
    }
}

/// The same with an array wherever there can be one.
fn as_arrays(shape: &Shape) -> Shape {
    match shape {
        Shape::Struct(fields) => match fields.first() {
            Some(first) if are_alike(fields) => {
                Shape::Array(u64::try_from(fields.len()).unwrap_or(u64::MAX), Box::new(as_arrays(first)))
            }
            Some(_) | None => Shape::Struct(fields.iter().map(as_arrays).collect()),
        },
        Shape::Word { .. } | Shape::Pair | Shape::Triple | Shape::Complex(_) | Shape::Array(..) => shape.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::resolve::tests::Known;
    use super::super::resolve::{Resolver, assign};
    use super::super::{Signature, Word};
    use super::*;

    const BYTE: Shape = Shape::Word { size: 1, is_float: false };
    const FLOAT: Shape = Shape::Word { size: 8, is_float: true };

    /// What becomes of `text` where the program does not describe `p.U`, which is `unknown`: `r0` are registers, `s0` stack slots,
    /// `?` is not known.
    fn guessed(text: &str, unknown: Shape) -> String {
        let signature = Signature::parse("p", text).unwrap();
        let known = Known(BTreeMap::from([("p.U", unknown)]));
        let (args, arg_info) = if signature.is_generic {
            let shapes = Resolver::new(&known, &[]).values(&signature).known().unwrap();
            let assignment = shapes.assign(Architecture::Amd64).unwrap();
            (assignment.args, assignment.arg_info)
        } else {
            let assignment = assign(&signature, Architecture::Amd64, &known).unwrap();
            (assignment.args, assignment.arg_info)
        };
        hold(text, &Says { args: Some(args), arg_info })
    }

    fn hold(text: &str, says: &Says) -> String {
        let signature = Signature::parse("p", text).unwrap();
        let values = Resolver::new(&Known(BTreeMap::new()), &[]).values(&signature);
        let place = |word: &Word| match word.place {
            Place::Integer(number) => format!("r{number}"),
            Place::Float(number) => format!("f{number}"),
            Place::Local(offset) => format!("l{offset}"),
            Place::Stack(offset) => format!("s{offset}"),
        };
        let value = |placed: &Placed| {
            let words = || placed.words.iter().map(place).collect::<Vec<_>>().join(" ");
            if placed.is_known { words() } else { "?".to_owned() }
        };
        match guess(values, says, Architecture::Amd64) {
            Guess::Agrees(assignment) => {
                let Assignment { receiver, parameters, results, .. } = assignment;
                receiver.iter().chain(&parameters).chain(&results).map(value).collect::<Vec<_>>().join(", ")
            }
            Guess::Differs(_) => "differs".to_owned(),
            Guess::Unknown(name) => format!("{name} is unknown"),
            Guess::TooLarge => "too large".to_owned(),
        }
    }

    fn array(len: u64, element: Shape) -> Shape {
        Shape::Array(len, Box::new(element))
    }

    #[test]
    fn what_is_told_completely_is_known() {
        assert_eq!(guessed("func (db *DB) conn(ctx context.Context, u U) (*T, error)", BYTE), "r0, r1 r2, r3, r0, r1 r2");
        assert_eq!(guessed("func F(u U, s string)", Shape::Struct(vec![BYTE])), "r0, r1 r2");
        assert_eq!(guessed("func F(u U, s string)", array(1, BYTE)), "r0, r1 r2");
        let mixed = Shape::Struct(vec![BYTE, Shape::Struct(vec![Shape::Word { size: 2, is_float: false }])]);
        assert_eq!(guessed("func (u U) F(s string)", mixed), "r0 r1, r2 r3");
    }

    #[test]
    fn places_behind_what_could_be_another_type_are_not() {
        for unknown in [Shape::POINTER, FLOAT, Shape::Pair, array(2, BYTE), Shape::Struct(vec![BYTE, BYTE]), Shape::Complex(16)] {
            let places = guessed("func F(a *T, u U, s string) (error, int)", unknown.clone());
            assert_eq!(places, "r0, ?, ?, r0 r1, r2", "{unknown:?}");
            // A result on the stack is behind the parameters there.
            let places = guessed("func F(a *T, u U) (int, [2]int)", unknown.clone());
            assert_eq!(places, "r0, ?, r0, ?", "{unknown:?}");
        }
    }

    #[test]
    fn results_are_told_by_nothing() {
        assert_eq!(guessed("func F(a int) (*T, U, error)", Shape::Pair), "r0, r0, ?, ?");
        assert_eq!(guessed("func F(a int) (*T, U, error)", array(3, FLOAT)), "p.U is unknown");
    }

    #[test]
    fn what_is_not_told_completely_is_unknown() {
        assert_eq!(guessed("func F(a, b, c, d, e, f, g, h, i, j string, u U)", BYTE), "p.U is unknown");
        assert_eq!(guessed("func F(u U)", array(12, BYTE)), "p.U is unknown");
        assert_eq!(guessed("func F(u U)", array(1, array(1, array(1, array(1, array(1, BYTE)))))), "p.U is unknown");
        assert_eq!(guessed("func F(a [40]int, b [9]string, u U)", BYTE), "p.U is unknown");
    }

    #[test]
    fn instances_tell_all_but_the_first() {
        assert_eq!(guessed("func F[T any](u U, a int)", BYTE), "r1, r2");
        assert_eq!(guessed("func (l *L[T]) F(u U, a int)", BYTE), "r0, r2, r3");
        let receiver = Known(BTreeMap::from([("p.L[...]", BYTE)]));
        let signature = Signature::parse("p", "func (l L[T]) F(a int)").unwrap();
        let shapes = Resolver::new(&receiver, &[]).values(&signature).known().unwrap();
        let Assignment { args, arg_info, .. } = shapes.assign(Architecture::Amd64).unwrap();
        let says = Says { args: Some(args), arg_info };
        assert_eq!(hold("func (l L[T]) F(a int)", &says), "p.L[...] is unknown");
    }

    #[test]
    fn other_parameters_differ() {
        let says = |text: &str| {
            let known = Known(BTreeMap::new());
            let assignment = assign(&Signature::parse("p", text).unwrap(), Architecture::Amd64, &known).unwrap();
            Says { args: Some(assignment.args), arg_info: assignment.arg_info }
        };
        let program = says("func F(a *T, b string, c bool) error");
        assert_eq!(hold("func F(a *T, b string, c bool) error", &program), "r0, r1 r2, r3, r0 r1");
        for other in
            ["func F(b string, a *T, c bool)", "func F(a *T, b string)", "func F(a *T, b string, c bool, d bool)", "func F(u U)"]
        {
            assert_eq!(hold(other, &program), "differs", "{other}");
        }
        assert_eq!(hold("func F()", &Says { args: None, ..says("func F()") }), "differs");
        assert_eq!(hold("func F(a [1000000000]int)", &program), "too large");
    }
}
