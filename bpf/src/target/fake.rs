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

pub use pages::{PAGE, Pages};
pub use remembered::Remembered;

use core::cell::{Cell, RefCell, UnsafeCell};
use core::mem::{MaybeUninit, size_of};
use std::collections::BTreeMap;

use bytemuck::AnyBitPattern;

use crate::config::http_client::{CLIENT_ENDS, EMPTY_HTTP_CLIENT, HttpClientConfig};
use crate::config::parents::{ContextType, EMPTY_PARENTS, NEW_GOROUTINE_ENDS, ParentsConfig};
use crate::config::{EndRecipes, HttpServerConfig, SamplerSetting, Setting};
use crate::records::SpanIdentity;
use crate::slots::{BUCKETS, Bucket, SLOT_WORDS};
use crate::target::{AllRegisters, Lookup, Memory, Registers, Step, Target};
use crate::trace::carried::{Carried, NOTHING_CARRIED};
use crate::trace::client::PassedOn;
use crate::trace::parents::{Origin, is_over};
use crate::trace::{Goroutine, NEW_GOROUTINE};

/// Fills records before a probe does: what a probe has not written shows.
pub const UNWRITTEN: u8 = 0xa5;
/// A stopped program at a probe.
#[derive(Debug)]
pub struct Program {
    /// Its memory.
    pub memory: Pages,
    /// How its types are laid out.
    pub layout: HttpServerConfig,
    /// How the types of its client are laid out.
    pub client: HttpClientConfig,
    /// How the ends of its round trips are read.
    pub client_ends: Box<EndRecipes<CLIENT_ENDS>>,
    /// What finding a parent needs to know.
    pub parents: ParentsConfig,
    /// How the ends of `runtime.newproc1` are read.
    pub new_goroutine_ends: EndRecipes<NEW_GOROUTINE_ENDS>,
    /// The types of contexts, by descriptor.
    pub context_types: BTreeMap<u64, ContextType>,
    /// The spans of requests, by context.
    pub contexts: Remembered<SpanIdentity>,
    /// What goroutines have from their creators.
    pub origins: Remembered<Origin>,
    /// What outgoing requests carry, by header map.
    pub passed_on: Remembered<PassedOn>,
    /// The texts that came with requests, by span id.
    pub carried: Remembered<Carried>,
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
    /// Records that found no room.
    pub lost: Cell<u64>,
    random: Cell<u32>,
    goroutines: RefCell<BTreeMap<u64, Box<UnsafeCell<Goroutine>>>>,
    /// Reserved and not submitted yet.
    reserved: RefCell<Vec<Box<UnsafeCell<[u64; Self::RECORD_WORDS]>>>>,
    submitted: RefCell<Vec<Vec<u8>>>,
}

impl Program {
    /// No record is larger.
    const RECORD_WORDS: usize = 1024;

