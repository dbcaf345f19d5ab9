//! What is wanted of an operation, as expressions → the steps of its recipe. Pure.

use std::borrow::Cow;
use std::ops::Range;

use bpf::config::operations::{RecipeStep, code, flag};
use opentelemetry::trace::SpanKind;

use super::facts::Facts;
use super::library::SpanFunction;
use super::operation_sites::AtEnd;
use super::operations::{About, KEY, MAKES, PlannedOperation, WITHIN};
use crate::captured::Named;
use crate::expression::{Captured, Condition, Expression, Scope, Stage, Unreadable, ValueKind};
use crate::signature::{Found, Signature};

pub(super) use self::errors::{Errors, MAX_MESSAGE};

mod errors;

/// Values of one operation at one moment: as many as find room behind the longest text of a record.
const MAX_CAPTURES: usize = 24;
/// Steps that follow a pointer.
const READING: [u16; 9] = [
    code::LOAD,
    code::LOAD_PAIR,
    code::ASSERT,
    code::ASSERT_ANY,
    code::TYPE_OF,
    code::UNWRAP,
    code::CAPTURE_TEXT,
    code::CAPTURE_VALUE,
    code::CAPTURE_ANY,
];
/// Steps of them at most: the interpreter follows no more, and the error takes some.
const MAX_RECIPE: usize = bpf::config::operations::MAX_STEPS as usize - 64;
/// Bytes of a text at most.
const MAX_TEXT: u32 = bpf::records::operation::MAX_VALUE;
const OBJECTS: [&str; 2] = [MAKES, WITHIN];

/// The steps of one operation while they are made.
#[derive(Debug, Default)]
pub(super) struct Recipe {
    begin: Vec<RecipeStep>,
    steps: [Vec<RecipeStep>; 2],
    captures: [Vec<Named>; 2],
    known: Range<usize>,
    /// What cannot be captured, and why.
    pub(super) missing: Vec<String>,
}

/// A function of the program, with what its declaration says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declared<'d> {
    pub(super) signature: &'d Signature,
    pub(super) found: &'d Found,
}

impl Recipe {
    fn scope<'s, 'a>(facts: &Facts<'a>, declared: Declared<'s>, stage: Stage) -> Scope<'s, 'a>
    where
        'a: 's,
    {
        let Declared { signature, found } = declared;
        Scope { binary: facts.binary, signature, assignment: &found.assignment, stage }
    }

    /// It is an operation only where this holds. Without it every call would be one: so it must be readable.
    pub(super) fn require(
        &mut self,
        facts: &Facts<'_>,
        declared: Declared<'_>,
        condition: &Condition,
        stage: Stage,
    ) -> Result<(), Unreadable> {
        self.begin.extend(Self::scope(facts, declared, stage).require(condition)?);
        Ok(())
    }

    /// Its object is open only where this holds when it returns. What is captured then comes before.
    pub(super) fn require_open(
        &mut self,
        facts: &Facts<'_>,
        declared: Declared<'_>,
        condition: &Condition,
    ) -> Result<(), Unreadable> {
        self.steps[1].extend(Self::scope(facts, declared, Stage::End).require(condition)?);
        Ok(())
    }

    /// Notes its context.
    pub(super) fn context(&mut self, facts: &Facts<'_>, declared: Declared<'_>, context: &Expression) -> Result<(), Unreadable> {
        self.begin.extend(Self::scope(facts, declared, Stage::Start).note_interface(context, code::CONTEXT)?);
        Ok(())
    }

    /// Notes its carrier.
    pub(super) fn carrier(&mut self, facts: &Facts<'_>, declared: Declared<'_>, carrier: &Expression) -> Result<(), Unreadable> {
        self.begin.extend(Self::scope(facts, declared, Stage::Start).note_carrier(carrier)?);
        Ok(())
    }

    /// Notes its object: one that it ends, at the start; one with which it goes on, at the end.
    pub(super) fn object(
        &mut self,
        facts: &Facts<'_>,
        declared: Declared<'_>,
        object: &Expression,
        stage: Stage,
    ) -> Result<(), Unreadable> {
        let steps = Self::scope(facts, declared, stage).note_object(object)?;
        match stage {
            Stage::Start => self.begin.extend(steps),
            Stage::End => self.steps[1].extend(steps),
        }
        Ok(())
    }

