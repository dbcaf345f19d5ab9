//! The one seam between what a probe does and where it runs.
//!
//! In the kernel (`main.rs`) the trait is made of helpers and maps; in unit tests ([`fake`]) of a synthetic
//! memory image. Everything is inlined: the seam costs nothing.

#[cfg(any(test, feature = "fake"))]
pub mod fake;

use core::mem::MaybeUninit;

use bytemuck::AnyBitPattern;

use crate::config::http_client::{CLIENT_ENDS, HttpClientConfig};
use crate::config::parents::{ContextType, ParentsConfig};
use crate::config::{EndRecipes, HttpServerConfig, ROUTE_ENDS, SamplerSetting};
use crate::missed::Missed;
use crate::records::SpanIdentity;
use crate::slots::{Bucket, SLOT_WORDS};
use crate::trace::Goroutine;
use crate::trace::answered;
use crate::trace::client::Injection;
use crate::trace::extracted::Extracted;
use crate::trace::parents::{Creator, Sweep};
use crate::trace::sealed::Sealed;

/// The general-purpose registers that Go's internal ABI passes arguments in, at a probe.
///
/// amd64: <https://go.dev/s/regabi> (RAX RBX RCX RDI RSI R8…, R14 the goroutine, RDX a closure's context).
#[derive(Clone, Copy, Debug, Default)]
pub struct Registers {
    /// First to fifth integer argument: RAX, RBX, RCX, RDI, RSI.
    pub arguments: [u64; 5],
    /// R14: the running goroutine, `*runtime.g`.
    pub goroutine: u64,
}

/// All general-purpose registers at a probe.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllRegisters {
    /// As the processor numbers them. amd64: RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15; arm64: R0 to R15.
    pub integers: [u64; 16],
    /// RSP or SP.
    pub stack_pointer: u64,
    /// RFLAGS; not used on arm64.
    pub flags: u64,
}

/// The memory of the program under observation.
pub trait Memory {
    /// The value at `address`; `None` where nothing is mapped or resident.
    fn read<T: AnyBitPattern>(&self, address: u64) -> Option<T>;
    /// The value at `address`, or zero. `address` should be mapped: a fault costs a microsecond.
    fn read_or_zero<T: AnyBitPattern>(&self, address: u64) -> T;
    /// Fills the first `length` bytes of `words` from `address`; `length` is cut to their size. False where nothing is
    /// mapped or resident.
    fn read_prefix<const N: usize>(&self, address: u64, length: u32, words: &mut [u64; N]) -> bool;
    /// Fills `value` from `address`, without a copy; `None` where nothing is mapped or resident.
    fn read_into<'v, T: AnyBitPattern>(&self, address: u64, value: &'v mut MaybeUninit<T>) -> Option<&'v T>;
    /// Fills `bytes[..length]` from `address`; `length` is cut to their size. False where nothing could be read.
    fn read_bytes<const N: usize>(&self, address: u64, length: u32, bytes: &mut [u8; N]) -> bool;
    /// `value`, without the verifier knowing it: what it knows exactly, it follows separately for each value.
    fn opaque(&self, value: u64) -> u64;
}

/// What is remembered of contexts, and a loop that may look at it.
#[expect(clippy::mut_from_ref, reason = "what is handed out belongs to maps, not to the target")]
pub trait Lookup: Memory {
    /// The span of the request that is being served with the context at this address, which is its holder.
    fn context_span(&self, context: u64) -> Option<&Sealed>;
    /// A bucket of requests that have been answered.
    fn answered(&self, bucket: u32) -> Option<&mut answered::Bucket>;
    /// How to go on from a value of the type whose descriptor is at `address`.
    fn context_type(&self, address: u64) -> Option<&ContextType>;
    /// Calls [`Step::step`] until it returns false, at most `limit` times.
    fn repeat<S: Step>(&self, limit: u32, state: &mut S);
}

/// The body of a loop whose length is not known when the probe is verified.
pub trait Step {
    /// One turn; false ends the loop.
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool;
}

/// What is done to each goroutine of which something is remembered.
pub trait Visit {
    /// One of them.
    fn visit<T: Target>(target: &T, goroutine: &Goroutine);
}

