//! Operations that serve a request from elsewhere: whose children they are, and what their context leads to.

use super::*;
use crate::target::fake::maps::Shape;

/// `func (s *Server) handle(ctx context.Context, md map[string][]string)`, of a library that serves.
pub(super) fn handler() -> Function {
    let begin = vec![words(0, 1), step(code::CONTEXT, 0, 0), words(2, 2), step(code::NOTE_CARRIER, 0, 0)];
    Function { begin, flags: flag::SERVES, ..Function::default() }
}

impl Program {
    pub(super) fn hit_served(&self, event: u32, number: u32, depth: u64, arguments: &[u64]) -> Done {
        let registers = Registers { stack_pointer: STACK_HIGH - depth, ..Registers::calling(arguments, self.goroutine) };
        self.process.registers.set(registers);
        self.process.cookie.set(Cookie { event: event | number << 8, recipe: 0 });
        crate::instrumentations::operations::served(&self.process, &self.process.layout.header_map)
    }

    pub(super) fn resume(&self, number: u32, depth: u64, object: u64) -> Done {
        self.hit_served(event::RESUME, number, depth, &[object])
    }

    /// One begins to be served, with this context and these names in its carrier.
    pub(super) fn served(&self, number: u32, depth: u64, context: [u64; 2], names: &[(&str, &str)]) -> Record<OperationStart> {
        let names: Vec<(String, String)> = names.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let map = self.process.header(&names, Shape::Plain);
        self.hit_served(event::BEGIN, number, depth, &[context[0], context[1], map]).unwrap();
        let record = self.record();
        assert_eq!(kind_of(&record), kind::OPERATION_START);
        decode(&record)
    }
}

pub(super) const PARENT: (&str, &str) = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

#[test]
fn the_carrier_names_the_parent() {
    let mut program = Program::new();
    let number = program.add(handler());
    let context = program.interface(0x5000, &[0]);
    let start = program.served(number, 100, context, &[PARENT, ("baggage", "a=b")]);
    assert_eq!(
        (start.head.span.trace_id[0], start.parent().to_ne_bytes()),
        (0x4b, [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7])
    );
    assert_eq!(start.head.span.parent_is_remote, 1);
    program.ended(number, 100, &[]);
    program.is_clean();
    // Nothing is left of its context.
    assert_eq!(program.process.context_goroutine(context[1]), None);
    // Without one, it is the first of its trace.
    let start = program.served(number, 100, context, &[]);
    assert_eq!((start.parent(), start.head.span.parent_is_remote), (0, 0));
}

/// What runs on other goroutines with its context is its child, however deep the caller is.
#[test]
fn its_context_leads_to_it() {
    let mut program = Program::new();
    let (number, inner) = (program.add(handler()), program.add(Function::with_context()));
    let context = program.interface(0x5000, &[0]);
    let start = program.served(number, 100, context, &[PARENT]);
    let own = program.started(inner, 200, &context);
    assert_eq!(own.parent(), start.id());
    let deeper = program.started(inner, 300, &context);
    assert_eq!(deeper.parent(), own.id(), "the innermost");
    let other = program.new_goroutine(2);
    let serving = std::mem::replace(&mut program.goroutine, other);
    assert_eq!(program.started(inner, 200, &context).parent(), start.id());
    program.goroutine = serving;
    program.ended(inner, 300, &[]);
    program.ended(inner, 200, &[]);
    program.ended(number, 100, &[]);
}

/// A request that `net/http` serves has one span, whatever the carrier says: it came with the same.
#[test]
fn what_serves_the_same_request_around_it_has_the_same_span() {
    let mut program = Program::new();
    let number = program.add(handler());
    let context = program.interface(0x5000, &[0]);
    let outer = program.new_goroutine(2);
    let around = std::mem::replace(&mut program.goroutine, outer);
    program.serve(context[1], &SpanIdentity { parent_span_id: [3; 8], parent_is_remote: 1, ..span(9) });
    program.goroutine = around;
    let start = program.served(number, 100, context, &[PARENT]);
    assert_eq!((start.id().to_ne_bytes(), start.parent().to_ne_bytes()), ([9; 8], [3; 8]));
    assert_eq!(start.head.span.parent_is_remote, 1);
}

/// An operation that has an object goes on where that is resumed, and nothing is reported of it there.
#[test]
fn an_operation_is_resumed() {
    let mut program = Program::new();
    let begun =
        Function { end: vec![results(0, 0), step(code::NOTE_OBJECT, 0, 0)], flags: flag::HAS_OBJECT, ..Function::default() };
    let resumed =
        Function { begin: vec![words(0, 0), step(code::NOTE_OBJECT, 0, 0)], flags: flag::RESUMES, ..Function::default() };
    let (begun, resumed, inner) = (program.add(begun), program.add(resumed), program.add(Function::default()));
    let start = program.started(begun, 100, &[]);
    program.end(begun, 100, &[0x77_0000]).unwrap();
    program.event(kind::OPERATION_RETURNED);
    program.resume(resumed, 100, 0x77_0000).unwrap();
    assert_eq!(program.started(inner, 200, &[]).parent(), start.id());
    program.ended(inner, 200, &[]);
    assert_eq!(program.end(resumed, 100, &[]), Err(Missed::NothingToDo));
    assert_eq!((program.open(), program.process.objects.len()), (0, 1));
    assert_eq!(program.resume(resumed, 100, 0x78_0000), Err(Missed::NothingToDo), "another one's");
}
