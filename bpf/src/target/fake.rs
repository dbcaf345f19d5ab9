//! A synthetic Go program for unit tests: pages of memory, registers, and what the probes have reported, as bytes.
//!
//! [`go`] builds Go values in it, [`maps`] maps, [`layouts`] says how the releases of Go lay them out. Each
//! value has a page of its own, so that a test can take any of them away.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "only tests use it: they panic rather than return errors")]

pub mod go;
pub mod layouts;
pub mod maps;
mod pages;
mod remembered;
mod target;

pub use pages::{PAGE, Pages};
pub use remembered::Remembered;

use core::cell::{Cell, RefCell, UnsafeCell};
use core::mem::{MaybeUninit, size_of};
use std::collections::BTreeMap;

use bytemuck::AnyBitPattern;

use crate::config::http_client::{CLIENT_ENDS, EMPTY_HTTP_CLIENT, HttpClientConfig};
use crate::config::parents::{ContextType, EMPTY_PARENTS, ParentsConfig};
use crate::config::{EndRecipes, HttpServerConfig, ROUTE_ENDS, SamplerSetting, Setting};
use crate::missed::Missed;
use crate::records::SpanIdentity;
use crate::slots::{BUCKETS, Bucket, SLOT_WORDS};
use crate::target::{AllRegisters, Lookup, Memory, Registers, Step, Target, Visit};
use crate::trace::answered;
use crate::trace::client::Injection;
use crate::trace::extracted::{Extracted, NOTHING_EXTRACTED};
use crate::trace::parents::{Creator, Look, NOT_SWEEPING, Sweep};
use crate::trace::sealed::Sealed;
use crate::trace::{Goroutine, NEW_GOROUTINE};

/// Fills records before a probe does: what a probe has not written shows.
pub const UNWRITTEN: u8 = 0xa5;
/// A stopped program at a probe.
#[derive(Debug)]
pub struct FakeProcess {
    /// Its memory.
    pub memory: Pages,
    /// How its types are laid out.
    pub layout: HttpServerConfig,
    /// How the types of its client are laid out.
    pub client: HttpClientConfig,
    /// How the returns of its `(*ServeMux).findHandler` are read.
    pub route_ends: Box<EndRecipes<ROUTE_ENDS>>,
    /// Routes that were found by the mux alone, and those that the request had as well.
    pub routes: [Cell<u64>; 2],
    /// How the ends of its round trips are read.
    pub client_ends: Box<EndRecipes<CLIENT_ENDS>>,
    /// What finding a parent needs to know.
    pub parents: ParentsConfig,
    /// The types of contexts, by descriptor.
    pub context_types: BTreeMap<u64, ContextType>,
    /// The spans of requests, by context.
    pub contexts: Remembered<Sealed>,
    /// The spans of requests that have been answered.
    pub answered: Vec<UnsafeCell<answered::Bucket>>,
    /// The look for creators of goroutines that are no more.
    pub sweep: UnsafeCell<Sweep>,
    /// What goroutines have from their creators.
    pub creators: Remembered<Creator>,
    /// What is to be injected into outgoing requests, by header map.
    pub injections: Remembered<Injection>,
    /// The texts that came with requests, by span id.
    pub extracted: Remembered<Extracted>,
    /// What it is to write.
    pub buckets: Vec<UnsafeCell<Bucket>>,
    /// The sampler; takes everything and honours parents at first.
    pub sampler: SamplerSetting,
    /// The registers at the probe.
    pub registers: Cell<Registers>,
    /// All of them, where a probe asks for that.
    pub all_registers: Cell<AllRegisters>,
    /// The load bias.
    pub load_bias: Cell<u64>,
    /// The cookie of the probe.
    pub cookie: Cell<u32>,
    /// What the clock says.
    pub now: Cell<u64>,
    /// No room for records.
    pub ring_is_full: Cell<bool>,
    /// What nothing came of.
    pub missed: RefCell<Vec<Missed>>,
    random: Cell<u32>,
    goroutines: RefCell<BTreeMap<u64, Box<UnsafeCell<Goroutine>>>>,
    /// Reserved and not submitted yet.
    reserved: RefCell<Vec<Box<UnsafeCell<[u64; Self::RECORD_WORDS]>>>>,
    submitted: RefCell<Vec<Vec<u8>>>,
}

