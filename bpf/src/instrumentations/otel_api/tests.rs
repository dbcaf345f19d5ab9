//! The OpenTelemetry API as a program calls it, where probes write into its memory themselves, and where the program does.

use super::{any, call};
use crate::config::operations::{OperationRecipe, flag};
use crate::config::otel_api::{CopyConfig, EMPTY_OTEL_API, OtelApiConfig, event};
use crate::config::parents::{ContextType, ParentsConfig, Wrapper, context_kind};
use crate::config::{ABSENT, Cookie, Setting};
use crate::go::abi::Registers;
use crate::missed::{Done, Missed};
use crate::records::{SpanIdentity, kind};
use crate::slots::{Slot, bucket, meant_for, site};
use crate::target::fake::reported::{decode, kind_of};
use crate::target::fake::{FakeProcess, layouts};
use crate::target::{Lookup as _, Memory as _, Target as _};
use crate::trace::frames::{self, Opening, Standing};
use crate::trace::operation::kind as operation_kind;
use crate::trace::stand_in::{StandIn, TABLE};

mod calls;
mod current;
mod disturbed;
mod encoded;
mod received;
mod start;
mod superseded;
mod switch;

/// Descriptors of types, and the key of spans in contexts, in the file.
const CANCEL: u64 = 0x50_0000;
const VALUE: u64 = 0x50_1000;
const SPAN: u64 = 0x50_2000;
const KEY: u64 = 0x50_3000;
const ATTRIBUTE_OPTION: u64 = 0x50_4000;
const TIMESTAMP_OPTION: u64 = 0x50_5000;
const FUNCTION_OPTION: u64 = 0x50_6000;
const IS_RECORDING: u64 = 0x41_0000;
/// Where the program was moved to.
const BIAS: u64 = 0x7f00_0000;
/// The upper end of the goroutine's stack, where `g` has it and the `goid`, and the stack pointer at the probe.
const STACK_HIGH: u64 = 0xc0_0100_0000;
const STACK_HIGH_AT: u64 = 8;
const GOID_AT: u64 = 152;
const STACK: u64 = STACK_HIGH - 0x400;
/// Where a span in a context has its identity.
const IN_SPAN: u64 = 96;
/// The layouts of the two copies.
const COPIES: [CopyConfig; 2] = [copy(32, 8, 16), copy(48, 120, 40)];
const SDK_KIND: u64 = 24;
const SDK_SCOPE: u64 = 56;
/// An instrumentation of what has spans of ours.
const WRAPPER: &str = "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp";
/// The layer of its operations, and an instrumentation of another one.
const LAYER: u32 = 4;
const OTHER_WRAPPER: &str = "github.com/XSAM/otelsql";
const OTHER_LAYER: u32 = 16;
/// Numbers of operations of tables.
const NO_CALL: u32 = 0;
const CALL: u32 = 1;
/// Where the program has the stand-ins, and the method that is theirs.
const FIRST: u64 = 0x7e00_0000;
const CODE: u64 = 0x7d00_0000;

const fn copy(identity: u32, sampled: u32, tracer_name: u32) -> CopyConfig {
    CopyConfig {
        identity: Setting::new(identity),
        sampled: Setting::new(sampled),
        tracer_name: Setting::new(tracer_name),
        padding: Setting::new(0),
    }
}

/// A span that is recorded.
fn span(number: u8) -> SpanIdentity {
    SpanIdentity { trace_id: [number; 16], span_id: [number; 8], trace_flags: 1, ..SpanIdentity::NONE }
}

/// A `trace.SpanContext`: a trace id, a span id, flags, a state, whether it came from elsewhere.
fn identity(number: u8, flags: u64, state: [u64; 3], remote: u64) -> [u64; 8] {
    let id = u64::from_ne_bytes([number; 8]);
    [id, id, id, flags, state[0], state[1], state[2], remote]
}

/// A program that calls the API on one goroutine.
struct Program<const STORES: bool = false> {
    process: FakeProcess<STORES>,
    config: OtelApiConfig,
    goroutine: u64,
}

