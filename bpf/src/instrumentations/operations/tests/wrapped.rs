//! Operations that have a span of the SDK already, by an instrumentation that the program wraps around them.

use super::served::{PARENT, handler};
use super::*;
use crate::config::ABSENT;
use crate::config::parents::{ContextType, Wrapper, context_kind};
use crate::target::fake::maps::Shape;
use crate::trace::wrapped::span_kind;

/// Descriptors in the process, and the key of spans in contexts.
const VALUE: u64 = 0x50_1000;
const SPAN: u64 = 0x50_2000;
const KEY: u64 = 0x50_4000;
/// Where a span of the SDK has its tracer and its kind, and a tracer the name of its instrumentation.
const TRACER_AT: u32 = 16;
const KIND_AT: u32 = 24;
const SCOPE: u64 = 56;
const WRAPPER: &str = "otelsql";
/// One of another layer.
const OTHER_WRAPPER: &str = "otelhttp";

/// A program with the SDK.
fn program() -> Program {
    let mut program = Program::new();
    program.process.parents.span_key = Setting::new(KEY);
    program.process.parents.sdk_scope = Setting::new(u32::try_from(SCOPE).unwrap());
    let [first, second, ..] = &mut program.process.parents.wrappers;
    [*first, *second] = [Wrapper::new(WRAPPER, LAYER), Wrapper::new(OTHER_WRAPPER, OTHER_LAYER)];
    let value = ContextType { kind: context_kind::VALUE, offset: 0, through: ABSENT, span_kind: 0 };
    let span = ContextType { kind: context_kind::SPAN, offset: 96, through: TRACER_AT, span_kind: KIND_AT };
    program.process.context_types.extend([(VALUE, value), (SPAN, span)]);
    program
}

impl Program {
    /// A context with the span number 3, which the SDK records.
    fn recorded(&self, scope: &str, of_kind: u64) -> [u64; 2] {
        let [tracer, value] = [128, 256].map(|size| self.process.memory.allocate(size));
        self.process.memory.write_words(tracer + SCOPE, &self.process.string(scope));
        self.process.memory.write_words(value + u64::from(TRACER_AT), &[tracer, of_kind]);
        let id = u64::from_ne_bytes([3; 8]);
        self.process.memory.write_words(value + 96, &[id, id, id, 1, 0, 0, 0, 0]);
        self.interface(VALUE, &[0, 0, KEY + BIAS, 0, SPAN, value])
    }

    /// The span of what is open at this level.
    fn span_at(&self, level: u32) -> SpanIdentity {
        let own = frames::key(self.goroutine, level);
        let mut span = SpanIdentity::NONE;
        assert!(self.process.frame(own).unwrap().span.copy_of(own, &mut span));
        span
    }

    /// Ends what is not reported.
    fn ended_unseen(&self, number: u32, depth: u64) {
        let _nothing = self.end(number, depth, &[]);
        self.is_clean();
    }
}

/// What is made within it is the child of the SDK's span.
#[test]
fn a_call_that_the_sdk_records_is_its_span() {
    let mut program = program();
    let call = program.add(Function { flags: flag::IS_CLIENT, ..Function::with_context() });
    let within = program.add(Function::with_context());
    for of_kind in [span_kind::CLIENT, span_kind::PRODUCER] {
        let context = program.recorded(WRAPPER, of_kind);
        program.begin(call, 100, &context).unwrap();
        assert!(program.process.take_records().is_empty());
        assert_eq!(program.span_at(0), span(3));
        assert_eq!(program.started(within, 200, &[0, 0]).parent(), u64::from_ne_bytes([3; 8]));
        program.ended(within, 200, &[]);
        // Another one, by the same wrapper.
        program.begin(call, 200, &context).unwrap();
        assert!(program.process.take_records().is_empty());
        assert_eq!(program.span_at(1), span(3));
        let _nothing = program.end(call, 200, &[]);
        program.ended_unseen(call, 100);
    }
}

#[test]
fn of_another_kind_or_by_another_it_is_the_parent() {
    let mut program = program();
    let call = program.add(Function { flags: flag::IS_CLIENT, ..Function::with_context() });
    let inner = program.add(Function::with_context());
    let function = program.add_of(0, Function::with_context());
    let cases = [
        (call, WRAPPER, span_kind::SERVER),
        (call, WRAPPER, span_kind::CONSUMER),
        (call, WRAPPER, 1),
        (call, "shop", span_kind::CLIENT),
        (call, "", span_kind::CLIENT),
        (call, OTHER_WRAPPER, span_kind::CLIENT),
        (call, OTHER_WRAPPER, span_kind::PRODUCER),
        (inner, WRAPPER, span_kind::CLIENT),
        (inner, OTHER_WRAPPER, span_kind::SERVER),
        (function, WRAPPER, span_kind::SERVER),
    ];
    for (number, scope, of_kind) in cases {
        let start = program.started(number, 100, &program.recorded(scope, of_kind));
        assert_eq!(start.parent(), u64::from_ne_bytes([3; 8]), "{scope} {of_kind}");
        assert_ne!(start.id(), start.parent());
        program.ended(number, 100, &[]);
    }
    program.is_clean();
}

#[test]
fn a_request_that_the_sdk_records_is_its_span() {
    let mut program = program();
    let (number, within) = (program.add(handler()), program.add(Function::with_context()));
    for of_kind in [span_kind::SERVER, span_kind::CONSUMER] {
        let context = program.recorded(WRAPPER, of_kind);
        let names = [PARENT].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let map = program.process.header(&names, Shape::Plain);
        program.hit_served(event::BEGIN, number, 100, &[context[0], context[1], map]).unwrap();
        assert!(program.process.take_records().is_empty());
        assert_eq!(program.span_at(0), span(3));
        // Its context leads to it, from wherever.
        let other = program.new_goroutine(2);
        let serving = std::mem::replace(&mut program.goroutine, other);
        assert_eq!(program.started(within, 200, &context).parent(), u64::from_ne_bytes([3; 8]));
        program.ended(within, 200, &[]);
        program.goroutine = serving;
        program.ended_unseen(number, 100);
        assert_eq!(program.process.context_goroutine(context[1]), None);
    }
    for (scope, of_kind) in [(WRAPPER, span_kind::CLIENT), (OTHER_WRAPPER, span_kind::SERVER)] {
        let start = program.served(number, 100, program.recorded(scope, of_kind), &[PARENT]);
        assert_eq!(start.parent(), u64::from_ne_bytes([3; 8]), "of another kind, or layer, it is around");
        program.ended(number, 100, &[]);
    }
}