impl FakeProcess {
    /// No record is larger.
    const RECORD_WORDS: usize = 1024;

    /// A program with these layouts that has done nothing yet.
    #[must_use]
    pub fn new(layout: HttpServerConfig) -> Self {
        Self {
            memory: Pages::default(),
            layout,
            client: EMPTY_HTTP_CLIENT,
            route_ends: Box::new(EndRecipes::EMPTY),
            routes: Default::default(),
            client_ends: Box::new(EndRecipes::EMPTY),
            parents: EMPTY_PARENTS,
            context_types: BTreeMap::new(),
            contexts: Remembered::default(),
            answered: (0..answered::BUCKETS).map(|_| UnsafeCell::new(answered::NONE_ANSWERED)).collect(),
            sweep: UnsafeCell::new(NOT_SWEEPING),
            creators: Remembered::default(),
            injections: Remembered::default(),
            extracted: Remembered::default(),
            buckets: (0..BUCKETS).map(|_| UnsafeCell::new(crate::slots::EMPTY)).collect(),
            sampler: SamplerSetting {
                parent_based: Setting::new(1),
                propagators: Setting::new(3),
                threshold: Setting::new(1 << 63),
            },
            registers: Cell::default(),
            all_registers: Cell::default(),
            load_bias: Cell::new(0),
            cookie: Cell::new(0),
            now: Cell::new(0),
            ring_is_full: Cell::new(false),
            missed: RefCell::default(),
            random: Cell::new(1),
            goroutines: RefCell::default(),
            reserved: RefCell::default(),
            submitted: RefCell::default(),
        }
    }

    /// The records submitted since the last call.
    pub fn take_records(&self) -> Vec<Vec<u8>> {
        assert_eq!(self.reserved.borrow().len(), 0, "a record was reserved and never submitted");
        self.submitted.take()
    }

    /// What is remembered of a goroutine.
    #[must_use]
    pub fn remembered(&self, goroutine: u64) -> Option<Goroutine> {
        self.goroutine(goroutine).map(|goroutine| *goroutine)
    }
}

impl Memory for FakeProcess {
    fn read<T: AnyBitPattern>(&self, address: u64) -> Option<T> {
        self.memory.read(address)
    }

    fn read_or_zero<T: AnyBitPattern>(&self, address: u64) -> T {
        self.memory.read_or_zero(address)
    }

    fn read_prefix<const N: usize>(&self, address: u64, length: u32, words: &mut [u64; N]) -> bool {
        self.memory.read_prefix(address, length, words)
    }

    fn read_into<'v, T: AnyBitPattern>(&self, address: u64, value: &'v mut MaybeUninit<T>) -> Option<&'v T> {
        self.memory.read_into(address, value)
    }

    fn read_bytes<const N: usize>(&self, address: u64, length: u32, bytes: &mut [u8; N]) -> bool {
        self.memory.read_bytes(address, length, bytes)
    }

    fn opaque(&self, value: u64) -> u64 {
        value
    }
}

impl Lookup for FakeProcess {
    fn context_span(&self, context: u64) -> Option<&Sealed> {
        self.contexts.get(context)
    }

    fn answered(&self, bucket: u32) -> Option<&mut answered::Bucket> {
        // SAFETY: tests run one probe at a time, and it asks for one bucket.
        self.answered.get(usize::try_from(bucket).unwrap()).map(|answered| unsafe { &mut *answered.get() })
    }

    fn context_type(&self, address: u64) -> Option<&ContextType> {
        self.context_types.get(&address)
    }

    fn repeat<S: Step>(&self, limit: u32, state: &mut S) {
        for _turn in 0..limit {
            if !state.step(self) {
                return;
            }
        }
    }
}
