//! The baggage that came with a request, where the program asks for that of a context.

use super::*;
use crate::config::baggage::{BaggageConfig, NO_BAGGAGE};
use crate::config::otel_api::ReceivedConfig;
use crate::target::fake::maps::Shape;

/// `baggage.Parse`, and the types of keys.
const PARSE: u64 = 0x42_0000;
const BAGGAGE_KEY: u64 = 0x50_6000;
const METADATA_KEY: u64 = 0x50_7000;
/// A type of contexts that answers for values itself.
const ANSWERS: u64 = 0x50_8000;
/// Where a response has its request, and a request its headers.
const REQUEST: u32 = 8;
const HEADER: u32 = 56;
/// Where an HTTP/2 writer has its state, and that its request.
const STATE: u32 = 8;
const STATE_REQUEST: u32 = 16;

impl<const STORES: bool> Program<STORES> {
    fn with_baggage() -> Self {
        let mut program = Self::new();
        program.process.parents.baggage =
            BaggageConfig { key: Setting::new(BAGGAGE_KEY), list: Setting::new(0), hooks: Setting::new(8), ..NO_BAGGAGE };
        let answers = ContextType { kind: context_kind::ANSWERS, offset: 0, through: ABSENT, span_kind: 0 };
        program.process.context_types.insert(ANSWERS, answers);
        program.config.received = ReceivedConfig {
            parse: Setting::new(PARSE),
            metadata_key: Setting::new(METADATA_KEY),
            map: layouts::GO_1_27.header_map,
            request: Setting::new(REQUEST),
            header: Setting::new(HEADER),
            state: [0, STATE].map(Setting::new),
            state_request: [ABSENT, STATE_REQUEST].map(Setting::new),
            state_header: [24, HEADER].map(Setting::new),
        };
        program
    }

    /// The text with which the program parses baggage instead, if it does.
    fn asked(&self, context: [u64; 2]) -> Option<String> {
        let done = self.hit(event::BAGGAGE, &context);
        let left = if STORES {
            self.process.left.take()
        } else {
            self.slot(site::BAGGAGE).map(|slot| {
                assert_eq!(slot.meant_for[meant_for::DEPTH], STACK_HIGH - STACK + 8);
                *slot.words.first_chunk().unwrap()
            })
        };
        assert!(self.is_idle());
        assert_eq!(done.is_ok(), left.is_some());
        left.map(|[address, length, function]| {
            assert_eq!(function, PARSE + BIAS);
            let mut text = vec![0; usize::try_from(length).unwrap()];
            for (byte, at) in text.iter_mut().zip(address..) {
                *byte = self.process.read(at).unwrap();
            }
            String::from_utf8(text).unwrap()
        })
    }

    fn headers(&self, baggage: &str) -> u64 {
        self.process.header(&[("Accept".into(), "*".into()), ("Baggage".into(), baggage.into())], Shape::Plain)
    }

    /// A request with these headers, or what a server of HTTP/2 makes of one.
    fn request(&self, headers: u64) -> u64 {
        let request = self.process.memory.allocate(128);
        self.process.memory.write_words(request + u64::from(HEADER), &[headers]);
        request
    }

    /// A goroutine serves a request by HTTP/1; its context.
    fn serve_http1(&self, goroutine: u64, headers: u64) -> [u64; 2] {
        let context = self.serve(goroutine, &span(3));
        let operation = self.process.goroutine(goroutine).unwrap().active().unwrap();
        operation.words[1].set(self.words(&[0, self.request(headers)]));
        context
    }

    fn with_value(&self, [table, data]: [u64; 2], key: u64, value: u64) -> [u64; 2] {
        self.interface(VALUE, &[table, data, key + BIAS, 0, 0, value])
    }
}

fn both(one: fn(&Program<true>), other: fn(&Program<false>)) {
    one(&Program::with_baggage());
    other(&Program::with_baggage());
}

fn own<const STORES: bool>(program: &Program<STORES>) {
    let served = program.serve_http1(program.goroutine, program.headers("a=1,b=2"));
    assert_eq!(program.asked(served).as_deref(), Some("a=1,b=2"));
    assert_eq!(program.asked(program.cancel(served)).as_deref(), Some("a=1,b=2"));
    // The span of a context does not hide what came.
    assert_eq!(program.asked(program.with_span(served, identity(4, 1, [0; 3], 0))).as_deref(), Some("a=1,b=2"));
}

#[test]
fn it_is_that_of_the_request() {
    both(own, own);
}

