//! The seam's kernel side: helpers, maps and registers behind [`bpf::target::Target`].

mod baggage;
mod goroutines;
mod lookup;
mod memory;
mod operations;
mod otel_api;
mod parents;
mod records;
mod registers;
mod requests;
mod scratch;
mod slots;

use core::ffi::c_void;

use aya_ebpf::bindings::pt_regs;
use aya_ebpf::helpers::generated::{bpf_get_attach_cookie, bpf_get_prandom_u32, bpf_ktime_get_boot_ns};
use aya_ebpf::macros::map;
use aya_ebpf::maps::Array;
use bpf::config::operations::{OperationRecipe, Steps};
use bpf::config::parents::ParentsConfig;
use bpf::config::{Cookie, EndRecipe, Propagators, Setting, Settings};
use bpf::go::abi::Registers;
use bpf::go::string::GoString;
use bpf::instrumentations::operations::OpenObject;
use bpf::missed::{Done, Missed};
use bpf::records::RecordBuffer;
use bpf::scratch::Scratch;
use bpf::shared::Shared;
use bpf::slots::{Bucket, SLOT_WORDS};
use bpf::target::{Memory, Target, Visit};
use bpf::trace::creators::Sweep;
use bpf::trace::frames::Frame;
use bpf::trace::goroutine::Goroutine;
use bpf::trace::injection::Injection;
use bpf::trace::sealed::SealedSpan;
use bpf::trace::stand_in::StandIn;

/// Which headers are extracted and injected, set by the launcher.
#[unsafe(no_mangle)]
static PROPAGATORS: Propagators = Propagators(Setting::new(0));
/// Address in the process minus address in its file, set by the launcher.
#[unsafe(no_mangle)]
static LOAD_BIAS: Setting<u64> = Setting::new(0);

/// The sampler, and what is switched off. Not read-only data, which would be frozen.
#[map(name = "SETTINGS")]
static SETTINGS: Array<Settings> = Array::with_max_entries(1, 0);
/// How ends of functions are read; as many as the launcher says.
#[map(name = "RECIPES")]
static RECIPES: Array<EndRecipe> = Array::with_max_entries(1, 0);
/// What stands for settings where the kernel has none, which it never says.
static NO_SETTINGS: Settings = Settings::NONE;

/// One hit of a probe.
pub(crate) struct Hit(*mut pt_regs);

impl Hit {
    pub(crate) const fn new(context: *mut c_void) -> Self {
        Self(context.cast())
    }
}

impl Target for Hit {
    #[inline(always)]
    fn registers(&self) -> Registers {
        // SAFETY: the kernel passes a valid `pt_regs` for as long as the BPF program runs.
        registers::all(unsafe { &*self.0 })
    }

    #[inline(always)]
    fn load_bias(&self) -> u64 {
        LOAD_BIAS.get()
    }

    #[inline(always)]
    fn cookie(&self) -> Cookie {
        // SAFETY: the context is the one the kernel passed to this BPF program.
        Cookie::from_bits(unsafe { bpf_get_attach_cookie(self.0.cast()) })
    }

    #[inline(always)]
    fn recipe(&self, number: u32) -> Option<&EndRecipe> {
        // SAFETY: only the launcher writes to the map, before the process runs.
        RECIPES.get_ptr(number).map(|recipe| unsafe { &*recipe })
    }

    #[inline(always)]
    fn operation(&self, number: u32) -> Option<&OperationRecipe> {
        operations::operation(number)
    }

    #[inline(always)]
    fn parents(&self) -> &ParentsConfig {
        parents::parents()
    }

    #[inline(always)]
    fn propagators(&self) -> &Propagators {
        &PROPAGATORS
    }

    #[inline(always)]
    fn settings(&self) -> &Settings {
        // SAFETY: valid and aligned; its words are read one by one.
        SETTINGS.get_ptr(0).map_or(&NO_SETTINGS, |settings| unsafe { &*settings })
    }

    #[inline(always)]
    fn now(&self) -> u64 {
        // SAFETY: no arguments, no preconditions.
        unsafe { bpf_ktime_get_boot_ns() }
    }

    #[inline(always)]
    fn random(&self) -> u32 {
        // SAFETY: no arguments, no preconditions.
        unsafe { bpf_get_prandom_u32() }
    }

    #[inline(always)]
    fn with_scratch(&self, work: impl FnOnce(&mut Scratch) -> Done) -> Done {
        scratch::with(self, work)
    }

