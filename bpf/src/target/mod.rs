//! The one seam between what a probe does and where it runs.
//!
//! In the kernel (`main.rs`) the trait is made of helpers and maps; in unit tests ([`fake`]) of a synthetic
//! memory image. Everything is inlined: the seam costs nothing. It knows no library: a body gets the layouts that it reads by.

#[cfg(any(test, feature = "fake"))]
pub mod fake;

use core::mem::MaybeUninit;

use bytemuck::AnyBitPattern;

use crate::config::operations::{OperationRecipe, RecipeStep, Steps};
use crate::config::parents::{ContextType, ParentsConfig};
use crate::config::{Cookie, EndRecipe, Propagators, Settings};
use crate::go::abi::Registers;
use crate::go::string::GoString;
use crate::instrumentations::operations::OpenObject;
use crate::instrumentations::otel_api;
use crate::missed::{Done, Missed};
use crate::records::RecordBuffer;
use crate::scratch::Scratch;
use crate::shared::Shared;
use crate::slots::{Bucket, SLOT_WORDS};
use crate::trace::creators::Sweep;
use crate::trace::extracted::Extracted;
use crate::trace::frames::Frame;
use crate::trace::goroutine::Goroutine;
use crate::trace::injection::Injection;
use crate::trace::sealed::SealedSpan;
use crate::trace::stand_in::StandIn;
use crate::trace::wrapped;
use crate::trace::{answered, baggage};

/// The memory of the process under observation.
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
    /// Reads `length` bytes (at most [`crate::records::MAX_TEXT`]) behind what a record holds already. False where nothing could be
    /// read.
    fn read_text(&self, address: u64, length: u32, record: &mut RecordBuffer) -> bool;
    /// `value`, without the verifier knowing it: what it knows exactly, it follows separately for each value.
    fn opaque(&self, value: u64) -> u64;
}

/// What is remembered of goroutines and contexts, and a loop that may look at it.
pub trait Lookup: Memory {
    /// What is remembered of a goroutine, if it ever had an operation.
    fn goroutine(&self, address: u64) -> Option<&Goroutine>;
    /// The goroutine that serves the request with the context at this address.
    fn context_goroutine(&self, context: u64) -> Option<u64>;
    /// A bucket of requests that have been answered.
    fn answered(&self, bucket: u32) -> Option<&answered::Bucket>;
    /// How to go on from a value of the type whose descriptor is at `address`.
    fn context_type(&self, address: u64) -> Option<&ContextType>;
    /// A step of a recipe of an operation, by its number.
    fn recipe_step(&self, number: u32) -> Option<&RecipeStep>;
    /// Whether what is known by this key was captured a short time ago ([`crate::config::operations::KNOWN_FOR`]). From `time` on it is.
    fn is_known(&self, key: u64, time: u64) -> bool;
    /// An open operation of a table, by [`crate::trace::frames::key`].
    fn frame(&self, key: u64) -> Option<&Frame>;
    /// What stands in for a span of ours, by its number; `None` where nothing does.
    fn stand_in(&self, number: u32) -> Option<&StandIn>;
    /// Remembers the texts of a request under this number.
    fn set_extracted(&self, key: u64, extracted: &Extracted);
    /// The texts with this number; once they are copied, [`Extracted::is_of`] says whether they still were.
    fn extracted(&self, key: u64) -> Option<&Extracted>;
    /// Forgets them.
    fn forget_extracted(&self, key: u64);
    /// Hands a record to the launcher. `look` says whether to look if the launcher must be woken: now and then is enough. An error
    /// where the ring buffer is full.
    fn output(&self, record: &RecordBuffer, look: bool) -> Done;
    /// Appends a text to a record: [`otel_api::append`].
    #[inline(always)]
    fn append_item(&self, number: u16, string: GoString, record: &mut RecordBuffer)
    where
        Self: Sized,
    {
        otel_api::append(self, number, string, record);
    }
    /// Appends attributes to a record: [`otel_api::attributes`].
    #[inline(always)]
    fn append_attributes(&self, array: u64, count: u64, record: &mut RecordBuffer)
    where
        Self: Sized,
    {
        otel_api::attributes(self, array, count, record);
    }
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
    fn visit<T: Target>(&self, target: &T, goroutine: &Goroutine);
}

/// What the process under observation and the engine give to a probe.
pub trait Target: Lookup {
    /// Whether a probe writes into the process's memory itself ([`Self::store`]). Else the process does, by way of slots ([`crate::slots`]).
    const STORES: bool = false;
    /// The registers at the probe.
    fn registers(&self) -> Registers;
    /// Address in the process minus address in its file.
    fn load_bias(&self) -> u64;
    /// Which of the probe's sites was hit.
    fn cookie(&self) -> Cookie;
    /// How the end of a function is read, by the number in the cookie of its site.
    fn recipe(&self, number: u32) -> Option<&EndRecipe>;
    /// How an operation of a table is captured, by the number in the cookie.
    fn operation(&self, number: u32) -> Option<&OperationRecipe>;
    /// What finding a parent needs to know.
    fn parents(&self) -> &ParentsConfig;
    /// Which headers are extracted and injected.
    fn propagators(&self) -> &Propagators;
    /// The sampler, and what is switched off.
    fn settings(&self) -> &Settings;

    /// Nanoseconds of `CLOCK_BOOTTIME`.
    fn now(&self) -> u64;
    /// 32 random bits.
    fn random(&self) -> u32;
    /// Does `work` with memory that is nobody else's meanwhile. An error where there is none.
    fn with_scratch(&self, work: impl FnOnce(&mut Scratch) -> Done) -> Done;

