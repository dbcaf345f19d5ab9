//! What a body gets from a hit: registers, the configuration, time, memory, what is remembered, and the way out for a record.

use core::sync::atomic::{AtomicU64, Ordering};

use bpf::config::operations::{OperationRecipe, Steps};
use bpf::config::parents::ParentsConfig;
use bpf::config::{Cookie, EndRecipe, Propagators, Settings};
use bpf::go::abi::Registers;
use bpf::instrumentations::operations::{self, OpenObject};
use bpf::missed::{Done, Missed};
use bpf::records::RecordBuffer;
use bpf::scratch::Scratch;
use bpf::shared::Shared;
use bpf::slots::{BUCKETS, Bucket, SLOT_WORDS};
use bpf::target::{Lookup as _, Target, Visit};
use bpf::trace::creators::{Look, Sweep};
use bpf::trace::frames::{Frame as OpenFrame, NEW_FRAME};
use bpf::trace::goroutine::Goroutine;
use bpf::trace::injection::Injection;
use bpf::trace::sealed::SealedSpan;
use bpf::trace::stand_in::StandIn;

use super::hit::Hit;
use super::memory::OwnMemory;
use super::{configuration, control, part, random, state, time};

impl Target for Hit<'_> {
    const STORES: bool = true;

    #[inline(always)]
    fn store(&self, address: u64, bytes: &[u8]) -> bool {
        configuration().slots != 0 && OwnMemory::store(address, bytes)
    }

    #[inline(always)]
    fn stand_ins_at(&self, _table: &StandIn) -> Option<[u64; 2]> {
        Some([super::machine::is_recording(), state().stand_ins.as_ptr() as u64])
    }

    #[inline(always)]
    fn leave(&self, words: [u64; 2], function: u64) {
        self.left.set(Some((words, function)));
    }

    #[inline(always)]
    fn registers(&self) -> Registers {
        self.saved.registers(self.site.stack)
    }

    #[inline(always)]
    fn load_bias(&self) -> u64 {
        configuration().load_bias
    }

    #[inline(always)]
    fn cookie(&self) -> Cookie {
        Cookie::from_bits(self.site.cookie)
    }

    #[inline(always)]
    fn recipe(&self, number: u32) -> Option<&EndRecipe> {
        part(configuration().recipes).get(number as usize)
    }

    #[inline(always)]
    fn operation(&self, number: u32) -> Option<&OperationRecipe> {
        part(configuration().operations).get(number as usize)
    }

    #[inline(always)]
    fn parents(&self) -> &ParentsConfig {
        &configuration().parents
    }

    #[inline(always)]
    fn propagators(&self) -> &Propagators {
        &configuration().propagators
    }

    #[inline(always)]
    fn settings(&self) -> &Settings {
        &control().settings
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        time::now(self.frame)
    }

    #[inline(always)]
    fn random(&self) -> u32 {
        random::next()
    }

    #[inline(always)]
    fn with_scratch(&self, work: impl FnOnce(&mut Scratch) -> Done) -> Done {
        let Some(place) = self.take_place() else {
            return Err(Missed::NoRoom);
        };
        // SAFETY: the frame stands above, and is this hit's.
        unsafe { (&raw mut (*self.frame).scratch).write_volatile((&raw const place.taken) as u64) };
        // SAFETY: the place has been taken: nobody else touches its memory until it is given back below.
        let scratch = unsafe { place.scratch.get() };
        scratch.random.seed_once(self);
        #[cfg(feature = "planted")]
        super::planted::with_scratch();
        let done = work(scratch);
        // SAFETY: as above.
        unsafe { (&raw mut (*self.frame).scratch).write_volatile(0) };
        place.taken.store(0, Ordering::Release);
        done
    }

    fn follow(&self, steps: Steps, scratch: &mut Scratch) {
        operations::follow(self, self.load_bias(), steps, scratch);
    }

    #[inline(always)]
    fn goroutine_or_new(&self, address: u64) -> Option<&Goroutine> {
        let goroutines = &state().goroutines;
        let goroutine =
            goroutines.get_or_insert(address, |new| new.get().give_to(address), |other, found| self.is_idle(other, found))?;
        // Another one that had this memory has written to it when it was its own no more.
        if !goroutine.is_held_by(address) {
            goroutine.give_to(address);
        }
        Some(goroutine)
    }

    #[inline(always)]
    fn frame_or_new(&self, key: u64) -> Option<&OpenFrame> {
        // Those above what is open on their goroutine are no more.
        let may_go = |other: u64, _: &OpenFrame| {
            let (address, level) = (other & !(0xff << 56), (other >> 56) as u32);
            self.goroutine(address).is_none_or(|goroutine| goroutine.frames() <= level)
        };
        let nothing = NEW_FRAME;
        state().frames.get_or_insert(key, |new| new.store(&nothing), may_go)
    }

    #[inline(always)]
    fn object(&self, address: u64) -> Option<&OpenObject> {
        state().objects.get(address)
    }

    #[inline(always)]
    fn set_object(&self, address: u64, operation: &OpenObject) {
        state().objects.set(address, operation);
    }

    #[inline(always)]
    fn forget_object(&self, address: u64) {
        state().objects.remove(address);
    }

    #[inline(always)]
    fn forget_known(&self, key: u64) {
        state().known.remove(key);
    }

    #[inline(always)]
    fn each_goroutine<V: Visit>(&self, visit: &V) {
        state().goroutines.each(|_, goroutine| {
            visit.visit(self, goroutine);
            true
        });
    }

    #[inline(always)]
    fn count_route(&self, in_request: bool) {
        let [unnoted, noted] = &control().routes;
        let count = if in_request { noted } else { unnoted };
        // What two threads count at once may be counted once: the launcher wants to know which of the two is zero.
        count.store(count.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    #[inline(always)]
    fn remember_context(&self, context: u64, goroutine: u64) {
        state().contexts.set(context, &Shared::new(goroutine));
    }

    #[inline(always)]
    fn forget_context(&self, context: u64) {
        state().contexts.remove(context);
    }

    #[inline(always)]
    fn creator(&self, address: u64) -> Option<&SealedSpan> {
        // Each `go` statement asks, and in most programs there is none for most of the time.
        if state().sweep.has_any() { state().creators.get(address) } else { None }
    }

    #[inline(always)]
    fn set_creator(&self, address: u64, creator: &SealedSpan) {
        state().creators.set(address, creator, |_, _| true);
    }

    #[inline(always)]
    fn sweep(&self) -> Option<&Sweep> {
        Some(&state().sweep)
    }

    fn each_creator(&self, sweep: &Sweep) {
        let creators = &state().creators;
        creators.each(|address, creator| match sweep.look(&OwnMemory, self.parents(), address, creator) {
            Look::Keep => true,
            Look::Forget => {
                creators.remove(address);
                true
            }
            Look::Stop => false,
        });
    }

    #[inline(always)]
    fn set_injection(&self, address: u64, injection: &Injection) {
        state().injections.set(address, injection);
    }

    #[inline(always)]
    fn injection(&self, address: u64) -> Option<&Injection> {
        state().injections.get(address)
    }

    #[inline(always)]
    fn forget_injection(&self, address: u64) {
        state().injections.remove(address);
    }

    #[inline(always)]
    fn waiting(&self, number: u32) -> Option<&Shared<u64>> {
        state().waiting.get(number as usize)
    }

    #[inline(always)]
    fn take_text<const N: usize>(&self, record: &RecordBuffer, text: &mut [u8; N]) {
        if let Some(bytes) = record.bytes.first_chunk() {
            *text = *bytes;
        }
    }

    #[inline(always)]
    fn append<const N: usize>(&self, words: &mut [u64; SLOT_WORDS], at: u64, text: &[u8; N], length: u64) -> u64 {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(words);
        let (at, length) = ((at as usize).min(bytes.len()), (length as usize).min(N));
        match (bytes.get_mut(at..at + length), text.get(..length)) {
            (Some(room), Some(text)) => {
                room.copy_from_slice(text);
                0
            }
            _ => 1,
        }
    }

    #[inline(always)]
    fn bucket(&self, number: u32) -> Option<&Bucket> {
        let slots = configuration().slots;
        if slots == 0 || number >= BUCKETS {
            return None;
        }
        // SAFETY: the launcher has mapped so many buckets there, for as long as the program runs.
        Some(unsafe { &*(slots as *const Bucket).add(number as usize) })
    }

    #[inline(always)]
    fn swap_tag(&self, tag: &Shared<u64>, old: u64, new: u64) -> bool {
        // SAFETY: a word that is aligned and valid, and that all change by atomic instructions or single stores.
        let tag = unsafe { AtomicU64::from_ptr(tag.as_ptr()) };
        tag.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    #[inline(always)]
    fn count(&self, missed: Missed) {
        control().count(missed as u32);
    }

    #[inline(always)]
    fn count_unsampled(&self, kind: u32, duration: u64) {
        control().count_unsampled(kind, duration);
    }
}