    #[inline(always)]
    fn follow(&self, steps: Steps, scratch: &mut Scratch) {
        scratch::follow(steps, scratch);
    }

    #[inline(always)]
    fn goroutine_or_new(&self, address: u64) -> Option<&Goroutine> {
        goroutines::goroutine_or_new(address)
    }

    #[inline(always)]
    fn frame_or_new(&self, key: u64) -> Option<&Frame> {
        operations::frame_or_new(key)
    }

    #[inline(always)]
    fn object(&self, address: u64) -> Option<&OpenObject> {
        operations::object(address)
    }

    #[inline(always)]
    fn set_object(&self, address: u64, operation: &OpenObject) {
        operations::set_object(address, operation);
    }

    #[inline(always)]
    fn forget_object(&self, address: u64) {
        operations::forget_object(address);
    }

    #[inline(always)]
    fn forget_known(&self, key: u64) {
        operations::forget_known(key);
    }

    #[inline(always)]
    fn each_goroutine<V: Visit>(&self, visit: &V) {
        goroutines::each(visit);
    }

    #[inline(always)]
    fn count_route(&self, in_request: bool) {
        goroutines::count_route(in_request);
    }

    #[inline(always)]
    fn remember_context(&self, context: u64, goroutine: u64) {
        parents::remember_context(context, goroutine);
    }

    #[inline(always)]
    fn forget_context(&self, context: u64) {
        parents::forget_context(context);
    }

    #[inline(always)]
    fn creator(&self, address: u64) -> Option<&SealedSpan> {
        parents::creator(address)
    }

    #[inline(always)]
    fn set_creator(&self, address: u64, creator: &SealedSpan) {
        parents::set_creator(address, creator);
    }

    #[inline(always)]
    fn sweep(&self) -> Option<&Sweep> {
        parents::sweep()
    }

    #[inline(always)]
    fn each_creator(&self, sweep: &Sweep) {
        parents::each_creator(sweep);
    }

    #[inline(always)]
    fn set_injection(&self, address: u64, injection: &Injection) {
        requests::set_injection(address, injection);
    }

    #[inline(always)]
    fn injection(&self, address: u64) -> Option<&Injection> {
        requests::injection(address)
    }

    #[inline(always)]
    fn forget_injection(&self, address: u64) {
        requests::forget_injection(address);
    }

    #[inline(always)]
    fn waiting(&self, number: u32) -> Option<&Shared<u64>> {
        requests::waiting(number)
    }

    #[inline(always)]
    fn take_text<const N: usize>(&self, record: &RecordBuffer, text: &mut [u8; N]) {
        records::take_text(record, text);
    }

    #[inline(always)]
    fn append<const N: usize>(&self, words: &mut [u64; SLOT_WORDS], at: u64, text: &[u8; N], length: u64) -> u64 {
        slots::append(words, at, text, length)
    }

    #[inline(always)]
    fn bucket(&self, number: u32) -> Option<&Bucket> {
        slots::bucket(number)
    }

    #[inline(always)]
    fn swap_tag(&self, tag: &Shared<u64>, old: u64, new: u64) -> bool {
        slots::swap_tag(tag, old, new)
    }

    #[inline(always)]
    fn count(&self, missed: Missed) {
        // Not a constant: what follows is verified once, not for each kind.
        records::count(self.opaque(missed as u64) as u32);
    }

    #[inline(always)]
    fn count_unsampled(&self, kind: u32, duration: u64) {
        records::count_unsampled(kind, duration);
    }

    #[inline(always)]
    fn wrapped_layers(&self, name: GoString) -> u32 {
        otel_api::wrapped_layers(name)
    }

    #[inline(always)]
    fn find_baggage(&self, scratch: &mut Scratch, context: [u64; 2]) {
        baggage::find(scratch, context);
    }

    #[inline(always)]
    fn remember_baggage(&self, scratch: &mut Scratch) {
        baggage::remember(scratch);
    }

    #[inline(always)]
    fn forget_baggage(&self, span_id: [u8; 8], texts: u64) {
        baggage::forget(span_id, texts);
    }

    #[inline(always)]
    fn stand_ins_at(&self, table: &StandIn) -> Option<[u64; 2]> {
        let first = table.made.get();
        (first != 0).then(|| [table.holder.get(), first])
    }
}
