//! Operations from start to end, as the launcher sees them.
//!
//! Functions stand at depths of the stack, as bytes below its upper end; recipes are written by hand.

use super::any;
use crate::config::operations::{OperationRecipe, RecipeStep, Steps, code, event, flag};
use crate::config::{Cookie, EMPTY_RECIPE, EndRecipe, Setting};
use crate::config::{ResultLocation, parents::ParentsConfig};
use crate::go::abi::{INTEGERS, Registers};
use crate::missed::{Done, Missed};
use crate::records::operation::{OperationEvent, OperationStart};
use crate::records::{RecordHeader, SpanIdentity, kind};
use crate::target::fake::{FakeProcess, layouts};
use crate::target::{Lookup as _, Target as _};
use crate::trace::frames;
use crate::trace::operation::kind as operation_kind;
use records::{Record, Value, decode, values};

mod disturbed;
mod exports;
mod interpreter;
mod losses;
mod objects;
mod parents;
mod records;
mod served;
mod stack;
mod staying;
mod wrapped;

/// The upper end of each goroutine's stack, and where `g` has it and the `goid`.
const STACK_HIGH: u64 = 0xc0_0100_0000;
const STACK_HIGH_AT: u64 = 8;
const GOID_AT: u64 = 152;
/// Where the program was moved to.
const BIAS: u64 = 0x7f00_0000;
/// A layer of the test's own, and another one.
const LAYER: u32 = 4;
const OTHER_LAYER: u32 = 8;

/// A step without alternatives.
const fn step(code: u16, argument: u32, value: u64) -> RecipeStep {
    RecipeStep { code, skip: 0, argument, value }
}

/// A step that leaves out as many.
const fn skipping(skip: u16, step: RecipeStep) -> RecipeStep {
    RecipeStep { skip, ..step }
}

/// Two integer arguments or results with these numbers, as a value.
fn words(first: usize, second: usize) -> RecipeStep {
    step(code::REGISTERS, u32::try_from(INTEGERS[first] | INTEGERS[second] << 8).unwrap(), u64::MAX)
}

fn results(first: u32, second: u32) -> RecipeStep {
    step(code::RESULTS, first | second << 8, u64::MAX)
}

/// A function, as a table has it.
#[derive(Clone, Default)]
struct Function {
    begin: Vec<RecipeStep>,
    start: Vec<RecipeStep>,
    end: Vec<RecipeStep>,
    inside: u32,
    flags: u32,
    tail: u32,
}

impl Function {
    /// `func f(ctx context.Context)`.
    fn with_context() -> Self {
        Self { begin: vec![words(0, 1), step(code::CONTEXT, 0, 0)], ..Self::default() }
    }
}

fn kind_of(bytes: &[u8]) -> u32 {
    bytemuck::pod_read_unaligned::<RecordHeader>(&bytes[..8]).kind
}

/// A process with functions of tables, and the goroutine that runs. `STORES`: as natively.
struct Program<const STORES: bool = false> {
    process: FakeProcess<STORES>,
    goroutine: u64,
}

/// Results as they are in the registers at `RET`.
fn at_ret() -> EndRecipe {
    let mut recipe = EndRecipe { guarded: Setting::new(0), ..EMPTY_RECIPE };
    for (result, register) in recipe.results.iter_mut().zip(INTEGERS) {
        let base = Setting::new(u32::try_from(register).unwrap());
        *result = ResultLocation {
            base,
            loads: Setting::new(0),
            offset: Setting::new(0),
            mask: Setting::new(u64::MAX),
            ..EMPTY_RECIPE.results[0]
        };
    }
    recipe
}

impl Program {
    fn new() -> Self {
        Self::of()
    }
}

impl<const STORES: bool> Program<STORES> {
    /// One whose function number 0 is `runtime.gopanic`, as in every plan.
    fn of() -> Self {
        let mut process = FakeProcess::of(layouts::GO_1_27);
        process.load_bias.set(BIAS);
        process.recipes = vec![at_ret()];
        process.parents = ParentsConfig {
            has_frames: Setting::new(1),
            wanted: Setting::new(1),
            goid: Setting::new(u32::try_from(GOID_AT).unwrap()),
            stack_high: Setting::new(u32::try_from(STACK_HIGH_AT).unwrap()),
            g_m: Setting::new(48),
            m_curg: Setting::new(184),
            status: Setting::new(144),
            ..process.parents
        };
        let mut program = Self { process, goroutine: 0 };
        program.goroutine = program.new_goroutine(1);
        program.add(Function { start: vec![words(0, 1), step(code::CAPTURE_ANY, 0, 1_024)], ..Function::default() });
        program
    }