    /// Captures a value; what cannot be read is noted as missing.
    pub(super) fn capture(
        &mut self,
        facts: &Facts<'_>,
        declared: Declared<'_>,
        (name, expression): (Cow<'static, str>, &Expression),
        stage: Stage,
    ) -> Result<(), Unreadable> {
        let count = self.captures[stage as usize].len();
        if count >= MAX_CAPTURES {
            return Err(Unreadable::TooLong);
        }
        let number = u32::try_from(count).unwrap_or(u32::MAX);
        let Captured { steps, kind } = if OBJECTS.contains(&&*name) {
            Self::scope(facts, declared, stage).capture_object(expression, number)?
        } else {
            Self::scope(facts, declared, stage).capture(expression, number, MAX_TEXT)?
        };
        if self.steps[stage as usize].len() + steps.len() > MAX_RECIPE {
            return Err(Unreadable::TooLong);
        }
        self.captures[stage as usize].push(Named { name, kind });
        self.steps[stage as usize].extend(steps);
        Ok(())
    }

    /// Captures an expression of several elements under one name, as many as there are.
    pub(super) fn capture_elements(
        &mut self,
        facts: &Facts<'_>,
        declared: Declared<'_>,
        (name, expression, count): (&'static str, &Expression, u64),
        stage: Stage,
    ) -> Result<(), Unreadable> {
        let mut ends = vec![self.steps[stage as usize].len()];
        for number in 0..count {
            self.capture(facts, declared, (Cow::Borrowed(name), &expression.at(number)), stage)?;
            ends.push(self.steps[stage as usize].len());
        }
        let steps = &mut self.steps[stage as usize];
        let all = steps.len();
        for (begin, end) in ends.iter().zip(ends.iter().skip(1)) {
            // Where there is no such element, there is none behind it; its last step goes on to the next one.
            for step in steps.get_mut(*begin..end.saturating_sub(1)).unwrap_or_default() {
                step.skip = step.skip.saturating_add(u16::try_from(all - end).unwrap_or(u16::MAX));
            }
        }
        Ok(())
    }

    /// Whether nothing is captured.
    pub(super) fn is_empty(&self) -> bool {
        self.captures.iter().all(Vec::is_empty)
    }

    /// Whether it reads what was passed on the stack.
    pub(super) fn reads_stack(&self) -> bool {
        self.begin.iter().chain(self.steps.iter().flatten()).any(|step| step.code == code::STACK)
    }

    /// Captures what is known by an object, unless that was done a short time ago.
    pub(super) fn known(
        &mut self,
        facts: &Facts<'_>,
        declared: Declared<'_>,
        by: &Expression,
        captures: &[(&'static str, Expression)],
    ) -> Result<(), Unreadable> {
        let key = Self::scope(facts, declared, Stage::Start).note_object(by)?;
        self.steps[0].extend(key);
        let first = self.steps[0].len();
        let argument = u32::try_from(self.captures[0].len()).unwrap_or(u32::MAX);
        let kind = ValueKind::Integer { bytes: 8, is_signed: false };
        self.captures[0].push(Named { name: Cow::Borrowed(KEY), kind });
        for (step, argument) in [(code::OBJECT, 0), (code::NOT_NIL, 0), (code::CAPTURE_KEY, argument)] {
            self.steps[0].push(RecipeStep { code: step, argument, ..RecipeStep::default() });
        }
        let begin = self.captures[0].len();
        for (name, expression) in captures {
            match self.capture(facts, declared, (Cow::Borrowed(name), expression), Stage::Start) {
                // A program has the types of those drivers alone that it uses.
                Ok(()) | Err(Unreadable::NoName(_) | Unreadable::NoType(_)) => {}
                Err(why) => self.missing.push(format!("{name} of {}: {why}", declared.found.function.name)),
            }
        }
        self.known = begin..self.captures[0].len();
        let [steps, _] = &mut self.steps;
        let rest = u16::try_from(steps.len().saturating_sub(first + 3)).unwrap_or(u16::MAX);
        for (at, skip) in [(first + 1, rest.saturating_add(1)), (first + 2, rest)] {
            if let Some(step) = steps.get_mut(at) {
                step.skip = skip;
            }
        }
        Ok(())
    }

    /// Whether it follows pointers at the end.
    pub(super) fn at_end(&self, is_whole: bool) -> AtEnd {
        let [_, end] = &self.steps;
        AtEnd { reads_memory: end.iter().any(|step| READING.contains(&step.code)), is_whole }
    }

    /// The finished recipe.
    pub(super) fn finish(self, flags: u32, about: AboutFunction) -> PlannedOperation {
        let Self { begin, steps: [start, end], captures, known, missing: _ } = self;
        let AboutFunction { library, function, kind, span } = about;
        let flags = flags | if kind == SpanKind::Client { flag::IS_CLIENT } else { 0 };
        PlannedOperation {
            begin,
            start,
            end,
            flags,
            tail: 0,
            about: About { library, function, kind, lasts: false, span, captures, known },
        }
    }
}

/// What [`About`] says besides captures.
#[derive(Clone, Debug)]
pub(super) struct AboutFunction {
    pub(super) library: &'static str,
    pub(super) function: String,
    pub(super) kind: SpanKind,
    pub(super) span: SpanFunction,
}
