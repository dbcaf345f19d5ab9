//! Calls from their header fields to what is queued for the connection, as the executor sees it.

use super::*;
use crate::config::operations::OperationRecipe;
use crate::config::{Cookie, Propagators, Setting, propagator};
use crate::go::abi::{FRAME_POINTER, Registers};
use crate::slots::{Slot, bucket};
use crate::target::Lookup as _;
use crate::target::fake::{FakeProcess, layouts};
use crate::trace::frames::{Opening, Standing};
use crate::trace::sealed::SealedSpan;

const ENCODER: u32 = 40;
const BUFFER: u32 = 48;
const WRITER: u32 = 80;
const FIELDS: u32 = 8;
const CALL: u32 = 16;
const ATTEMPT: u64 = 0x4b_0000;
const CONFIG: GrpcClientConfig = GrpcClientConfig {
    encoder: Setting::new(ENCODER),
    buffer: Setting::new(BUFFER),
    writer: Setting::new(WRITER),
    fields: Setting::new(FIELDS),
    call: Setting::new(CALL),
    padding: Setting::new(0),
    attempt: Setting::new(ATTEMPT),
    attempt_length: Setting::new(0x100),
};

mod copied;

/// A process with two goroutines: one that makes a call, and one that writes for the connection.
struct Client {
    process: FakeProcess,
    caller: u64,
    writer: u64,
    /// The `loopyWriter`, its encoder and its buffer.
    loopy: [u64; 3],
}

impl Client {
    /// One whose call has a span with this number.
    fn calling(number: u8, flags: u32) -> Self {
        let mut process = FakeProcess::new(layouts::GO_1_27);
        process.operations.push(OperationRecipe { flags, ..OperationRecipe::default() });
        let [caller, writer] = [process.goroutine_struct(), process.goroutine_struct()];
        let [loopy, encoder, buffer] = [64, 128, 64].map(|size| process.memory.allocate(size));
        process.memory.write_words(loopy + u64::from(ENCODER), &[encoder, buffer]);
        process.memory.write_words(encoder + u64::from(WRITER), &[0x4e_0000, buffer]);
        process.parents.has_frames = Setting::new(1);
        let client = Self { process, caller, writer, loopy: [loopy, encoder, buffer] };
        client.open(0, flags, [number; 8], [0; 8]);
        client
    }

    /// An operation begins, with this span.
    fn open(&self, level: u32, flags: u32, span_id: [u8; 8], parent_span_id: [u8; 8]) {
        let [number, ..] = span_id;
        let span = SpanIdentity { trace_id: [number; 16], span_id, parent_span_id, trace_flags: 1, ..SpanIdentity::NONE };
        let standing = Standing { address: self.caller, goid: 1, depth: 0x100 };
        let opening = Opening { level, operation: 0, layer: 4, flags, time: 1, object: 0 };
        let goroutine = self.process.goroutine_or_new(self.caller).unwrap();
        let opened = self.process.with_scratch(|scratch| {
            span.copy_to(&mut scratch.span);
            frames::open(&self.process, goroutine, &standing, &opening, scratch)
        });
        opened.unwrap();
    }

    /// An array of header fields, and how many.
    fn fields(&self, fields: &[(&str, &str)]) -> [u64; 2] {
        let address = self.process.memory.allocate(fields.len() as u64 * 40);
        self.place(address, fields);
        [address, fields.len() as u64]
    }

    /// They lie at this address from now on.
    fn place(&self, address: u64, fields: &[(&str, &str)]) {
        for (at, (name, value)) in (address..).step_by(40).zip(fields) {
            let ([name, name_length], [value, value_length]) = (self.process.string(name), self.process.string(value));
            self.process.memory.write_words(at, &[name, name_length, value, value_length, 0]);
        }
    }

    fn hit(&self, event: u32, goroutine: u64, registers: &[u64]) -> Done {
        self.process.registers.set(Registers::calling(registers, goroutine));
        self.process.cookie.set(Cookie { event, recipe: 0 });
        any(&self.process, &CONFIG)
    }

    /// The fields have been made, and are handed over by this goroutine.
    fn made_by(&self, goroutine: u64, [address, count]: [u64; 2]) -> Done {
        let item = self.process.memory.allocate(64);
        self.process.memory.write_words(item + u64::from(FIELDS), &[address, count, count]);
        self.hit(event::FIELDS, goroutine, &[0xc0, 0x4e_0000, 0x4e_1000, item])
    }