/// What the program under observation and the kernel give to a probe.
#[expect(clippy::mut_from_ref, reason = "what is handed out belongs to maps and the ring buffer, not to the target")]
pub trait Target: Lookup {
    /// The registers at the probe.
    fn registers(&self) -> Registers;
    /// All registers at the probe, for what is not an argument.
    fn all_registers(&self) -> AllRegisters;
    /// Address in the process minus address in the program's file.
    fn load_bias(&self) -> u64;
    /// Which of the probe's sites was hit: one of [`crate::config::cookie`].
    fn cookie(&self) -> u64;
    /// The program's layouts.
    fn http_server(&self) -> &HttpServerConfig;
    /// The program's layouts for the client.
    fn http_client(&self) -> &HttpClientConfig;
    /// How the returns of `(*ServeMux).findHandler` are read.
    fn http_route_ends(&self) -> &EndRecipes<ROUTE_ENDS>;
    /// How the ends of a round trip are read.
    fn http_client_ends(&self) -> &EndRecipes<CLIENT_ENDS>;
    /// What finding a parent needs to know.
    fn parents(&self) -> &ParentsConfig;
    /// The sampler.
    fn sampler(&self) -> &SamplerSetting;

    /// Nanoseconds of `CLOCK_BOOTTIME`.
    fn now(&self) -> u64;
    /// 32 random bits.
    fn random(&self) -> u32;

    /// What is remembered of a goroutine, if it ever had an operation.
    fn goroutine(&self, address: u64) -> Option<&mut Goroutine>;
    /// The same; makes room for it where it had none. `None` where there is no room.
    fn goroutine_or_new(&self, address: u64) -> Option<&mut Goroutine>;

    /// Visits every goroutine of which something is remembered.
    fn each_goroutine<V: Visit>(&self);
    /// Counts a request whose route a mux has found; `in_request` says whether it is noted in the request as well, so that it
    /// would be known without the probe of the mux.
    fn count_route(&self, in_request: bool);

    /// Remembers the span of a request under the data pointer of its context.
    fn remember_context(&self, context: u64, span: &SpanIdentity);
    /// Forgets it.
    fn forget_context(&self, context: u64);
    /// What the goroutine at `address`, or an earlier one with the same `g`, has from its creator.
    fn creator(&self, address: u64) -> Option<&Creator>;
    /// Remembers what the goroutine at `address` has from its creator.
    fn set_creator(&self, address: u64, creator: &Creator);
    /// The state of the look for creators of goroutines that are no more.
    fn sweep(&self) -> Option<&mut Sweep>;
    /// Hands each creator to [`Sweep::look`], until that says to stop, and forgets what it says.
    fn each_creator(&self, sweep: &mut Sweep);

    /// Remembers what is to be injected into an outgoing request, by the address of its carrier, a header map.
    fn set_injection(&self, map: u64, injection: &Injection);
    /// What is to be injected into this carrier, if anything.
    fn injection(&self, map: u64) -> Option<&mut Injection>;
    /// Forgets it.
    fn forget_injection(&self, map: u64);
    /// Room for the texts of a request with this number, all zero; `None` where there is none.
    fn new_extracted(&self, key: u64) -> Option<&mut Extracted>;
    /// The texts with this number.
    fn extracted(&self, key: u64) -> Option<&Extracted>;
    /// Forgets them.
    fn forget_extracted(&self, key: u64);
    /// Copies `text[..length]` into `words` from the byte `at` on; both are cut so that they fit. Not zero where that failed.
    fn append<const N: usize>(&self, words: &mut [u64; SLOT_WORDS], at: u64, text: &[u8; N], length: u64) -> u64;
    /// A bucket of what the program is to write; `None` where nothing may be written.
    fn bucket(&self, number: u32) -> Option<&mut Bucket>;
    /// Makes the tag `new` if it is `old`, at once; false where it was something else.
    fn swap_tag(&self, tag: &mut u64, old: u64, new: u64) -> bool;

    /// Counts what nothing came of.
    fn count(&self, missed: Missed);
    /// Room for one record, not zeroed. An error where the ring buffer is full.
    ///
    /// The record must be given to [`Target::submit`] or [`Target::discard`] on every path.
    fn reserve<R: 'static>(&self) -> Result<&mut R, Missed>;
    /// Hands a reserved record to the launcher. `look` says whether to look if the launcher must be woken: now and
    /// then is enough.
    fn submit<R: 'static>(&self, record: &mut R, look: bool);
    /// Drops a reserved record.
    fn discard<R: 'static>(&self, record: &mut R);
}
