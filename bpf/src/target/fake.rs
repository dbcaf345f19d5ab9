//! A synthetic Go program for unit tests: pages of memory, registers, and what the probes have reported, as bytes.
//!
//! [`go`] builds Go values in it, [`maps`] maps, [`layouts`] says how the releases of Go lay them out. Each
//! value has a page of its own, so that a test can take any of them away.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "only tests use it: they panic rather than return errors")]

pub mod disturbed;
pub mod fasthttp;
pub mod go;
pub mod layouts;
pub mod maps;
mod pages;
mod remembered;
#[cfg(test)]
pub(crate) mod reported;
mod target;

pub use pages::{PAGE, Pages};
pub use remembered::Remembered;

use core::cell::{Cell, RefCell};
use core::mem::MaybeUninit;
use std::collections::BTreeMap;

use bytemuck::AnyBitPattern;

use crate::config::http_client::{EMPTY_HTTP_CLIENT, HttpClientConfig};
use crate::config::http_server::HttpServerConfig;
use crate::config::operations::{KNOWN_FOR, OperationRecipe, RecipeStep, Steps};
use crate::config::parents::{ContextType, EMPTY_PARENTS, ParentsConfig};
use crate::config::{Cookie, EndRecipe, Propagators, Setting, Settings};
use crate::go::abi::Registers;
use crate::instrumentations::operations::OpenObject;
use crate::missed::{Done, Missed};
use crate::records::RecordBuffer;
use crate::scratch::{NEW_SCRATCH, Scratch};
use crate::shared::Shared;
use crate::slots::{BUCKETS, Bucket, SLOT_WORDS};
use crate::target::{Lookup, Memory, Step, Target, Visit};
use crate::trace::creators::{Look, NOT_SWEEPING, Sweep};
use crate::trace::extracted::Extracted;
use crate::trace::frames::{Frame, NEW_FRAME};
use crate::trace::goroutine::{Goroutine, NEW_GOROUTINE};
use crate::trace::ids::Random;
use crate::trace::injection::Injection;
use crate::trace::sealed::SealedSpan;
use crate::trace::stand_in::{NO_STAND_IN, STAND_INS, StandIn};
use crate::trace::{answered, waiting};

/// Fills scratch memory before a probe has it: what a probe has not written shows.
pub const UNWRITTEN: u8 = 0xa5;

/// A stopped process at a probe. `STORES` says whether probes write into its memory themselves ([`Target::STORES`]).
#[derive(Debug)]
pub struct FakeProcess<const STORES: bool = false> {
    /// Its memory.
    pub memory: Pages,
    /// How the types of its server are laid out.
    pub layout: HttpServerConfig,
    /// How the types of its client are laid out.
    pub client: HttpClientConfig,
    /// How the ends of its functions are read.
    pub recipes: Vec<EndRecipe>,
    /// Steps of recipes of operations.
    pub recipe_steps: Vec<RecipeStep>,
    /// How operations of tables are captured.
    pub operations: Vec<OperationRecipe>,
    /// When what is known by keys was captured.
    pub known: Remembered<u64>,
    /// Open operations of tables.
    pub frames: Remembered<Frame>,
    /// Operations whose objects are open.
    pub objects: Remembered<OpenObject>,
    /// Routes that were found by the mux alone, and those that the request had as well.
    pub routes: [Cell<u64>; 2],
    /// What finding a parent needs to know.
    pub parents: ParentsConfig,
    /// The types of contexts, by descriptor.
    pub context_types: BTreeMap<u64, ContextType>,
    /// The goroutines that serve requests, by context.
    pub contexts: Remembered<u64>,
    /// Words of header maps whose requests wait.
    pub waiting: Vec<Shared<u64>>,
    /// The spans of requests that have been answered.
    pub answered: Vec<answered::Bucket>,
    /// The look for creators of goroutines that are no more.
    pub sweep: Sweep,
    /// What goroutines have from their creators.
    pub creators: Remembered<SealedSpan>,
    /// What is to be injected into outgoing requests, by header map.
    pub injections: Remembered<Injection>,
    /// The texts that came with requests, by span id.
    pub extracted: Remembered<Extracted>,
    /// What it is to write.
    pub buckets: Vec<Bucket>,
    /// Which headers are extracted and injected.
    pub propagators: Propagators,
    /// The sampler takes everything and honours parents at first.
    pub settings: Settings,
    /// The registers at the probe.
    pub registers: Cell<Registers>,
    /// The load bias.
    pub load_bias: Cell<u64>,
    /// The cookie of the probe.
    pub cookie: Cell<Cookie>,
    /// What the clock says.
    pub now: Cell<u64>,
    /// No room for records.
    pub ring_is_full: Cell<bool>,
    /// For how many records there is room, and for how many behind them there is none.
    pub room: Cell<[u64; 2]>,
    /// All scratch memory is another probe's.
    pub scratch_is_taken: Cell<bool>,
    /// What nothing came of.
    pub missed: RefCell<Vec<Missed>>,
    /// Operations that were not sampled: kind and duration.
    pub unsampled: RefCell<Vec<(u32, u64)>>,
    /// What stands in for spans.
    pub stand_ins: Vec<StandIn>,
    /// With what the function is to return at once that was hit.
    pub left: Cell<Option<[u64; 3]>>,
    /// What another probe does before this one swaps a tag next.
    pub meanwhile: Cell<Option<fn(&Self)>>,
    seed: Cell<u32>,
    numbers: Cell<Random>,
    goroutines: Remembered<Goroutine>,
    submitted: RefCell<Vec<Vec<u8>>>,
}

