//! A synthetic Go program for unit tests: pages of memory, registers, and what the probes have reported, as bytes.
//!
//! [`go`] builds Go values in it, [`maps`] maps, [`layouts`] says how the releases of Go lay them out. Each
//! value has a page of its own, so that a test can take any of them away.

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "only tests use it: they panic rather than return errors")]

pub mod go;
pub mod layouts;
pub mod maps;

use core::cell::{Cell, RefCell, UnsafeCell};
use core::mem::{MaybeUninit, size_of};
use std::collections::BTreeMap;

use bytemuck::AnyBitPattern;

use crate::config::{HttpServerConfig, SamplerSetting, Setting};
use crate::target::{AllRegisters, Memory, Registers, Step, Target};
use crate::trace::{Goroutine, NEW_GOROUTINE};

/// Size of a page.
pub const PAGE: u64 = 4096;
/// Fills records before a probe does: what a probe has not written shows.
pub const UNWRITTEN: u8 = 0xa5;
/// Where the synthetic heap begins, as in Go.
const HEAP: u64 = 0xc0_0000_0000;

/// A sparse memory image. A read fails as a whole where one of its pages is not mapped.
#[derive(Debug, Default)]
pub struct Pages {
    pages: RefCell<BTreeMap<u64, Vec<u8>>>,
    next: Cell<u64>,
}

impl Pages {
    /// Zeroed memory on pages of its own, with a page that is not mapped behind it.
    pub fn allocate(&self, size: u64) -> u64 {
        let count = size.div_ceil(PAGE).max(1);
        let address = HEAP + self.next.get() * PAGE;
        self.next.set(self.next.get() + count + 1);
        for page in 0..count {
            self.pages.borrow_mut().insert(address / PAGE + page, vec![0; usize::try_from(PAGE).unwrap()]);
        }
        address
    }

    /// Overwrites mapped memory.
    pub fn write(&self, address: u64, bytes: &[u8]) {
        let mut pages = self.pages.borrow_mut();
        for (at, byte) in (address..).zip(bytes) {
            pages.get_mut(&(at / PAGE)).unwrap()[usize::try_from(at % PAGE).unwrap()] = *byte;
        }
    }

    /// Overwrites mapped memory with words.
    pub fn write_words(&self, address: u64, words: &[u64]) {
        self.write(address, bytemuck::cast_slice(words));
    }

    /// The numbers of all mapped pages.
    #[must_use]
    pub fn mapped(&self) -> Vec<u64> {
        self.pages.borrow().keys().copied().collect()
    }

    /// Takes a page away; gives it back with [`Pages::map`].
    pub fn unmap(&self, page: u64) -> Vec<u8> {
        self.pages.borrow_mut().remove(&page).unwrap()
    }

    /// Puts a page where it was.
    pub fn map(&self, page: u64, bytes: Vec<u8>) {
        self.pages.borrow_mut().insert(page, bytes);
    }

    /// Fills `bytes` from `address`; all zero and false where one of them is not mapped, as the kernel does.
    fn copy(&self, address: u64, bytes: &mut [u8]) -> bool {
        let pages = self.pages.borrow();
        let mut at = address;
        for byte in &mut *bytes {
            let Some(page) = pages.get(&(at / PAGE)) else {
                bytes.fill(0);
                return false;
            };
            *byte = page[usize::try_from(at % PAGE).unwrap()];
            at = at.wrapping_add(1);
        }
        true
    }
}

impl Memory for Pages {
    fn read<T: AnyBitPattern>(&self, address: u64) -> Option<T> {
        let mut bytes = vec![0; size_of::<T>()];
        self.copy(address, &mut bytes).then(|| bytemuck::pod_read_unaligned(&bytes))
    }

    fn read_or_zero<T: AnyBitPattern>(&self, address: u64) -> T {
        self.read(address).unwrap_or_else(T::zeroed)
    }

    fn read_prefix<const N: usize>(&self, address: u64, length: u32, words: &mut [u64; N]) -> bool {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(words);
        let length = bytes.len().min(length as usize);
        self.copy(address, &mut bytes[..length])
    }

    fn read_into<'v, T: AnyBitPattern>(&self, address: u64, value: &'v mut MaybeUninit<T>) -> Option<&'v T> {
        let read = self.read(address)?;
        Some(value.write(read))
    }

    fn read_bytes<const N: usize>(&self, address: u64, length: u32, bytes: &mut [u8; N]) -> bool {
        let length = bytes.len().min(length as usize);
        self.copy(address, &mut bytes[..length])
    }

    fn opaque(&self, value: u64) -> u64 {
        value
    }

    fn repeat<S: Step>(&self, limit: u32, state: &mut S) {
        for _turn in 0..limit {
            if !state.step(self) {
                return;
            }
        }
    }
}

/// A stopped program at a probe.
#[derive(Debug)]
pub struct Program {
    /// Its memory.
    pub memory: Pages,
    /// How its types are laid out.
    pub layout: HttpServerConfig,
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
            sampler: SamplerSetting {
                parent_based: Setting::new(1),
                trace_context: Setting::new(1),
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

    fn repeat<S: Step>(&self, limit: u32, state: &mut S) {
        self.memory.repeat(limit, state);
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