    /// By that which makes the call.
    fn made(&self, fields: [u64; 2]) -> Done {
        self.made_by(self.caller, fields)
    }

    /// They are encoded.
    fn written(&self, [address, count]: [u64; 2]) -> Done {
        self.hit(event::WRITE, self.writer, &[self.loopy[0], 1, 0, address, count, count])
    }

    fn queued(&self) -> Option<&Slot> {
        let bucket = self.process.bucket(bucket(self.writer)).unwrap();
        let way = bucket.tags.iter().position(|tag| tag.get() == self.writer + u64::from(site::HEADER_FIELDS))?;
        // SAFETY: no probe runs while the test looks.
        Some(unsafe { bucket.slots[way].get() })
    }
}

const PLAIN: [(&str, &str); 2] = [(":path", "/shop.Orders/Place"), ("content-type", "application/grpc")];

#[test]
fn a_call_sends_its_own_context_once() {
    let client = Client::calling(7, flag::INJECTS);
    let fields = client.fields(&PLAIN);
    client.made(fields).unwrap();
    assert!(client.queued().is_none());
    client.written(fields).unwrap();
    let slot = client.queued().unwrap();
    let [_, encoder, buffer] = client.loopy;
    assert_eq!(slot.meant_for, [encoder, buffer, 0]);
    let text: &[u8] = bytemuck::cast_slice(&slot.words);
    let value = format!("00-{}-{}-01", "07".repeat(16), "07".repeat(8));
    let field = [&b"\x00\x0btraceparent\x37"[..], value.as_bytes()].concat();
    assert_eq!((slot.length, &text[..69]), (69, field.as_slice()));
    // The same array again is another call's, or a server's.
    assert_eq!(client.written(fields), Err(Missed::NothingToDo));
    assert!(client.queued().is_none(), "what was left behind is nobody's");
}

/// A call that stays open until it is over is known by its `clientStream`.
#[test]
fn what_a_call_is_known_by_is_noted() {
    let stays = flag::INJECTS | flag::STAYS;
    let cases = [(stays, 0x40, 0xc0_77), (flag::INJECTS, 0x40, 0), (stays, 0x100, 0), (stays, u64::MAX, 0)];
    for (flags, back, noted) in cases {
        let client = Client::calling(7, flags);
        let [attempt, stack] = [32, 96].map(|size| client.process.memory.allocate(size));
        client.process.memory.write_words(attempt + u64::from(CALL), &[0xc0_77]);
        let back = ATTEMPT.wrapping_add(client.process.load_bias()).wrapping_add(back);
        client.process.memory.write_words(stack, &[stack + 32, back]);
        client.process.memory.write_words(stack + 32, &[0, 0, attempt]);
        let [address, count] = client.fields(&PLAIN);
        let item = client.process.memory.allocate(64);
        client.process.memory.write_words(item + u64::from(FIELDS), &[address, count, count]);
        let registers = Registers::calling(&[0xc0, 0x4e_0000, 0x4e_1000, item], client.caller);
        let mut registers = registers;
        registers.integers[FRAME_POINTER] = stack;
        client.process.registers.set(registers);
        client.process.cookie.set(Cookie { event: event::FIELDS, recipe: 0 });
        any(&client.process, &CONFIG).unwrap();
        assert_eq!(client.process.frame(frames::key(client.caller, 0)).unwrap().object.get(), noted);
        client.written([address, count]).unwrap();
    }
}

/// Where a connection has too many calls, one waits, and is handed over again.
#[test]
fn a_call_that_is_handed_over_again_sends_its_context_once() {
    let client = Client::calling(7, flag::INJECTS);
    let fields = client.fields(&PLAIN);
    client.made(fields).unwrap();
    client.made(fields).unwrap();
    client.written(fields).unwrap();
    assert_eq!(client.queued().unwrap().length, 69);
    assert_eq!(client.written(fields), Err(Missed::NothingToDo));
}