    /// A program with these layouts that has done nothing yet.
    #[must_use]
    pub fn new(layout: HttpServerConfig) -> Self {
        Self {
            memory: Pages::default(),
            layout,
            client: EMPTY_HTTP_CLIENT,
            client_ends: Box::new(EndRecipes::EMPTY),
            parents: EMPTY_PARENTS,
            new_goroutine_ends: EndRecipes::EMPTY,
            context_types: BTreeMap::new(),
            contexts: Remembered::default(),
            origins: Remembered::default(),
            passed_on: Remembered::default(),
            carried: Remembered::default(),
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
            lost: Cell::new(0),
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

impl Memory for Program {
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

impl Lookup for Program {
    fn context_span(&self, context: u64) -> Option<&SpanIdentity> {
        self.contexts.get(context)
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

impl Target for Program {
    fn registers(&self) -> Registers {
        self.registers.get()
    }

    fn all_registers(&self) -> AllRegisters {
        self.all_registers.get()
    }

    fn load_bias(&self) -> u64 {
        self.load_bias.get()
    }

    fn cookie(&self) -> u64 {
        self.cookie.get().into()
    }

    fn http_server(&self) -> &HttpServerConfig {
        &self.layout
    }

    fn http_client(&self) -> &HttpClientConfig {
        &self.client
    }

    fn http_client_ends(&self) -> &EndRecipes<CLIENT_ENDS> {
        &self.client_ends
    }

    fn parents(&self) -> &ParentsConfig {
        &self.parents
    }

    fn new_goroutine_ends(&self) -> &EndRecipes<NEW_GOROUTINE_ENDS> {
        &self.new_goroutine_ends
    }

    fn remember_context(&self, context: u64, span: &SpanIdentity) {
        self.contexts.set(context, *span);
    }

    fn forget_context(&self, context: u64) {
        self.contexts.forget(context);
    }

    fn origin(&self, address: u64) -> Option<&Origin> {
        self.origins.get(address)
    }

    fn set_origin(&self, address: u64, goid: u64, span: &SpanIdentity) {
        self.origins.set(address, Origin { goid, span: *span });
    }

    fn tidy_origins(&self, _now: u64) {
        self.origins.retain(|address, origin| !is_over(self, &self.parents, address, origin));
    }

    fn pass_on(&self, map: u64, passed_on: &PassedOn) {
        self.passed_on.set(map, *passed_on);
    }

    fn passing_on(&self, map: u64) -> Option<&mut PassedOn> {
        self.passed_on.get_mut(map)
    }

    fn carry(&self, key: u64) -> Option<&mut Carried> {
        self.carried.set(key, NOTHING_CARRIED);
        self.carried.get_mut(key)
    }

    fn carried(&self, key: u64) -> Option<&Carried> {
        self.carried.get(key)
    }

    fn forget_carried(&self, key: u64) {
        self.carried.forget(key);
    }

    fn append<const N: usize>(&self, words: &mut [u64; SLOT_WORDS], at: u64, text: &[u8; N], length: u64) -> u64 {
        let (at, length) = (usize::try_from(at).unwrap(), usize::try_from(length).unwrap().min(N));
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(words);
        bytes[at..at + length].copy_from_slice(&text[..length]);
        0
    }

    fn passed_on(&self, map: u64) {
        self.passed_on.forget(map);
    }

    fn bucket(&self, number: u32) -> Option<&mut Bucket> {
        // SAFETY: tests run one probe at a time.
        self.buckets.get(usize::try_from(number).unwrap()).map(|bucket| unsafe { &mut *bucket.get() })
    }

    fn swap_tag(&self, tag: &mut u64, old: u64, new: u64) -> bool {
        let found = core::mem::replace(tag, if *tag == old { new } else { *tag });
        found == old
    }

    fn sampler(&self) -> &SamplerSetting {
        &self.sampler
    }

    fn now(&self) -> u64 {
        self.now.get()
    }

    fn random(&self) -> u32 {
        // Distinct, and the same in each run.
        self.random.set(self.random.get().wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        self.random.get()
    }

    fn goroutine(&self, address: u64) -> Option<&mut Goroutine> {
        // SAFETY: the box stays where it is for as long as the program lives, and a probe asks for one goroutine, once.
        self.goroutines.borrow().get(&address).map(|goroutine| unsafe { &mut *goroutine.get() })
    }

    fn goroutine_or_new(&self, address: u64) -> Option<&mut Goroutine> {
        if self.goroutine(address).is_none() {
            self.goroutines.borrow_mut().insert(address, Box::new(UnsafeCell::new(NEW_GOROUTINE)));
            self.goroutine(address)?.random.seed(self);
        }
        self.goroutine(address)
    }

    fn reserve<R: 'static>(&self) -> Option<&mut R> {
        assert!(size_of::<R>() <= Self::RECORD_WORDS * 8 && align_of::<R>() <= 8);
        if self.ring_is_full.get() {
            self.lost.set(self.lost.get() + 1);
            return None;
        }
        let room = Box::new(UnsafeCell::new([u64::from_ne_bytes([UNWRITTEN; 8]); Self::RECORD_WORDS]));
        let record = room.get().cast::<R>();
        self.reserved.borrow_mut().push(room);
        // SAFETY: large and aligned enough (asserted above), initialised, and records are integers only. The box stays
        // where it is until the record is submitted, and nobody else has a reference into it.
        Some(unsafe { &mut *record })
    }

    fn submit<R: 'static>(&self, record: &mut R, _look: bool) {
        let mut reserved = self.reserved.borrow_mut();
        let address = core::ptr::from_mut(record).addr();
        let index = reserved.iter().position(|room| room.get().addr() == address).unwrap();
        let words = reserved.swap_remove(index).into_inner();
        self.submitted.borrow_mut().push(bytemuck::cast_slice(&words)[..size_of::<R>()].to_vec());
    }
}
