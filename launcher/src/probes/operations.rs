//! Operations of tables × what was found in the binary → probes, and recipes for the body that all of them share. Pure.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use bpf::config::instrumentation;
use bpf::config::operations::{OperationRecipe, RecipeStep, Steps, code, event, flag};
use bpf::go::abi::INTEGERS;
use opentelemetry::trace::SpanKind;

use super::facts::Facts;
use super::left_out::LeftOut;
use super::library::SpanFunction;
use super::plan::{Instrumentation, Planned};
use super::probe::{Body, Event, Probe, When};
use super::site::Ends;
use crate::binary::TailResult;
use crate::captured::Named;
use crate::expression::{Captured, Condition, Expression, Scope, Stage, Unreadable, ValueKind};
use crate::signature::{Assignment, Found, GoType, Place, Signature};

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
/// The same of the text of an error.
const MAX_MESSAGE: u32 = 1_024;
/// The place of the user's own functions among the layers: the last.
const USER_LAYER: usize = 29;
/// How often an error that wraps another is looked into.
const MAX_WRAPPED: usize = 3;
/// `fmt.Errorf` with one `%w` (`fmt/errors.go`).
const WRAPPER: (&str, &str) = ("*fmt.wrapError", "err");

/// Names under which objects are captured: that which an operation makes, and that which an earlier one has made.
pub const MAKES: &str = "\0makes";
/// The same.
pub const WITHIN: &str = "\0within";
const OBJECTS: [&str; 2] = [MAKES, WITHIN];
/// The name under which the address is captured of what rarely changes: behind it stands what is known by that.
pub const KEY: &str = "\0key";

/// What is captured of errors besides their text.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors {
    /// Types that wrap another error, and the field in which they have it.
    pub(super) wrappers: Vec<(&'static str, &'static str)>,
    /// Names and expressions.
    pub(super) captures: Vec<(&'static str, Expression)>,
}

/// A function where an operation begins, or where the object of one ends.
#[derive(Clone, Debug)]
pub struct PlannedOperation {
    /// At its start: condition, context, object.
    pub begin: Vec<RecipeStep>,
    /// At its start: captures.
    pub start: Vec<RecipeStep>,
    /// At its end: error, object, captures.
    pub end: Vec<RecipeStep>,
    /// Bits of [`flag`].
    pub flags: u32,
    /// Whose end is its end: a number within its [`Planned`], from 1; 0: its own function's.
    pub tail: u32,
    /// What becomes of its records.
    pub about: Arc<About>,
}

/// What becomes of the records of an operation.
#[derive(Clone, Debug)]
pub struct About {
    /// The import path of the library: the scope of the spans.
    pub library: &'static str,
    /// The function, as stack traces write it.
    pub function: String,
    /// What kind of span.
    pub kind: SpanKind,
    /// Makes the span.
    pub span: SpanFunction,
    /// What the numbers of captured values mean: at the start, and at the end.
    pub captures: [Vec<Named>; 2],
    /// Those of the start that are known by the value before them, and are not captured each time.
    pub known: Range<usize>,
}

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
    pub(super) fn require(&mut self, facts: &Facts<'_>, declared: Declared<'_>, condition: &Condition) -> Result<(), Unreadable> {
        self.begin.extend(Self::scope(facts, declared, Stage::Start).require(condition)?);
        Ok(())
    }

    /// Notes its context.
    pub(super) fn context(&mut self, facts: &Facts<'_>, declared: Declared<'_>, context: &Expression) -> Result<(), Unreadable> {
        self.begin.extend(Self::scope(facts, declared, Stage::Start).note_interface(context, code::CONTEXT)?);
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

    /// Notes and captures the error, what it wraps, and what `errors` (a type, and captures of it) say of it.
    pub(super) fn error(
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
        self.capture_value(stage, "error");
        let wrappers = std::iter::once(&WRAPPER).chain(&errors.wrappers);
        let unwrap = |&(name, field): &(&str, &str)| scope.unwrap_error(&type_named(name), field).ok();
        let unwraps: Vec<RecipeStep> = wrappers.filter_map(unwrap).flatten().collect();
        if !unwraps.is_empty() {
            for _ in 0..MAX_WRAPPED {
                self.steps[stage as usize].extend(&unwraps);
            }
            self.capture_value(stage, "cause");
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
            about: Arc::new(About { library, function, kind, span, captures, known }),
        }
    }
}