#[test]
fn what_the_program_has_set_is_the_only_one() {
    let client = Client::calling(7, flag::INJECTS);
    let fields = client.fields(&[PLAIN[0], PLAIN[1], ("traceparent", "00-own")]);
    assert_eq!(client.made(fields), Err(Missed::NothingToDo));
    assert_eq!(client.written(fields), Err(Missed::NothingToDo));
}

/// No fields, of what is no call, or of a goroutine that makes none.
#[test]
fn nothing_is_injected_into_what_is_no_call() {
    let client = Client::calling(7, flag::INJECTS);
    let fields = client.fields(&PLAIN);
    assert_eq!(client.hit(event::FIELDS, client.caller, &[0xc0, 0, 0, 0]), Err(Missed::NothingToDo));
    assert_eq!(client.made([0, 0]), Err(Missed::NothingToDo));
    assert_eq!(client.made_by(client.writer, fields), Err(Missed::NothingToDo));
    let other = Client::calling(7, 0);
    assert_eq!(other.made(other.fields(&PLAIN)), Err(Missed::NothingToDo));
}

/// A list that a peer takes must not become one that it refuses.
#[test]
fn a_list_does_not_grow_beyond_a_limit() {
    let both = u32::from(propagator::TRACE_CONTEXT | propagator::B3_MULTI);
    for (propagators, added) in [(u32::from(propagator::TRACE_CONTEXT), 98), (both, 98 + 180)] {
        let mut client = Client::calling(7, flag::INJECTS);
        client.process.propagators = Propagators(Setting::new(propagators));
        for limit in [8 << 10, 16 << 10, 1 << 20] {
            for (size, is_injected) in [(limit - added, true), (limit - added + 1, false), (limit, false), (limit + 1, true)] {
                let value = "x".repeat(size - 32 - "big".len());
                let made = client.made(client.fields(&[("big", &value)]));
                assert_eq!(made, if is_injected { Ok(()) } else { Err(Missed::NotInjected) }, "{propagators} {limit} {size}");
            }
        }
    }
}

/// What was remembered for an array is not another call's, whose array lies at the same address.
#[test]
fn memory_that_is_anothers_by_now() {
    let client = Client::calling(7, flag::INJECTS);
    let fields = client.fields(&PLAIN);
    client.made(fields).unwrap();
    let mut other = client.process.injection(fields[0]).unwrap().clone();
    other.span = SealedSpan::new(&SpanIdentity::NONE, 0x1234);
    client.process.set_injection(fields[0], &other);
    assert_eq!(client.written(fields), Err(Missed::NotInjected));
    // An encoder that writes elsewhere; what the goroutine had queued is not for this call.
    let other = client.fields(&PLAIN);
    client.made(other).unwrap();
    client.written(other).unwrap();
    client.made(fields).unwrap();
    client.process.memory.write_words(client.loopy[1] + u64::from(WRITER), &[0x4e_0000, 0x77]);
    assert_eq!(client.written(fields), Err(Missed::NotInjected));
    assert!(client.queued().is_none());
    let mut process = client.process;
    process.propagators = Propagators(Setting::new(0));
    let nothing = Client { process, ..client };
    assert_eq!(nothing.made(fields), Err(Missed::NothingToDo));
}

/// A call that was given up before it was written leaves nothing to one whose array lies at the same address.
#[test]
fn what_was_never_written_is_not_another_calls() {
    let client = Client::calling(7, flag::INJECTS);
    let fields = client.fields(&PLAIN);
    let [address, _] = fields;
    let long = "x".repeat(8_100);
    let cases = [
        ("a goroutine that makes no call", client.writer, PLAIN, false),
        ("no memory for the probe", client.caller, PLAIN, true),
        ("a traceparent of the program's own", client.caller, [PLAIN[0], ("traceparent", "00-own")], false),
        ("a list near a limit", client.caller, [PLAIN[0], ("long", &long)], false),
    ];
    for (case, goroutine, now, is_taken) in cases {
        client.place(address, &PLAIN);
        client.made(fields).unwrap();
        client.place(address, &now);
        client.process.scratch_is_taken.set(is_taken);
        assert!(client.made_by(goroutine, fields).is_err(), "{case}");
        client.process.scratch_is_taken.set(false);
        assert!(client.process.injections.is_empty(), "{case}");
        assert_eq!(client.written(fields), Err(Missed::NothingToDo), "{case}");
        assert!(client.queued().is_none(), "{case}");
    }
}