impl<const STORES: bool> Program<STORES> {
    fn new() -> Self {
        let mut process = FakeProcess::of(layouts::GO_1_27);
        process.load_bias.set(BIAS);
        process.parents = ParentsConfig {
            span_key: Setting::new(KEY),
            wanted: Setting::new(1),
            has_frames: Setting::new(1),
            sdk_scope: Setting::new(u32::try_from(SDK_SCOPE).unwrap()),
            goid: Setting::new(u32::try_from(GOID_AT).unwrap()),
            stack_high: Setting::new(u32::try_from(STACK_HIGH_AT).unwrap()),
            ..process.parents
        };
        let [wrapper, other, ..] = &mut process.parents.wrappers;
        [*wrapper, *other] = [Wrapper::new(WRAPPER, LAYER), Wrapper::new(OTHER_WRAPPER, OTHER_LAYER)];
        let types = [(CANCEL, context_kind::HOLDS, 0), (VALUE, context_kind::VALUE, 0), (SPAN, context_kind::SPAN, IN_SPAN)];
        for (descriptor, kind, offset) in types {
            let offset = u32::try_from(offset).unwrap();
            process.context_types.insert(descriptor, ContextType { kind, offset, through: ABSENT, span_kind: 0 });
        }
        process.operations =
            [0, flag::IS_CLIENT].map(|flags| OperationRecipe { flags, layer: LAYER, ..OperationRecipe::default() }).to_vec();
        let config = OtelApiConfig {
            attribute_option: Setting::new(ATTRIBUTE_OPTION),
            timestamp_option: Setting::new(TIMESTAMP_OPTION),
            function_option: Setting::new(FUNCTION_OPTION),
            copies: COPIES,
            sdk_kind: Setting::new(u32::try_from(SDK_KIND).unwrap()),
            ..EMPTY_OTEL_API
        };
        let goroutine = process.goroutine_struct();
        process.memory.write_words(goroutine + STACK_HIGH_AT, &[STACK_HIGH]);
        process.memory.write_words(goroutine + GOID_AT, &[1]);
        Self { process, config, goroutine }
    }

    /// A probe is hit on the running goroutine.
    fn hit(&self, event: u32, arguments: &[u64]) -> Done {
        let registers = Registers { stack_pointer: STACK, ..Registers::calling(arguments, self.goroutine) };
        self.process.registers.set(registers);
        self.hit_there(event)
    }

    /// The same with the registers as they are.
    fn hit_there(&self, event: u32) -> Done {
        self.process.cookie.set(Cookie { event, recipe: 0 });
        if event & !event::SECOND < event::SET_ATTRIBUTES {
            any(&self.process, &self.config)
        } else {
            call(&self.process, &self.config)
        }
    }

    /// Words in memory of their own.
    fn words(&self, words: &[u64]) -> u64 {
        let address = self.process.memory.allocate(words.len() as u64 * 8);
        self.process.memory.write_words(address, words);
        address
    }

    /// A value of a type with this descriptor, as an interface.
    fn interface(&self, descriptor: u64, words: &[u64]) -> [u64; 2] {
        [self.words(&[0, descriptor]), self.words(words)]
    }

    /// A context that is made of another one.
    fn cancel(&self, [table, data]: [u64; 2]) -> [u64; 2] {
        self.interface(CANCEL, &[table, data])
    }

    /// A context that has a span of the API with this `trace.SpanContext`.
    fn with_span(&self, [table, data]: [u64; 2], identity: [u64; 8]) -> [u64; 2] {
        let value = self.process.memory.allocate(512);
        self.process.memory.write_words(value + IN_SPAN, &identity);
        self.interface(VALUE, &[table, data, KEY + BIAS, 0, SPAN, value])
    }