/// A type of errors, by its name with the import path: `*fmt.wrapError`.
fn type_named(name: &str) -> GoType {
    let (package, own) = name.trim_start_matches('*').rsplit_once('.').unwrap_or(("", name));
    let named = GoType::Named { package: Some(package.to_owned()), name: own.to_owned() };
    if name.starts_with('*') { GoType::Pointer(Box::new(named)) } else { named }
}

/// What [`About`] says besides captures.
#[derive(Clone, Debug)]
pub(super) struct AboutFunction {
    pub(super) library: &'static str,
    pub(super) function: String,
    pub(super) kind: SpanKind,
    pub(super) span: SpanFunction,
}

/// What is wanted of the end of a function.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtEnd {
    /// Whether what its results point to is read.
    pub(super) reads_memory: bool,
    /// Whether all that it calls belongs to it, to the last.
    pub(super) is_whole: bool,
}

/// The probes of a function: at its start `begin` happens, at its end, where that is wanted, an operation ends. `number` is that of its
/// recipe, within its [`super::plan::Planned`].
pub(super) fn probes(
    facts: &Facts<'_>,
    declared: Declared<'_>,
    begin: u32,
    end: Option<AtEnd>,
    number: usize,
) -> Result<Vec<Probe>, LeftOut> {
    let function = &declared.found.function;
    let event = |kind: u32, when: When, meaning: &'static str| {
        let number = u32::try_from(number).unwrap_or(u32::MAX >> 8) << 8 | kind;
        let body = if begin == event::ANNOTATE { Body::Annotations } else { Body::Operations };
        Event { meaning, when, body, number }
    };
    let (when, meaning) = match begin {
        event::BEGIN => (When::Start, "an operation begins"),
        event::ANNOTATE => (When::Annotate, "something is known of the operation around"),
        _ => (When::Close, "an operation's object ends"),
    };
    let is_annotation = begin == event::ANNOTATE;
    let mut probes = Vec::new();
    // What is learnt when a function returns needs nothing when it is called.
    if !(is_annotation && end.is_some()) {
        probes.push(facts.at_entry_of(function, event(begin, when, meaning))?);
    }
    if let Some(AtEnd { reads_memory, is_whole }) = end {
        let ends = Ends {
            results: result_words(&declared.found.assignment),
            // A deferred function may change results that have names.
            is_final: function.has_defer() && declared.signature.results.iter().any(|result| result.name.is_some()),
            is_whole,
            reads_memory,
            load_bias: facts.load_bias,
        };
        let meaning = match begin {
            event::BEGIN => "an operation ends, or its function",
            event::ANNOTATE => meaning,
            _ => "an operation ends",
        };
        let (kind, when) = if is_annotation { (event::ANNOTATE, When::Annotate) } else { (event::END, When::End) };
        probes.push(facts.at_ends_of(function, ends, event(kind, when, meaning))?);
    }
    Ok(probes)
}

/// The probe of a function that others call last; `number` is that of it, within its [`super::plan::Planned`], from 1.
pub(super) fn tail_probe(facts: &Facts<'_>, found: &Found, number: usize) -> Result<Probe, LeftOut> {
    let number = u32::try_from(number).unwrap_or(u32::MAX >> 8) << 8 | event::TAIL;
    let event = Event { meaning: "what an operation calls last ends", when: When::End, body: Body::Operations, number };
    let (results, load_bias) = (result_words(&found.assignment), facts.load_bias);
    facts.at_ends_of(&found.function, Ends { results, is_final: false, is_whole: false, reads_memory: true, load_bias }, event)
}

/// The places of the results of a function when the one that it calls last has returned.
pub(super) fn in_tail(assignment: &Assignment, results: &[TailResult]) -> Assignment {
    let mut assignment = assignment.clone();
    for word in assignment.results.iter_mut().flat_map(|result| &mut result.words) {
        if let Place::Integer(number) = word.place {
            word.place = match results.get(usize::from(number)) {
                Some(TailResult::Called(number)) => Place::Integer(*number),
                Some(TailResult::Local(offset)) => Place::Local(*offset),
                None => word.place,
            };
        }
    }
    assignment
}

