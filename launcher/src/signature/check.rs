//! The function of the program that a declaration is, if the program agrees with it.

use std::fmt::Write as _;

use super::abi::Assignment;
use super::declared::Declared;
use super::guess::{Guess, Says, guess};
use super::instance::{arguments, is_shaped, without_arguments};
use super::mismatch::Mismatch;
use super::resolve::Resolver;
use super::{GoType, Signature};
use crate::binary::{ArgInfo, ArgPart, Function, Functions, GoBinary, Inlined};

/// A function and the places of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The function.
    pub function: Function,
    /// The places.
    pub assignment: Assignment,
}

/// The one function that `signature` is, with its places; of a generic function each instance. `functions` are those that the
/// program has of [`Signature::symbol`]; instances are looked for here.
///
/// # Errors
/// There is none, or none of which the program says what `signature` says.
pub fn find(binary: &GoBinary<'_>, functions: &Functions, signature: &Signature) -> Result<Vec<Found>, Mismatch> {
    let symbol = signature.symbol();
    if !signature.is_generic {
        return Ok(vec![check(binary, body(binary, functions.all(&symbol), &symbol)?, signature)?]);
    }
    let start = symbol.split('[').next().unwrap_or_default();
    let is_instance = |name: &str| name.starts_with(start) && is_shaped(name) && without_arguments(name) == symbol;
    let instances = binary.functions_where(is_instance);
    let mut names: Vec<&str> = instances.iter().map(|function| function.name.as_str()).collect();
    names.dedup();
    if names.is_empty() {
        return Err(Mismatch::NoInstance(symbol));
    }
    names.into_iter().map(|name| check(binary, body(binary, instances.all(name), name)?, signature)).collect()
}

/// Refuses a function that is inlined somewhere: a probe in it would miss these calls.
///
/// A method of a value that is not is complete: whatever has the method by its pointer, an interface or an embedding type, calls
/// it. Where it is, probing the methods that the compiler has made of it too would count other calls twice.
///
/// # Errors
/// With the name of one of the functions that contain it.
pub fn not_inlined(inlined: &Inlined, function: &Function) -> Result<(), Mismatch> {
    match inlined.callers(&function.name) {
        [] => Ok(()),
        [caller, ..] => Err(Mismatch::Inlined { name: function.name.clone(), caller: caller.clone() }),
    }
}

/// Of functions that share a name the one that somebody has written.
fn body<'f>(binary: &GoBinary<'_>, all: &'f [Function], name: &str) -> Result<&'f Function, Mismatch> {
    let mut bodies = all.iter().filter(|function| !binary.is_generated(function));
    let body = match (bodies.next(), bodies.next()) {
        (Some(body), None) => body,
        (Some(first), Some(second)) => {
            let (name, count) = (name.to_owned(), 2 + bodies.count());
            return Err(Mismatch::Ambiguous { name, count, first: first.entry, second: second.entry });
        }
        (None, _) if all.is_empty() => return Err(Mismatch::NotFound(name.to_owned())),
        (None, _) => return Err(Mismatch::Generated(name.to_owned())),
    };
    if body.is_assembly { Err(Mismatch::Assembly(name.to_owned())) } else { Ok(body) }
}

/// The places of the values of `function`, if `signature` is what the program says of it.
fn check(binary: &GoBinary<'_>, function: &Function, signature: &Signature) -> Result<Found, Mismatch> {
    let name = function.name.clone();
    let unreadable = |why: crate::binary::BinaryError| Mismatch::Unreadable { name: name.clone(), why: why.to_string() };
    let arg_info = binary.arg_info(function).map_err(unreadable)?.unwrap_or_default();
    let says = Says { args: function.args, arg_info };
    let arguments = type_arguments(signature, &function.name);
    let mut values = Resolver::new(binary, &arguments).values(signature);
    if let Some(declared) = Declared::of(binary, function, signature) {
        if !declared.agrees(signature) {
            let found = declared.text(&name).unwrap_or_default();
            return Err(Mismatch::OtherTypes { name, found });
        }
        declared.complete(&mut values);
    }
    let assignment = match guess(values, &says, binary.architecture()) {
        Guess::Agrees(assignment) => assignment,
        Guess::Unknown(type_name) => return Err(Mismatch::UnknownType { name, type_name }),
        Guess::TooLarge => return Err(Mismatch::TooLarge(name)),
        Guess::Differs(Assignment { args, arg_info, .. }) => {
            let (expected, found) = (text(Some(args), &arg_info), text(says.args, &says.arg_info));
            return Err(Mismatch::Differs { name, expected, found });
        }
    };
    Ok(Found { function: function.clone(), assignment })
}

/// What the type parameters of `signature` stand for in the instance called `name`, as far as that is known.
fn type_arguments(signature: &Signature, name: &str) -> Vec<(String, GoType)> {
    let parameters = signature.type_parameters.iter().cloned();
    parameters.zip(arguments(name)).filter_map(|(parameter, argument)| Some((parameter, argument?))).collect()
}

/// For people: the size of the area, and the sizes of the words, with brackets around those that are one value.
fn text(args: Option<u32>, info: &ArgInfo) -> String {
    let mut out = args.map_or_else(|| "an unknown number of bytes".to_owned(), |args| format!("{args} bytes"));
    let mut separator = ": ";
    for part in &info.0 {
        // Writing to a string does not fail.
        let _ = match part {
            ArgPart::Word { size, offset: _ } => write!(out, "{separator}{size}"),
            ArgPart::FarWord => write!(out, "{separator}?"),
            ArgPart::Open => write!(out, "{separator}{{"),
            ArgPart::Close => write!(out, "}}"),
            ArgPart::More => write!(out, "{separator}…"),
        };
        separator = if *part == ArgPart::Open { "" } else { " " };
    }
    out
}