    /// Follows a recipe of an operation: [`crate::instrumentations::operations::follow`].
    fn follow(&self, steps: Steps, scratch: &mut Scratch);
    /// What is remembered of a goroutine; makes room for it where it had none. `None` where there is no room.
    fn goroutine_or_new(&self, address: u64) -> Option<&Goroutine>;
    /// The memory of an open operation of a table; makes room for it where there is none. `None` where there is no room.
    fn frame_or_new(&self, key: u64) -> Option<&Frame>;
    /// The operation that goes on until the object at `address` ends.
    fn object(&self, address: u64) -> Option<&OpenObject>;
    /// Remembers it.
    fn set_object(&self, address: u64, operation: &OpenObject);
    /// Forgets it.
    fn forget_object(&self, address: u64);
    /// Forgets that what is known by this key was captured ([`Lookup::is_known`]).
    fn forget_known(&self, key: u64);
    /// Visits every goroutine of which something is remembered.
    fn each_goroutine<V: Visit>(&self, visit: &V);
    /// Counts a request whose route a mux has found; `in_request` says whether it is noted in the request as well, so that it
    /// would be known without the probe of the mux.
    fn count_route(&self, in_request: bool);

    /// Remembers which goroutine serves the request with this context, by its data pointer.
    fn remember_context(&self, context: u64, goroutine: u64);
    /// Forgets it.
    fn forget_context(&self, context: u64);
    /// The span under which the goroutine at `address`, or an earlier one with the same `g`, was created. The holder is the `goid`.
    fn creator(&self, address: u64) -> Option<&SealedSpan>;
    /// Remembers the span under which the goroutine at `address` is created.
    fn set_creator(&self, address: u64, creator: &SealedSpan);
    /// The state of the look for creators of goroutines that are no more.
    fn sweep(&self) -> Option<&Sweep>;
    /// Hands each creator to [`Sweep::look`], until that says to stop, and forgets what it says.
    fn each_creator(&self, sweep: &Sweep);

    /// Remembers what is to be injected into an outgoing request, by an address ([`Injection`]).
    fn set_injection(&self, address: u64, injection: &Injection);
    /// What is to be injected at this address, if anything.
    fn injection(&self, address: u64) -> Option<&Injection>;
    /// Forgets it.
    fn forget_injection(&self, address: u64);
    /// The word with this number of header maps whose requests wait ([`crate::trace::waiting`]).
    fn waiting(&self, number: u32) -> Option<&Shared<u64>>;
    /// Copies `text[..length]` into `words` from the byte `at` on; both are cut so that they fit. Not zero where that failed.
    fn append<const N: usize>(&self, words: &mut [u64; SLOT_WORDS], at: u64, text: &[u8; N], length: u64) -> u64;
    /// Copies the first bytes of a record to `text`.
    fn take_text<const N: usize>(&self, record: &RecordBuffer, text: &mut [u8; N]);
    /// A bucket of what the process is to write; `None` where nothing may be written.
    fn bucket(&self, number: u32) -> Option<&Bucket>;
    /// Makes the tag `new` if it is `old`, at once; false where it was something else.
    fn swap_tag(&self, tag: &Shared<u64>, old: u64, new: u64) -> bool;

    /// Writes `bytes` to the process's memory; false where that is not possible.
    #[inline(always)]
    fn store(&self, _address: u64, _bytes: &[u8]) -> bool {
        false
    }

    /// Of which layers the operations are that an instrumentation with this name makes spans of: [`wrapped::layers_of`].
    #[inline(always)]
    fn wrapped_layers(&self, name: GoString) -> u32
    where
        Self: Sized,
    {
        wrapped::layers_of(self, self.parents(), name)
    }

    /// Whether an instrumentation with this name makes spans of what has spans of ours.
    #[inline(always)]
    fn is_wrapper(&self, name: GoString) -> bool
    where
        Self: Sized,
    {
        self.wrapped_layers(name) != 0
    }
    /// [`baggage::find`].
    #[inline(always)]
    fn find_baggage(&self, scratch: &mut Scratch, context: [u64; 2])
    where
        Self: Sized,
    {
        baggage::find(self, self.parents(), self.load_bias(), scratch, context);
    }
    /// [`baggage::remember`].
    #[inline(always)]
    fn remember_baggage(&self, scratch: &mut Scratch)
    where
        Self: Sized,
    {
        baggage::remember(self, self.parents(), scratch);
    }
    /// [`baggage::forget`].
    #[inline(always)]
    fn forget_baggage(&self, span_id: [u8; 8], texts: u64)
    where
        Self: Sized,
    {
        baggage::forget(self, span_id, texts);
    }
    /// Where the program has the code of the method that stand-ins have of their own (0: nowhere), and the first of them; `table` is
    /// [`stand_in::TABLE`](crate::trace::stand_in::TABLE).
    fn stand_ins_at(&self, table: &StandIn) -> Option<[u64; 2]>;
    /// Makes the function whose start was hit return at once: these two words; or, where `function` is not 0, makes it that function, called
    /// with them. Only where a probe writes itself ([`Self::STORES`]).
    #[inline(always)]
    fn leave(&self, _words: [u64; 2], _function: u64) {}

    /// Counts what nothing came of.
    fn count(&self, missed: Missed);
    /// Counts an operation of this [`crate::trace::operation::kind`] that was not sampled and took `duration` nanoseconds.
    fn count_unsampled(&self, kind: u32, duration: u64);
}
