//! The user's own functions of which each call is to be a span.

use std::ffi::OsString;

use super::reader::{Problem, Reader};
use crate::user_function::UserFunction;

/// The variable.
const NAME: &str = "GO_AUTO_LAUNCH_SPANS";

/// All that were typed, else those of the variable, one per line. Of those that cannot be read, it is said what is wrong where.
pub(super) fn read<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Vec<UserFunction> {
    let text = |text: &str| Some(text.to_owned());
    let typed: Vec<String> = reader.typed.values(NAME).iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let (shown, lines) = if typed.is_empty() {
        (NAME, reader.variable(&[NAME], text).unwrap_or_default().lines().map(str::to_owned).collect())
    } else {
        ("--span", typed)
    };
    let lines = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut functions: Vec<UserFunction> = Vec::new();
    for line in lines {
        match UserFunction::parse(line) {
            Ok(function) if functions.iter().any(|known| known.signature.symbol() == function.signature.symbol()) => {
                reader
                    .problems
                    .push(Problem::Function { name: shown, what: format!("{line}\n^ this function stands there twice") });
            }
            Ok(function) => functions.push(function),
            Err(error) => reader.problems.push(Problem::Function { name: shown, what: error.to_string() }),
        }
    }
    functions
}