    /// A goroutine that has this id; it does not run yet.
    fn new_goroutine(&self, goid: u64) -> u64 {
        let address = self.process.goroutine_struct();
        self.process.memory.write_words(address + STACK_HIGH_AT, &[STACK_HIGH]);
        self.process.memory.write_words(address + GOID_AT, &[goid]);
        address
    }

    fn steps(&mut self, steps: &[RecipeStep]) -> Steps {
        let first = u32::try_from(self.process.recipe_steps.len()).unwrap();
        self.process.recipe_steps.extend_from_slice(steps);
        Steps { first, count: u32::try_from(steps.len()).unwrap() }
    }

    /// Adds a function of [`LAYER`]; its number.
    fn add(&mut self, function: Function) -> u32 {
        self.add_of(LAYER, function)
    }

    fn add_of(&mut self, layer: u32, function: Function) -> u32 {
        let Function { begin, start, end, inside, flags, tail } = function;
        let recipe = OperationRecipe {
            begin: self.steps(&begin),
            start: self.steps(&start),
            end: self.steps(&end),
            layer,
            inside,
            flags,
            tail,
        };
        self.process.operations.push(recipe);
        u32::try_from(self.process.operations.len() - 1).unwrap()
    }

    /// A probe is hit on the running goroutine, at this depth of its stack.
    fn hit(&self, event: u32, number: u32, depth: u64, arguments: &[u64]) -> Done {
        let registers = Registers { stack_pointer: STACK_HIGH - depth, ..Registers::calling(arguments, self.goroutine) };
        self.process.registers.set(registers);
        self.process.cookie.set(Cookie { event: event | number << 8, recipe: 0 });
        if event == event::ANNOTATE { super::annotate(&self.process) } else { any(&self.process) }
    }

    fn begin(&self, number: u32, depth: u64, arguments: &[u64]) -> Done {
        self.hit(event::BEGIN, number, depth, arguments)
    }

    fn end(&self, number: u32, depth: u64, results: &[u64]) -> Done {
        self.hit(event::END, number, depth, results)
    }

    /// The only record since the last one.
    fn record(&self) -> Vec<u8> {
        let mut records = self.process.take_records();
        assert_eq!(records.len(), 1);
        records.remove(0)
    }

    /// The only record, which is that of an event of this kind.
    fn event(&self, kind: u32) -> Record<OperationEvent> {
        let record = self.record();
        assert_eq!(kind_of(&record), kind);
        decode(&record)
    }

    /// A function begins, and its start is reported.
    fn started(&self, number: u32, depth: u64, arguments: &[u64]) -> Record<OperationStart> {
        self.begin(number, depth, arguments).unwrap();
        let record = self.record();
        assert_eq!(kind_of(&record), kind::OPERATION_START);
        decode(&record)
    }

    /// A function ends, and its end is reported.
    fn ended(&self, number: u32, depth: u64, results: &[u64]) -> Record<OperationEvent> {
        self.end(number, depth, results).unwrap();
        self.event(kind::OPERATION_END)
    }

    /// How many operations are open on the running goroutine.
    fn open(&self) -> u32 {
        self.process.goroutine(self.goroutine).map_or(0, crate::trace::goroutine::Goroutine::frames)
    }

    /// Holds that nothing is open, and that nothing came of any hit that is counted, but of these.
    #[track_caller]
    fn is_clean(&self) {
        assert_eq!((self.open(), self.process.objects.len()), (0, 0));
        assert!(self.process.take_records().is_empty());
    }

    /// An interface whose type has a descriptor at `descriptor` in the process, and whose data are these words.
    fn interface(&self, descriptor: u64, data: &[u64]) -> [u64; 2] {
        let table = self.process.memory.allocate(32);
        self.process.memory.write_words(table + 8, &[descriptor]);
        let address = self.process.memory.allocate(8 * data.len() as u64);
        self.process.memory.write_words(address, data);
        [table, address]
    }

    /// The running goroutine serves a request with this context, which is a child of nothing.
    fn serve(&self, context: u64, span: &SpanIdentity) {
        let goroutine = self.process.goroutine_or_new(self.goroutine).unwrap();
        let operation = goroutine.next().unwrap();
        operation.kind.set(operation_kind::HTTP1_SERVER);
        operation.span.set(span, self.goroutine);
        operation.object.set(context);
        goroutine.opened(0);
        self.process.remember_context(context, self.goroutine);
    }
}

/// A span that is recorded.
fn span(number: u8) -> SpanIdentity {
    SpanIdentity { trace_id: [number; 16], span_id: [number; 8], trace_flags: 1, ..SpanIdentity::NONE }
}
