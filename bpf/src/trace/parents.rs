//! Whose child a new span is: found through the `context.Context` of the operation, else through the goroutine that it
//! runs on, else through the goroutine that created that one.
//!
//! match-go: 1.18..: runtime.runqput(pp, gp, next)

use crate::config::ABSENT;
use crate::config::parents::{ContextType, ParentsConfig, context_kind};
use crate::missed::{Done, Missed};
use crate::records::SpanIdentity;
use crate::target::{Lookup, Memory, Registers, Step, Target};
use crate::trace::sealed::{self, Sealed};
use crate::trace::{Goroutine, answered};

/// Contexts within contexts that are looked at, at most.
const MAX_CONTEXTS: u32 = 64;
/// `_Gdead` (`runtime/runtime2.go`).
const DEAD: u32 = 6;

/// What a goroutine has from the one that created it.
#[repr(C)]
#[derive(bytemuck::Pod, bytemuck::Zeroable, Clone, Copy, Debug)]
pub struct Creator {
    /// `g.goid` of the goroutine: its `g` is used for another one later.
    pub goid: u64,
    /// The span that was active when it was created.
    pub span: SpanIdentity,
    /// That it is this goroutine's ([`sealed`]): the holder is the `goid`.
    pub seal: u64,
}

/// None.
const NO_CREATOR: Creator = Creator { goid: 0, span: SpanIdentity::NONE, seal: 0 };

/// The way up from a context, and the parent found. It stands in a BPF map, whose contents the verifier does not follow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ParentSearch {
    /// The context: address of its itab.
    table: u64,
    /// The context: its data pointer.
    data: u64,
    /// 1 where there is a parent.
    pub found: u64,
    /// 1 where the way has led through the context of a server's connection: that of the request was not known.
    from_server: u64,
    /// The parent.
    pub parent: SpanIdentity,
}

/// No parent.
pub const NO_SEARCH: ParentSearch = ParentSearch { table: 0, data: 0, found: 0, from_server: 0, parent: SpanIdentity::NONE };

/// Finds the parent of an operation that begins on the goroutine at `address` with the context whose interface value is
/// `context`, and notes it in [`Goroutine::search`].
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn find<T: Target>(target: &T, goroutine: &mut Goroutine, address: u64, context: [u64; 2]) {
    let Goroutine { span, open, context: served, search, .. } = goroutine;
    [search.table, search.data] = context;
    search.found = target.opaque(0);
    search.from_server = target.opaque(0);
    // Most requests are made with the context of the request that is being served.
    if *open == 0 || *served != search.data || *served == 0 {
        target.repeat(MAX_CONTEXTS, &mut ContextWalk { config: target.parents(), load_bias: target.load_bias(), search });
        if search.found != 0 {
            return;
        }
        if *open == 0 {
            search.found = u64::from(creator(target, address, &mut search.parent));
            if search.from_server > search.found {
                target.count(Missed::ContextForgotten);
            }
            return;
        }
    }
    search.take(span);
}

impl ParentSearch {
    #[inline(always)]
    fn take(&mut self, span: &SpanIdentity) {
        span.copy_to(&mut self.parent);
        self.found = 1;
    }
}

/// The loop from a context to the ones it was made of.
struct ContextWalk<'a> {
    config: &'a ParentsConfig,
    load_bias: u64,
    search: &'a mut ParentSearch,
}

impl Step for ContextWalk<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        let Self { config, load_bias, search } = self;
        if search.is_served(lookup) {
            return false;
        }
        if search.table == 0 || search.data == 0 {
            return false;
        }
        // `itab.Type` (`internal/abi.ITab`).
        let Some(context) = lookup.context_type(lookup.read_or_zero(search.table.wrapping_add(8))) else {
            return false;
        };
        let mut at = search.data.wrapping_add(context.offset.into());
        if context.through != ABSENT {
            at = lookup.read_or_zero::<u64>(at).wrapping_add(context.through.into());
        }
        if context.kind != context_kind::VALUE {
            [search.table, search.data] = lookup.read_or_zero(at);
            return true;
        }
        let [table, data, key, _, value_type, value]: [u64; 6] = lookup.read_or_zero(at);
        [search.table, search.data] = [table, data];
        // `http.ServerContextKey` and `http.LocalAddrContextKey` are of this type.
        if config.server_key.get() != 0 && key == config.server_key.get().wrapping_add(*load_bias) {
            search.from_server = 1;
        }
        let key_type = config.span_key.get();
        if key_type == 0 || key != key_type.wrapping_add(*load_bias) {
            return true;
        }
        match lookup.context_type(value_type) {
            Some(span) if span.kind == context_kind::SPAN => !search.take_sdk_span(lookup, span, value),
            Some(_) | None => true,
        }
    }
}

impl ParentSearch {
    /// Takes the span of the request whose context this is, if it is one's.
    #[inline(always)]
    fn is_served<L: Lookup>(&mut self, lookup: &L) -> bool {
        let is_found = match lookup.context_span(self.data) {
            Some(Sealed { span, seal }) => sealed::copy_of(span, seal, self.data, &mut self.parent),
            None => answered::find(lookup, self.data, &mut self.parent),
        };
        if is_found {
            self.found = 1;
        }
        is_found
    }