/// How many integer registers results take, as far as a probe reads them.
pub(super) fn result_words(assignment: &Assignment) -> usize {
    let registers = assignment.results.iter().flat_map(|result| &result.words).filter_map(|word| match word.place {
        Place::Integer(number) => Some(usize::from(number) + 1),
        Place::Float(_) | Place::Stack(_) | Place::Local(_) => None,
    });
    registers.max().unwrap_or(0).min(bpf::config::MAX_RESULTS)
}

/// All operations of a plan, with their numbers. The first is that of panics, which every plan with operations has.
#[derive(Clone, Debug, Default)]
pub struct Operations {
    /// How they are captured.
    pub recipes: Vec<OperationRecipe>,
    /// The steps of these.
    pub steps: Vec<RecipeStep>,
    /// What becomes of their records; nothing of the first.
    pub about: Vec<Option<Arc<About>>>,
}

impl Operations {
    /// Deals out numbers: the probes of each operation get its own. Libraries have the layers of their places in the catalog.
    pub(super) fn deal(planned: &mut [Planned], catalog: &[&Instrumentation]) -> Self {
        let mut operations = Self::default();
        if planned.iter().all(|one| one.operations.is_empty()) {
            return operations;
        }
        operations.add_panic();
        let layer = |name: &str| {
            let place = catalog.iter().position(|one| one.name == name).unwrap_or(USER_LAYER);
            instrumentation::FIRST_OF_TABLES << place.min(USER_LAYER)
        };
        let mut tails = 0;
        for one in planned.iter_mut().filter(|one| !one.operations.is_empty()) {
            let library = catalog.iter().find(|known| known.name == one.name).and_then(|known| known.library());
            let inside = library.iter().flat_map(|library| library.inside).fold(0, |all, name| all | layer(name));
            let first = u32::try_from(operations.recipes.len()).unwrap_or(u32::MAX >> 8);
            for probe in &mut one.probes {
                let is_tail = probe.event.number & 0xff == event::TAIL;
                let base = if is_tail { tails } else { first };
                probe.event.number = probe.event.number.saturating_add(base << 8);
            }
            for operation in &one.operations {
                let tail = if operation.tail == 0 { 0 } else { operation.tail + tails };
                operations.add(operation, layer(one.name), inside, tail);
            }
            tails += one.operations.iter().map(|operation| operation.tail).max().unwrap_or(0);
        }
        operations
    }

    /// `runtime.gopanic(e any)`.
    fn add_panic(&mut self) {
        let both = u32::try_from(INTEGERS[0] | INTEGERS[1] << 8).unwrap_or(0);
        let value = RecipeStep { code: code::REGISTERS, skip: 0, argument: both, value: u64::MAX };
        let capture = RecipeStep { code: code::CAPTURE_ANY, skip: 0, argument: 0, value: MAX_MESSAGE.into() };
        let start = self.steps(&[value, capture]);
        self.recipes.push(OperationRecipe { start, ..OperationRecipe::default() });
        self.about.push(None);
    }

    fn add(&mut self, operation: &PlannedOperation, layer: u32, inside: u32, tail: u32) {
        let (begin, start) = (self.steps(&operation.begin), self.steps(&operation.start));
        let recipe =
            OperationRecipe { begin, start, end: self.steps(&operation.end), layer, inside, flags: operation.flags, tail };
        self.recipes.push(recipe);
        self.about.push(Some(operation.about.clone()));
    }

    fn steps(&mut self, steps: &[RecipeStep]) -> Steps {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let found = Steps { first: number(self.steps.len()), count: number(steps.len()) };
        self.steps.extend_from_slice(steps);
        found
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.recipes.is_empty()
    }

    /// Whether goroutines that are created within one of them belong to it.
    #[must_use]
    pub fn has_creators(&self) -> bool {
        let is_operation =
            |recipe: &OperationRecipe| recipe.flags & flag::IS_CLIENT == 0 && recipe.flags & flag::IS_ANNOTATION == 0;
        self.recipes.iter().skip(1).any(is_operation)
    }

    /// Whether some go on until an object ends.
    #[must_use]
    pub fn has_objects(&self) -> bool {
        self.recipes.iter().any(|recipe| recipe.flags & flag::HAS_OBJECT != 0)
    }
}
