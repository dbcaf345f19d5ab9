//! What the probes remember between hits, in the program's own private memory: nobody else reads it.
//!
//! It is zero at first, and takes memory where it is touched only.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bpf::instrumentations::operations::OpenObject;
use bpf::scratch::Scratch;
use bpf::shared::{Shared, Taken};
use bpf::trace::answered;
use bpf::trace::creators::Sweep;
use bpf::trace::extracted::Extracted;
use bpf::trace::frames::Frame;
use bpf::trace::goroutine::Goroutine;
use bpf::trace::injection::Injection;
use bpf::trace::sealed::SealedSpan;
use bpf::trace::stand_in::{STAND_INS, StandIn};
use bpf::trace::waiting;

use crate::near::NearTable;
use crate::table::{ANYWHERE, Table};

/// Probes that may run at once: on so many threads.
pub const PLACES: usize = 256;

/// Memory for one probe, and whether somebody has it.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Place {
    /// 1 where it is taken.
    pub taken: AtomicU64,
    /// The memory.
    pub scratch: Taken<Scratch>,
}

/// Calls of the kernel's function for the time that may be under way at once; of more, signals do not know.
pub const CALLS: usize = 64;

/// A call of the kernel's function, while it is under way: by its stack pointer a signal that arrives in there finds the hit.
#[repr(C)]
#[derive(Debug)]
pub struct Call {
    /// The stack pointer at the call; 0 where there is none, and [`Call::TAKEN`] while it is noted.
    pub stack_pointer: AtomicU64,
    /// The address of the hit's frame.
    pub frame: AtomicU64,
}

impl Call {
    /// No stack is there.
    pub const TAKEN: u64 = 1;
    /// The kernel's function takes less of the stack.
    pub const STACK: u64 = 1_024;

    /// Whether this call is under way on the stack with this pointer.
    #[must_use]
    #[inline(always)]
    pub fn is_at(&self, stack_pointer: u64) -> bool {
        let begin = self.stack_pointer.load(Ordering::Acquire);
        begin > Self::TAKEN && begin.wrapping_sub(stack_pointer) < Self::STACK
    }
}

/// What is remembered.
#[repr(C, align(4096))]
#[derive(Debug)]
pub struct State {
    /// First, in a page of its own that is zero in a process that is forked ([`ENABLED_BYTES`]).
    pub enabled: Enabled,
    /// Counted up for each seed of random numbers.
    pub seeds: AtomicU64,
    /// The state of the look for creators of goroutines that are no more.
    pub sweep: Sweep,
    /// Memory for probes.
    pub places: [Place; PLACES],
    /// Calls of the kernel's function.
    pub calls: [Call; CALLS],
    /// What is remembered of goroutines, by the address of the `g`; those that lie side by side (384 to 512 bytes each) share a bucket.
    pub goroutines: Table<Goroutine, 32_768, 10>,
    /// Open operations of tables, by goroutine and level.
    pub frames: Table<Frame, 8_192, 9>,
    /// The goroutines that serve requests, by the data pointers of the requests' contexts.
    pub contexts: NearTable<Shared<u64>, 32_768>,
    /// The spans under which goroutines were created.
    pub creators: Table<SealedSpan, 32_768, 10>,
    /// Operations that go on until an object ends, by its address.
    pub objects: NearTable<OpenObject, 4_096>,
    /// When what is known of an object was captured, by its address.
    pub known: Table<Shared<u64>, 256, ANYWHERE>,
    /// What is to be injected into outgoing requests, by the address of the header map, or of the array of header fields; and for whom a
    /// `*bufio.Writer` writes a header with what a proxy has copied, by its address.
    pub injections: NearTable<Injection, 2_048>,
    /// The texts that came with requests, by the id of the span.
    pub extracted: NearTable<Extracted, 512>,
    /// How many requests of a header map wait.
    pub waiting: [Shared<u64>; waiting::WORDS as usize],
    /// What stands in for spans of ours.
    pub stand_ins: [StandIn; STAND_INS as usize + 1],
    /// The spans of requests that have been answered.
    pub answered: [answered::Bucket; answered::BUCKETS as usize],
}

/// Bytes of the first part.
pub const ENABLED_BYTES: usize = 4_096;

/// Whether probes do anything in this process.
#[repr(C, align(4096))]
#[derive(Debug)]
pub struct Enabled {
    /// 1 where they do.
    pub is_enabled: AtomicU32,
    /// Defects that were caught.
    pub caught: AtomicU32,
}

const _: () = assert!(size_of::<Enabled>() == ENABLED_BYTES);