    /// A goroutine serves a request; its context.
    fn serve(&self, goroutine: u64, span: &SpanIdentity) -> [u64; 2] {
        let context = self.cancel([0, 0]);
        let served = self.process.goroutine_or_new(goroutine).unwrap();
        let operation = served.next().unwrap();
        operation.kind.set(operation_kind::HTTP1_SERVER);
        operation.span.set(span, goroutine);
        operation.object.set(context[1]);
        operation.is_reported.set(1);
        served.opened(0);
        self.process.remember_context(context[1], goroutine);
        context
    }

    /// Another goroutine serves a request.
    fn serve_elsewhere(&self, span: &SpanIdentity) -> [u64; 2] {
        self.serve(self.process.goroutine_struct(), span)
    }

    /// An operation of a table with these flags begins on the running goroutine, within those that are open there.
    fn open(&self, flags: u32, span: &SpanIdentity, object: u64) -> &frames::Frame {
        let goroutine = self.process.goroutine_or_new(self.goroutine).unwrap();
        let level = goroutine.frames();
        let operation = if flags & flag::IS_CLIENT == 0 { NO_CALL } else { CALL };
        let standing = Standing { address: self.goroutine, goid: 1, depth: 0x100 };
        let opening = Opening { level, operation, layer: LAYER, flags, time: 1, object };
        let opened = self.process.with_scratch(|scratch| {
            span.copy_to(&mut scratch.span);
            frames::open(&self.process, goroutine, &standing, &opening, scratch)
        });
        opened.unwrap();
        self.process.frame(frames::key(self.goroutine, level)).unwrap()
    }

    /// Lets spans stand in for ours.
    fn with_stand_ins(mut self) -> Self {
        let table = self.words(&[1, 2, 3, IS_RECORDING + BIAS, 5]);
        self.config.stand_in_table = Setting::new(table - BIAS);
        self.config.is_recording = Setting::new(IS_RECORDING);
        self.config.table_words = Setting::new(5);
        self.config.stand_in_identity = Setting::new(32);
        let place = &self.process.stand_ins[TABLE as usize];
        place.holder.set(CODE);
        place.made.set(FIRST);
        self
    }

    /// What was published for the running goroutine under this number since the last call.
    fn slot(&self, site: u32) -> Option<Slot> {
        let bucket = self.process.bucket(bucket(self.goroutine)).unwrap();
        let way = bucket.tags.iter().position(|tag| tag.get() == self.goroutine + u64::from(site))?;
        bucket.tags[way].set(0);
        // SAFETY: only this thread touches it.
        Some(*unsafe { bucket.slots[way].get() })
    }

    /// Whether all slots are free.
    fn is_idle(&self) -> bool {
        self.process.buckets.iter().flat_map(|bucket| &bucket.tags).all(|tag| tag.get() == 0)
    }

    /// What the program stores behind the probe, in order.
    fn commands(&self) -> Vec<(u64, Vec<u8>)> {
        let Some(slot) = self.slot(site::SPAN_STORES) else {
            return Vec::new();
        };
        // Behind the probe, the frame pointer has been pushed.
        assert_eq!(slot.meant_for[meant_for::DEPTH], STACK_HIGH - STACK + 8);
        commands(&slot)
    }

    /// The program does what it is told to.
    fn carry_out(&self) {
        for (address, bytes) in self.commands() {
            assert!(!STORES, "a probe stores itself");
            self.process.memory.write(address, &bytes);
        }
    }
}

/// The commands in a slot.
fn commands(slot: &Slot) -> Vec<(u64, Vec<u8>)> {
    let mut rest = &slot.words[..];
    let commands = (0..slot.length).map(|_| {
        let [address, length, behind @ ..] = rest else { panic!("no command") };
        let length = usize::try_from(*length).unwrap();
        let (words, behind) = behind.split_at(length.div_ceil(8));
        rest = behind;
        (*address, bytemuck::cast_slice::<_, u8>(words)[..length].to_vec())
    });
    commands.collect()
}

/// Words as they lie in memory.
fn bytes_of(words: &[u64]) -> Vec<u8> {
    bytemuck::cast_slice(words).to_vec()
}