fn set<const STORES: bool>(program: &Program<STORES>) {
    let served = program.serve_http1(program.goroutine, program.headers("a=1"));
    for list in [0, 0x1234] {
        let state = program.words(&[list, 0, 0]);
        assert_eq!(program.asked(program.with_value(served, BAGGAGE_KEY, state)), None);
    }
}

#[test]
fn what_the_program_has_set_stays() {
    both(set, set);
}

fn elsewhere<const STORES: bool>(program: &Program<STORES>) {
    // What serves it may change it meanwhile.
    assert_eq!(program.asked(program.serve_http1(program.process.goroutine_struct(), program.headers("a=1"))), None);
}

#[test]
fn another_goroutine_gets_none() {
    both(elsewhere, elsewhere);
}

fn answers<const STORES: bool>(program: &Program<STORES>) {
    let [table, data] = program.serve_http1(program.goroutine, program.headers("a=1"));
    assert_eq!(program.asked(program.interface(ANSWERS, &[table, data])), None);
    // Farther than the request it does not matter.
    let list = program.words(&[0x1234, 0, 0]);
    let [table, data] = program.with_value([table, data], BAGGAGE_KEY, list);
    assert_eq!(program.asked(program.interface(ANSWERS, &[table, data])), None);
}

#[test]
fn a_context_that_answers_for_itself_is_asked() {
    both(answers, answers);
}

fn hooks<const STORES: bool>(program: &Program<STORES>) {
    let served = program.serve_http1(program.goroutine, program.headers("a=1"));
    for hooks in [[0, 0x1234], [0x1234, 0]] {
        let state = program.words(&[0, hooks[0], hooks[1]]);
        assert_eq!(program.asked(program.with_value(served, BAGGAGE_KEY, state)), None);
    }
}

#[test]
fn a_bridge_says_what_there_is() {
    both(hooks, hooks);
}

fn http2<const STORES: bool>(program: &Program<STORES>) {
    for (goroutine, is_own) in [(program.goroutine, true), (program.process.goroutine_struct(), false)] {
        let context = program.serve(goroutine, &span(3));
        let state = program.words(&[0, 0, program.request(program.headers("a=1"))]);
        let operation = program.process.goroutine(goroutine).unwrap().active().unwrap();
        operation.words[1].set(program.words(&[0, state]));
        operation.kind.set(operation_kind::XNET_SERVER);
        assert_eq!(program.asked(context).as_deref(), is_own.then_some("a=1"));
        // Of this one the request lies within the state.
        operation.kind.set(operation_kind::HTTP2_SERVER);
        operation.words[1].set(program.words(&[program.words(&[0, 0, 0, program.headers("b=2")])]));
        assert_eq!(program.asked(context).as_deref(), is_own.then_some("b=2"));
        // Of this one nothing is known.
        operation.kind.set(operation_kind::FASTHTTP_SERVER);
        assert_eq!(program.asked(context), None);
    }
}

#[test]
fn by_http2_its_own_goroutine_gets_it() {
    both(http2, http2);
}

fn grpc<const STORES: bool>(program: &Program<STORES>) {
    let metadata = program.process.header(&[("baggage".into(), "a=1".into())], Shape::Plain);
    let context = program.with_value(program.cancel([0, 0]), METADATA_KEY, metadata);
    assert_eq!(program.asked(program.cancel(context)).as_deref(), Some("a=1"));
    // The call is nearer than the request around it.
    let served = program.serve_http1(program.goroutine, program.headers("b=2"));
    assert_eq!(program.asked(program.with_value(served, METADATA_KEY, metadata)).as_deref(), Some("a=1"));
}

#[test]
fn by_grpc_the_metadata_have_it() {
    both(grpc, grpc);
}

fn nothing<const STORES: bool>(program: &Program<STORES>) {
    assert_eq!(program.asked([0, 0]), None);
    assert_eq!(program.asked(program.cancel([0, 0])), None);
    // Several lines are another list than each alone.
    for headers in [0, program.headers(""), program.headers("a=1\nb=2"), program.process.header(&[], Shape::Plain)] {
        let served = program.serve_http1(program.process.goroutine_struct(), headers);
        assert_eq!(program.asked(served), None);
    }
    let served = program.serve_http1(program.goroutine, program.headers("a=1"));
    program.process.goroutine(program.goroutine).unwrap().active().unwrap().object.set(0);
    assert_eq!(program.asked(served), None);
}

#[test]
fn there_may_be_none() {
    both(nothing, nothing);
}
