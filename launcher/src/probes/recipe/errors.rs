//! The error with which an operation ends: its text, what it wraps, and what else is captured of it.

use std::borrow::Cow;

use bpf::config::operations::{RecipeStep, code};

use super::{Declared, Recipe};
use crate::captured::{CAUSE, ERROR, Named};
use crate::expression::{Expression, Stage, Unreadable, ValueKind};
use crate::probes::facts::Facts;
use crate::signature::GoType;

/// Bytes of the text of an error at most.
pub(in crate::probes) const MAX_MESSAGE: u32 = 1_024;
/// How often an error that wraps another is looked into.
const MAX_WRAPPED: usize = 3;
/// `fmt.Errorf` with one `%w` (`fmt/errors.go`).
const WRAPPER: (&str, &str) = ("*fmt.wrapError", "err");

/// What is captured of errors besides their text.
#[derive(Clone, Debug, Default)]
pub(in crate::probes) struct Errors {
    /// Types that wrap another error, and the field in which they have it.
    pub(in crate::probes) wrappers: Vec<(&'static str, &'static str)>,
    /// Names and expressions.
    pub(in crate::probes) captures: Vec<(&'static str, Expression)>,
}

impl Recipe {
    /// Notes and captures the error, what it wraps, and what `errors` (a type, and captures of it) say of it.
    pub(in crate::probes) fn error(
        &mut self,
        facts: &Facts<'_>,
        declared: Declared<'_>,
        error: &Expression,
        stage: Stage,
        errors: &Errors,
    ) -> Result<(), Unreadable> {
        let scope = Self::scope(facts, declared, stage);
        self.steps[stage as usize].extend(scope.note_interface(error, code::NOTE_ERROR)?);
        let first = self.steps[stage as usize].len();
        for step in [code::ERROR, code::NOT_NIL] {
            self.steps[stage as usize].push(RecipeStep { code: step, ..RecipeStep::default() });
        }
        self.capture_value(stage, ERROR);
        let wrappers = std::iter::once(&WRAPPER).chain(&errors.wrappers);
        let unwrap = |&(name, field): &(&str, &str)| scope.unwrap_error(&type_named(name), field).ok();
        let unwraps: Vec<RecipeStep> = wrappers.filter_map(unwrap).flatten().collect();
        if !unwraps.is_empty() {
            for _ in 0..MAX_WRAPPED {
                self.steps[stage as usize].extend(&unwraps);
            }
            self.capture_value(stage, CAUSE);
        }
        for (name, expression) in &errors.captures {
            // A program has only the types of the drivers that it uses.
            let _not_used = self.capture(facts, declared, (Cow::Borrowed(name), expression), stage);
        }
        // Without an error there is nothing of all this.
        let steps = &mut self.steps[stage as usize];
        let rest = steps.len().saturating_sub(first + 2);
        if let Some(check) = steps.get_mut(first + 1) {
            check.skip = u16::try_from(rest).unwrap_or(u16::MAX);
        }
        Ok(())
    }

    /// Captures the noted error.
    fn capture_value(&mut self, stage: Stage, name: &'static str) {
        let captures = &mut self.captures[stage as usize];
        let argument = u32::try_from(captures.len()).unwrap_or(u32::MAX);
        captures.push(Named { name: Cow::Borrowed(name), kind: ValueKind::Value });
        let steps = &mut self.steps[stage as usize];
        steps.push(RecipeStep { code: code::ERROR, ..RecipeStep::default() });
        steps.push(RecipeStep { code: code::CAPTURE_VALUE, skip: 0, argument, value: MAX_MESSAGE.into() });
    }
}

/// A type of errors, by its name with the import path: `*fmt.wrapError`.
fn type_named(name: &str) -> GoType {
    let (package, own) = name.trim_start_matches('*').rsplit_once('.').unwrap_or(("", name));
    let named = GoType::Named { package: Some(package.to_owned()), name: own.to_owned() };
    if name.starts_with('*') { GoType::Pointer(Box::new(named)) } else { named }
}
