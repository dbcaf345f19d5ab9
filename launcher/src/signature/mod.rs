//! The declaration of a Go function, as text, becomes the places of its parameters and results in registers and on the stack,
//! and is checked against the program.
//!
//! Text → [`Signature`] ([`Signature::parse`]) → [`Assignment`] ([`assign`]), a pure function of the types; those that the text
//! does not spell out are looked up in the program ([`NamedTypes`]). [`find`] is all of it for one program, with the checks:
//! nothing is believed of the parameters that the program does not say too. Results are believed where it says nothing of them.
//! Three things that stripping keeps are compared: the size of the area for all values, the places of the parameters' words, and
//! for methods that a method table has, the types.

mod abi;
mod check;
mod declaration;
mod declared;
mod error;
mod expected;
mod go_type;
mod guess;
mod instance;
mod mismatch;
mod named;
mod parameters;
mod resolve;
mod scanner;
mod shape;
mod type_text;

pub use abi::{Assignment, Place, Placed, Word};
pub use check::{Found, find, not_inlined};
pub use declared::true_signature;
pub use error::SignatureError;
pub use go_type::{Basic, Field, GoType};
pub use mismatch::Mismatch;
pub use named::NamedTypes;
pub use resolve::{NotAssigned, assign};
pub use shape::Shape;

/// What the receiver is called where the text does not name it.
pub const RECEIVER: &str = "recv";

/// The declaration of a function or method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The import path of its package; `main` for the program's own.
    pub package: String,
    /// Of a method.
    pub receiver: Option<Parameter>,
    /// Its own name, without package and receiver.
    pub name: String,
    /// Whether it has type parameters, its own or its receiver's: the program then has a function for each shape of them.
    pub is_generic: bool,
    /// The names of the type parameters, the receiver's first; empty where the text has `[...]` for them.
    pub type_parameters: Vec<String>,
    /// In order, without the receiver. A variadic one is a slice.
    pub parameters: Vec<Parameter>,
    /// In order.
    pub results: Vec<Parameter>,
    /// Whether it has type parameters of its own.
    is_own_generic: bool,
}

/// A receiver, parameter or result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// `None` where it has none, or `_`.
    pub name: Option<String>,
    /// Its type.
    pub go_type: GoType,
}

impl Signature {
    /// The name that the linker gives it, such as `database/sql.(*DB).QueryContext`, with `%2e` for dots in the last element of
    /// the import path; `[...]` stands for type arguments.
    #[must_use]
    pub fn symbol(&self) -> String {
        let path = escaped(&self.package);
        let own = if self.is_own_generic { "[...]" } else { "" };
        let receiver = match self.receiver.as_ref().map(|receiver| &receiver.go_type) {
            Some(GoType::Pointer(base)) => format!("(*{}).", base.short_name()),
            Some(base) => format!("{}.", base.short_name()),
            None => String::new(),
        };
        format!("{path}.{receiver}{}{own}", self.name)
    }
}

/// An import path as the linker writes it in names (`cmd/internal/objabi`, `PathToPrefix`).
fn escaped(path: &str) -> String {
    use std::fmt::Write as _;
    let last = path.rfind('/').map_or(0, |slash| slash + 1);
    let mut out = String::with_capacity(path.len());
    for (at, byte) in path.bytes().enumerate() {
        if byte <= b' ' || (byte == b'.' && at >= last) || matches!(byte, b'%' | b'"' | 0x7f..) {
            // Writing to a string does not fail.
            let _ = write!(out, "%{byte:02x}");
        } else {
            out.push(char::from(byte));
        }
    }
    out
}

/// What [`escaped`] has made of a path, undone.
fn unescaped(path: &str) -> String {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).filter(|_| byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        if let Some(code) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            out.push(code);
            rest = behind.get(2..).unwrap_or_default();
        } else {
            out.push(byte);
            rest = behind;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_as_the_linker_does_it() {
        for (path, name) in [
            ("main", "main"),
            ("net/http", "net/http"),
            ("gopkg.in/yaml.v3", "gopkg.in/yaml%2ev3"),
            ("example.com", "example%2ecom"),
            ("example.com/a%b/c", "example.com/a%25b/c"),
            ("example.com/ä", "example.com/%c3%a4"),
        ] {
            assert_eq!(escaped(path), name);
            assert_eq!(unescaped(name), path);
        }
        assert_eq!(unescaped("a%2"), "a%2");
        assert_eq!(unescaped("a%zz%"), "a%zz%");
    }
}