impl FakeProcess {
    /// A process with these layouts that has done nothing yet.
    #[must_use]
    pub fn new(layout: HttpServerConfig) -> Self {
        Self::of(layout)
    }
}

impl<const STORES: bool> FakeProcess<STORES> {
    /// The same, whoever writes into its memory.
    #[must_use]
    pub fn of(layout: HttpServerConfig) -> Self {
        Self {
            memory: Pages::default(),
            layout,
            client: EMPTY_HTTP_CLIENT,
            recipes: Vec::new(),
            recipe_steps: Vec::new(),
            operations: Vec::new(),
            known: Remembered::default(),
            frames: Remembered::default(),
            objects: Remembered::default(),
            routes: Default::default(),
            parents: EMPTY_PARENTS,
            context_types: BTreeMap::new(),
            contexts: Remembered::default(),
            answered: vec![answered::NONE_ANSWERED; answered::BUCKETS as usize],
            waiting: (0..waiting::WORDS).map(|_| waiting::NOBODY).collect(),
            sweep: NOT_SWEEPING,
            creators: Remembered::default(),
            injections: Remembered::default(),
            extracted: Remembered::default(),
            buckets: (0..BUCKETS).map(|_| crate::slots::EMPTY).collect(),
            propagators: Propagators(Setting::new(3)),
            settings: Settings { parent_based: Shared::new(1), off: Shared::new(0), threshold: Shared::new(1 << 63) },
            registers: Cell::default(),
            load_bias: Cell::new(0),
            cookie: Cell::default(),
            now: Cell::new(0),
            ring_is_full: Cell::new(false),
            room: Cell::new([u64::MAX, 0]),
            scratch_is_taken: Cell::new(false),
            missed: RefCell::default(),
            unsampled: RefCell::default(),
            stand_ins: (0..=STAND_INS).map(|_| NO_STAND_IN).collect(),
            left: Cell::new(None),
            meanwhile: Cell::new(None),
            seed: Cell::new(1),
            numbers: Cell::new(Random::UNSEEDED),
            goroutines: Remembered::default(),
            submitted: RefCell::default(),
        }
    }

    /// The records submitted since the last call.
    pub fn take_records(&self) -> Vec<Vec<u8>> {
        self.submitted.take()
    }
}

impl<const STORES: bool> Memory for FakeProcess<STORES> {
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

    fn read_text(&self, address: u64, length: u32, record: &mut RecordBuffer) -> bool {
        self.memory.read_text(address, length, record)
    }

    fn opaque(&self, value: u64) -> u64 {
        value
    }
}

impl<const STORES: bool> Lookup for FakeProcess<STORES> {
    fn set_extracted(&self, key: u64, extracted: &Extracted) {
        self.extracted.set(key, *extracted);
    }

    fn extracted(&self, key: u64) -> Option<&Extracted> {
        self.extracted.get(key)
    }

    fn forget_extracted(&self, key: u64) {
        self.extracted.forget(key);
    }

    fn output(&self, record: &RecordBuffer, _look: bool) -> Done {
        let [room, lost] = self.room.get();
        self.room.set(if room == 0 { [0, lost.saturating_sub(1)] } else { [room - 1, lost] });
        if self.ring_is_full.get() || room == 0 && lost != 0 {
            return Err(Missed::RingFull);
        }
        self.submitted.borrow_mut().push(record.bytes[..usize::try_from(record.length).unwrap()].to_vec());
        Ok(())
    }

    fn stand_in(&self, number: u32) -> Option<&StandIn> {
        self.stand_ins.get(usize::try_from(number).unwrap())
    }

    fn goroutine(&self, address: u64) -> Option<&Goroutine> {
        self.goroutines.get(address)
    }

    fn context_goroutine(&self, context: u64) -> Option<u64> {
        self.contexts.get(context).copied()
    }

    fn answered(&self, bucket: u32) -> Option<&answered::Bucket> {
        self.answered.get(bucket as usize)
    }

    fn context_type(&self, address: u64) -> Option<&ContextType> {
        self.context_types.get(&address)
    }

    fn recipe_step(&self, number: u32) -> Option<&RecipeStep> {
        self.recipe_steps.get(number as usize)
    }

    fn is_known(&self, key: u64, time: u64) -> bool {
        let is_known = self.known.get(key).is_some_and(|before| time.wrapping_sub(*before) < KNOWN_FOR);
        if !is_known {
            self.known.set(key, time);
        }
        is_known
    }

    fn frame(&self, key: u64) -> Option<&Frame> {
        self.frames.get(key)
    }

    fn repeat<S: Step>(&self, limit: u32, state: &mut S) {
        for _turn in 0..limit {
            if !state.step(self) {
                return;
            }
        }
    }
}
