//! Whose child a new span is: found through the `context.Context` of the operation, else through the goroutine that it
//! runs on, else through the goroutine that created that one.
//!
//! match-go: 1.18..: runtime.runqput(pp, gp, next)

use crate::config::ABSENT;
use crate::config::parents::{ContextType, ParentsConfig, context_kind};
use crate::records::SpanIdentity;
use crate::target::{Lookup, Memory, Registers, Step, Target};
use crate::trace::Goroutine;

/// Contexts within contexts that are looked at, at most.
const MAX_CONTEXTS: u32 = 64;
/// `_Gdead` (`runtime/runtime2.go`).
const DEAD: u32 = 6;

/// What a goroutine has from the one that created it.
#[repr(C)]
#[derive(bytemuck::Pod, bytemuck::Zeroable, Clone, Copy, Debug)]
pub struct Origin {
    /// `g.goid` of the goroutine: its `g` is used for another one later.
    pub goid: u64,
    /// The span that was active when it was created.
    pub span: SpanIdentity,
}

/// The way up from a context, and the parent found. It stands in a BPF map, whose contents the verifier does not follow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Ancestry {
    /// The context: address of its itab.
    table: u64,
    /// The context: its data pointer.
    data: u64,
    /// 1 where there is a parent.
    pub found: u64,
    /// The parent.
    pub parent: SpanIdentity,
}

/// No parent.
pub const NO_ANCESTRY: Ancestry = Ancestry { table: 0, data: 0, found: 0, parent: SpanIdentity::NONE };

/// Finds the parent of an operation that begins on the goroutine at `address` with the context whose interface value is
/// `context`, and notes it in [`Goroutine::ancestry`].
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn find<T: Target>(target: &T, goroutine: &mut Goroutine, address: u64, context: [u64; 2]) {
    let Goroutine { span, open, context: served, ancestry, .. } = goroutine;
    [ancestry.table, ancestry.data] = context;
    ancestry.found = target.opaque(0);
    // Most requests are made with the context of the request that is being served.
    if *open == 0 || *served != ancestry.data || *served == 0 {
        target.repeat(MAX_CONTEXTS, &mut Climb { config: target.parents(), load_bias: target.load_bias(), ancestry });
        if ancestry.found != 0 {
            return;
        }
        if *open == 0 {
            if let Some(origin) = origin(target, address) {
                ancestry.take(origin);
            }
            return;
        }
    }
    ancestry.take(span);
}

impl Ancestry {
    #[inline(always)]
    fn take(&mut self, span: &SpanIdentity) {
        span.copy_to(&mut self.parent);
        self.found = 1;
    }
}

/// The loop from a context to the ones it was made of.
struct Climb<'a> {
    config: &'a ParentsConfig,
    load_bias: u64,
    ancestry: &'a mut Ancestry,
}

impl Step for Climb<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        let Self { config, load_bias, ancestry } = self;
        if let Some(span) = lookup.context_span(ancestry.data) {
            ancestry.take(span);
            return false;
        }
        if ancestry.table == 0 || ancestry.data == 0 {
            return false;
        }
        // `itab.Type` (`internal/abi.ITab`).
        let Some(context) = lookup.context_type(lookup.read_or_zero(ancestry.table.wrapping_add(8))) else {
            return false;
        };
        let mut at = ancestry.data.wrapping_add(context.offset.into());
        if context.through != ABSENT {
            at = lookup.read_or_zero::<u64>(at).wrapping_add(context.through.into());
        }
        if context.kind != context_kind::VALUE {
            [ancestry.table, ancestry.data] = lookup.read_or_zero(at);
            return true;
        }
        let [table, data, key, _, value_type, value]: [u64; 6] = lookup.read_or_zero(at);
        [ancestry.table, ancestry.data] = [table, data];
        let key_type = config.span_key.get();
        if key_type == 0 || key != key_type.wrapping_add(*load_bias) {
            return true;
        }
        match lookup.context_type(value_type) {
            Some(span) if span.kind == context_kind::SPAN => !ancestry.take_sdk_span(lookup, span, value),
            Some(_) | None => true,
        }
    }
}

impl Ancestry {
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

/// The span under which the goroutine at `address` was created.
#[inline(always)]
fn origin<T: Target>(target: &T, address: u64) -> Option<&SpanIdentity> {
    let origin = target.origin(address)?;
    (origin.goid == goid(target, target.parents(), address)).then_some(&origin.span)
}

#[inline(always)]
fn goid<M: Memory>(memory: &M, config: &ParentsConfig, goroutine: u64) -> u64 {
    memory.read_or_zero(goroutine + u64::from(config.goid.get()))
}

/// `go` has created a goroutine, which is about to be put into a queue: it belongs to what its creator is doing.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn created<T: Target>(target: &T) -> Option<()> {
    let config = target.parents();
    let Registers { arguments: [_, new, ..], goroutine: g0 } = target.registers();
    // The runtime creates goroutines on the thread's own stack, as the goroutine `g0`; `m.curg` is the creator.
    let thread: u64 = target.read_or_zero(g0 + u64::from(config.g_m.get()));
    let creator: u64 = target.read_or_zero(thread + u64::from(config.m_curg.get()));
    let span = match target.goroutine(creator) {
        Some(goroutine) if goroutine.open != 0 => &goroutine.span,
        Some(_) | None => origin(target, creator)?,
    };
    target.set_origin(new, goid(target, config, new), span);
    Some(())
}

/// Whether the goroutine at `address` that has this origin is no more.
#[inline(always)]
pub fn is_over<M: Memory>(memory: &M, config: &ParentsConfig, address: u64, origin: &Origin) -> bool {
    let status: u32 = memory.read_or_zero(address + u64::from(config.status.get()));
    status == DEAD || goid(memory, config, address) != origin.goid
}

#[cfg(test)]
mod tests;
