//! The names of instances of generic functions: `main.(*List[go.shape.int]).Push`, `main.Map[go.shape.int,go.shape.string]`.
//!
//! An instance's code is shared by all type arguments of one shape, which the name spells out since Go 1.21.

use super::go_type::GoType;
use super::scanner::{Scanner, end_of_item};
use super::type_text::Scope;

/// What the compiler writes before a shape.
const SHAPE: &str = "go.shape.";

/// `name` with `[...]` for what stands in brackets.
pub(super) fn without_arguments(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, behind)) = rest.split_once('[') {
        out.push_str(before);
        out.push_str("[...]");
        rest = behind.get(end_of_item(behind, |c| c == ']') + 1..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// Whether `name` is that of code for shapes: others are only wrappers around it.
pub(super) fn is_shaped(name: &str) -> bool {
    name.contains("[go.shape.")
}

/// The type arguments in `name`, of all its brackets in order; `None` for one that cannot be read.
pub(super) fn arguments(name: &str) -> Vec<Option<GoType>> {
    let mut found = Vec::new();
    let mut rest = name;
    while let Some((_, behind)) = rest.split_once('[') {
        let end = end_of_item(behind, |c| c == ']');
        let mut inside = behind.get(..end).unwrap_or_default();
        while !inside.is_empty() {
            let comma = end_of_item(inside, |c| c == ',');
            found.push(argument(inside.get(..comma).unwrap_or_default()));
            inside = inside.get(comma + 1..).unwrap_or_default();
        }
        rest = behind.get(end..).and_then(|rest| rest.strip_prefix(']')).unwrap_or_default();
    }
    found
}

fn argument(text: &str) -> Option<GoType> {
    let mut scanner = Scanner::new(text.trim().strip_prefix(SHAPE)?).ok()?;
    let go_type = Scope { package: "", type_parameters: &[] }.go_type(&mut scanner).ok()?;
    // A shape that is too long is a number of 64 digits: no package.
    let is_hash = matches!(&go_type, GoType::Named { package: Some(package), .. } if package.is_empty());
    (scanner.peek().is_none() && !is_hash).then_some(go_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_left_out_of_names() {
        for (name, without) in [
            ("main.F", "main.F"),
            ("main.Map[go.shape.int,go.shape.[]uint8]", "main.Map[...]"),
            ("main.(*G[go.shape.map[string][]int]).Map[go.shape.string]", "main.(*G[...]).Map[...]"),
            ("main.F[go.shape.int].func1", "main.F[...].func1"),
            ("main.F[", "main.F[...]"),
            ("main.F[[]", "main.F[...]"),
        ] {
            assert_eq!(without_arguments(name), without);
        }
    }

    #[test]
    fn arguments_are_types() {
        let read = |name: &str| -> Vec<String> {
            arguments(name).into_iter().map(|found| found.map_or_else(|| "-".to_owned(), |found| found.to_string())).collect()
        };
        assert_eq!(read("main.F"), [""; 0]);
        assert_eq!(read("main.Map[go.shape.int,go.shape.[]uint8]"), ["int", "[]uint8"]);
        assert_eq!(
            read("m.(*G[go.shape.struct { main.a int; B m/p.T \"x:\\\"]\\\"\" }]).Map[go.shape.func(int, string) error]"),
            ["struct { a int; B m/p.T }", "func(int, string) error"]
        );
        assert_eq!(read("m.(*G[go.shape.struct { main.a int; B m/p.T }]).M"), ["struct { a int; B m/p.T }"]);
        assert_eq!(
            read("m.F[go.shape.func(int, string) error,go.shape.interface { M() }]"),
            ["func(int, string) error", "interface { … }"]
        );
        assert_eq!(read("m.F[go.shape.*uint8,int]"), ["*uint8", "-"]);
        assert_eq!(read("m.F[go.shape.0123,go.shape.abcdef]"), ["-", "-"]);
        assert_eq!(read("m.F[[["), ["-"]);
    }
}
