//! All operations of tables of a plan, with their numbers: recipes for the body that they share, and what becomes of its records. Pure.

use std::ops::Range;
use std::sync::Arc;

use bpf::config::operations::{OperationRecipe, RecipeStep, Steps, code, event, flag};
use bpf::go::abi::INTEGERS;
use opentelemetry::trace::SpanKind;

use super::instrumentation::Instrumentation;
use super::layers;
use super::library::SpanFunction;
use super::planned::Planned;
use super::recipe::MAX_MESSAGE;
use crate::captured::Named;

/// Names under which objects are captured: that which an operation makes, and that which an earlier one has made.
pub const MAKES: &str = "\0makes";
/// The same.
pub const WITHIN: &str = "\0within";
/// The name under which the address is captured of what rarely changes: behind it stands what is known by that.
pub const KEY: &str = "\0key";

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
    pub about: About,
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
    /// Whether it is unfinished where the end of its object is not seen.
    pub lasts: bool,
    /// Makes the span.
    pub span: SpanFunction,
    /// What the numbers of captured values mean: at the start, and at the end.
    pub captures: [Vec<Named>; 2],
    /// Those of the start that are known by the value before them, and are not captured each time.
    pub known: Range<usize>,
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
    /// Deals out numbers: the probes of each operation get its own.
    pub(super) fn deal(planned: &mut [Planned], catalog: &[&Instrumentation]) -> Self {
        let mut operations = Self::default();
        if planned.iter().all(|one| one.operations.is_empty()) {
            return operations;
        }
        operations.add_panic();
        let layer = |name: &str| layers::of(catalog, name);
        let mut tails = 0;
        for one in planned.iter_mut().filter(|one| !one.operations.is_empty()) {
            let library = catalog.iter().find(|known| known.name == one.name).and_then(|known| known.library());
            let inside = library.iter().flat_map(|library| library.inside).fold(0, |all, name| all | layer(name));
            let first = u32::try_from(operations.recipes.len()).unwrap_or(u32::MAX >> 8);
            for probe in one.probes.iter_mut().filter(|probe| probe.event.body.is_of_tables()) {
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
        self.about.push(Some(Arc::new(operation.about.clone())));
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

    /// Whether there are operations, and not annotations alone.
    #[must_use]
    pub fn has_frames(&self) -> bool {
        self.recipes.iter().skip(1).any(|recipe| recipe.flags & flag::IS_ANNOTATION == 0)
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