    /// Takes a span of the OpenTelemetry API as the parent. False where it is not one of this process, or none at all.
    ///
    /// `trace.SpanContext` (`go.opentelemetry.io/otel/trace/trace.go`): trace id, span id, flags, trace state, remote; the
    /// launcher has compared the offsets.
    #[inline(always)]
    fn take_sdk_span<L: Lookup>(&mut self, lookup: &L, span: &ContextType, address: u64) -> bool {
        let words: [u64; 8] = lookup.read_or_zero(address.wrapping_add(span.offset.into()));
        let [trace, trace_end, id, flags, _, _, _, remote] = words;
        if id == 0 || remote & 0xff != 0 {
            return false;
        }
        let words: [u64; 5] = [trace, trace_end, id, lookup.opaque(0), flags & 0xff];
        self.take(bytemuck::cast_ref(&words));
        true
    }
}

/// Copies the span under which the goroutine at `address` was created; false where there was none.
#[inline(always)]
fn creator<T: Target>(target: &T, address: u64, span: &mut SpanIdentity) -> bool {
    let Some(creator) = target.creator(address) else {
        return false;
    };
    sealed::copy_of(&creator.span, &creator.seal, goid(target, target.parents(), address), span)
}

#[inline(always)]
fn goid<M: Memory>(memory: &M, config: &ParentsConfig, goroutine: u64) -> u64 {
    memory.read_or_zero(goroutine + u64::from(config.goid.get()))
}

/// `go` has created a goroutine, which is about to be put into a queue: it belongs to what its creator is doing.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn created<T: Target>(target: &T) -> Done {
    let config = target.parents();
    let Registers { arguments: [_, new, ..], goroutine: g0 } = target.registers();
    // The runtime creates goroutines on the thread's own stack, as the goroutine `g0`; `m.curg` is the creator.
    let thread: u64 = target.read_or_zero(g0 + u64::from(config.g_m.get()));
    let creator_g: u64 = target.read_or_zero(thread + u64::from(config.m_curg.get()));
    let mut creator = NO_CREATOR;
    let is_found = match target.goroutine(creator_g) {
        Some(goroutine) if goroutine.open != 0 => sealed::copy_of(&goroutine.span, &goroutine.seal, creator_g, &mut creator.span),
        Some(_) | None => self::creator(target, creator_g, &mut creator.span),
    };
    if !is_found {
        return Err(Missed::NothingToDo);
    }
    creator.goid = goid(target, config, new);
    creator.seal = sealed::seal(&creator.span, creator.goid);
    target.set_creator(new, &creator);
    if let Some(sweep) = target.sweep() {
        sweep.any = 1;
    }
    Ok(())
}

/// How often creators are looked at, in nanoseconds.
const INTERVAL: u64 = 1_000_000_000;
/// How many of them, at most: each costs two reads of the program's memory.
const MOST: u64 = 256;

/// The look for creators of goroutines that are no more: once a second, a part of them at a time, each time the next part.
///
/// It stands in a map, whose contents the verifier does not follow. What two processors do to it at the same time does no harm:
/// both look, or one looks at less.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// When it was looked last.
    last: u64,
    /// 1 where there may be something to look at.
    any: u64,
    /// How many at the beginning have been looked at before.
    skip: u64,
    /// How many were passed over, this time.
    passed: u64,
    /// How many have been looked at, this time.
    looked: u64,
    /// How many of these are no more.
    over: u64,
}

/// None yet.
pub const NOT_SWEEPING: Sweep = Sweep { last: 0, any: 0, skip: 0, passed: 0, looked: 0, over: 0 };

/// What becomes of a creator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It stays.
    Keep,
    /// It is forgotten.
    Forget,
    /// It stays, and nothing more is looked at.
    Stop,
}

/// Forgets creators of goroutines that are no more, now and then. They are harmless (a `goid` is never given twice), but fill the
/// map.
#[inline(always)]
pub fn sweep<T: Target>(target: &T, now: u64) {
    let Some(sweep) = target.sweep() else {
        return;
    };
    if sweep.any == 0 || now.wrapping_sub(sweep.last) < INTERVAL {
        return;
    }
    sweep.last = now;
    sweep.passed = target.opaque(0);
    sweep.looked = target.opaque(0);
    sweep.over = target.opaque(0);
    target.each_creator(sweep);
    if sweep.looked < MOST {
        // To the end: it begins anew, if there is anything left.
        sweep.any = u64::from(sweep.skip + sweep.looked != sweep.over);
        sweep.skip = target.opaque(0);
    } else {
        sweep.skip += sweep.looked - sweep.over;
    }
}

impl Sweep {
    /// Looks at the creator of the goroutine at `address`.
    #[inline(always)]
    pub fn look<M: Memory>(&mut self, memory: &M, config: &ParentsConfig, address: u64, creator: &Creator) -> Look {
        if self.passed < self.skip {
            self.passed += 1;
            return Look::Keep;
        }
        if self.looked >= MOST {
            return Look::Stop;
        }
        self.looked += 1;
        let status: u32 = memory.read_or_zero(address + u64::from(config.status.get()));
        if status == DEAD || goid(memory, config, address) != creator.goid {
            self.over += 1;
            return Look::Forget;
        }
        Look::Keep
    }
}

#[cfg(test)]
mod tests;
