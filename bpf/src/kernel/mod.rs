//! The seam's kernel side: helpers, maps and registers behind [`bpf::target::Target`].

mod goroutines;
mod memory;
mod parents;
mod records;
mod registers;
mod requests;
mod slots;

use core::ffi::c_void;
use core::mem::MaybeUninit;

use aya_ebpf::bindings::pt_regs;
use aya_ebpf::helpers::generated::{bpf_get_attach_cookie, bpf_get_prandom_u32, bpf_ktime_get_boot_ns};
use bpf::config::http_client::{CLIENT_ENDS, EMPTY_HTTP_CLIENT, HttpClientConfig};
use bpf::config::parents::{ContextType, ParentsConfig};
use bpf::config::{EndRecipes, HttpServerConfig, ROUTE_ENDS, SamplerSetting, Setting};
use bpf::missed::Missed;
use bpf::records::SpanIdentity;
use bpf::slots::{Bucket, SLOT_WORDS};
use bpf::target::{AllRegisters, Lookup, Memory, Registers, Step, Target, Visit};
use bpf::trace::Goroutine;
use bpf::trace::answered;
use bpf::trace::client::Injection;
use bpf::trace::extracted::Extracted;
use bpf::trace::parents::{Creator, Sweep};
use bpf::trace::sealed::Sealed;
use bytemuck::AnyBitPattern;

use memory::UserMemory;

/// Layouts of the program, set by the launcher.
#[unsafe(no_mangle)]
static HTTP_SERVER: HttpServerConfig = bpf::config::EMPTY_HTTP_SERVER;
/// Layouts of the program's client, set by the launcher.
#[unsafe(no_mangle)]
static HTTP_CLIENT: HttpClientConfig = EMPTY_HTTP_CLIENT;
/// How the returns of `(*ServeMux).findHandler` are read, set by the launcher.
#[unsafe(no_mangle)]
static HTTP_ROUTE_ENDS: EndRecipes<ROUTE_ENDS> = EndRecipes::EMPTY;
/// How the ends of the client's round trips are read, set by the launcher.
#[unsafe(no_mangle)]
static HTTP_CLIENT_ENDS: EndRecipes<CLIENT_ENDS> = EndRecipes::EMPTY;
/// The sampler, set by the launcher.
#[unsafe(no_mangle)]
static SAMPLER: SamplerSetting = bpf::config::EMPTY_SAMPLER;

/// Address in the process minus address in the program's file, set by the launcher.
#[unsafe(no_mangle)]
static LOAD_BIAS: Setting<u64> = Setting::new(0);

/// One hit of a probe.
pub(crate) struct Hit(*mut pt_regs);

impl Hit {
    pub(crate) const fn new(context: *mut c_void) -> Self {
        Self(context.cast())
    }
}

impl Memory for Hit {
    #[inline(always)]
    fn read<T: AnyBitPattern>(&self, address: u64) -> Option<T> {
        UserMemory.read(address)
    }

    #[inline(always)]
    fn read_or_zero<T: AnyBitPattern>(&self, address: u64) -> T {
        UserMemory.read_or_zero(address)
    }

    #[inline(always)]
    fn read_prefix<const N: usize>(&self, address: u64, length: u32, words: &mut [u64; N]) -> bool {
        UserMemory.read_prefix(address, length, words)
    }

    #[inline(always)]
    fn read_into<'v, T: AnyBitPattern>(&self, address: u64, value: &'v mut MaybeUninit<T>) -> Option<&'v T> {
        UserMemory.read_into(address, value)
    }

    #[inline(always)]
    fn read_bytes<const N: usize>(&self, address: u64, length: u32, bytes: &mut [u8; N]) -> bool {
        UserMemory.read_bytes(address, length, bytes)
    }

    #[inline(always)]
    fn opaque(&self, value: u64) -> u64 {
        UserMemory.opaque(value)
    }
}

impl Lookup for Hit {
    #[inline(always)]
    fn context_span(&self, context: u64) -> Option<&Sealed> {
        UserMemory.context_span(context)
    }

    #[inline(always)]
    fn answered(&self, bucket: u32) -> Option<&mut answered::Bucket> {
        UserMemory.answered(bucket)
    }

    #[inline(always)]
    fn context_type(&self, address: u64) -> Option<&ContextType> {
        UserMemory.context_type(address)
    }

    #[inline(always)]
    fn repeat<S: Step>(&self, limit: u32, state: &mut S) {
        UserMemory.repeat(limit, state);
    }
}

impl Target for Hit {
    #[inline(always)]
    fn registers(&self) -> Registers {
        // SAFETY: the kernel passes a valid `pt_regs` for as long as the program runs.
        registers::arguments(unsafe { &*self.0 })
    }

    #[inline(always)]
    fn all_registers(&self) -> AllRegisters {
        // SAFETY: the kernel passes a valid `pt_regs` for as long as the program runs.
        registers::all(unsafe { &*self.0 })
    }

    #[inline(always)]
    fn load_bias(&self) -> u64 {
        LOAD_BIAS.get()
    }

    #[inline(always)]
    fn cookie(&self) -> u64 {
        // SAFETY: the context is the one the kernel passed to this program.
        unsafe { bpf_get_attach_cookie(self.0.cast()) }
    }

    #[inline(always)]
    fn http_server(&self) -> &HttpServerConfig {
        &HTTP_SERVER
    }

    #[inline(always)]
    fn http_client(&self) -> &HttpClientConfig {
        &HTTP_CLIENT
    }

    #[inline(always)]
    fn http_route_ends(&self) -> &EndRecipes<ROUTE_ENDS> {
        &HTTP_ROUTE_ENDS
    }

    #[inline(always)]
    fn http_client_ends(&self) -> &EndRecipes<CLIENT_ENDS> {
        &HTTP_CLIENT_ENDS
    }

    #[inline(always)]
    fn parents(&self) -> &ParentsConfig {
        parents::parents()
    }

    #[inline(always)]
    fn remember_context(&self, context: u64, span: &SpanIdentity) {
        parents::remember_context(context, span);
    }

    #[inline(always)]
    fn forget_context(&self, context: u64) {
        parents::forget_context(context);
    }

    #[inline(always)]
    fn creator(&self, address: u64) -> Option<&Creator> {
        parents::creator(address)
    }

    #[inline(always)]
    fn set_creator(&self, address: u64, creator: &Creator) {
        parents::set_creator(address, creator);
    }

    #[inline(always)]
    fn sweep(&self) -> Option<&mut Sweep> {
        parents::sweep()
    }

    #[inline(always)]
    fn each_creator(&self, sweep: &mut Sweep) {
        parents::each_creator(sweep);
    }

    #[inline(always)]
    fn set_injection(&self, map: u64, injection: &Injection) {
        requests::set_injection(map, injection);
    }

    #[inline(always)]
    fn injection(&self, map: u64) -> Option<&mut Injection> {
        requests::injection(map)
    }

    #[inline(always)]
    fn forget_injection(&self, map: u64) {
        requests::forget_injection(map);
    }

    #[inline(always)]
    fn new_extracted(&self, key: u64) -> Option<&mut Extracted> {
        requests::new_extracted(key)
    }

    #[inline(always)]
    fn extracted(&self, key: u64) -> Option<&Extracted> {
        requests::extracted(key)
    }

    #[inline(always)]
    fn forget_extracted(&self, key: u64) {
        requests::forget_extracted(key);
    }

    #[inline(always)]
    fn append<const N: usize>(&self, words: &mut [u64; SLOT_WORDS], at: u64, text: &[u8; N], length: u64) -> u64 {
        slots::append(words, at, text, length)
    }

    #[inline(always)]
    fn bucket(&self, number: u32) -> Option<&mut Bucket> {
        slots::bucket(number)
    }

    #[inline(always)]
    fn swap_tag(&self, tag: &mut u64, old: u64, new: u64) -> bool {
        slots::swap_tag(tag, old, new)
    }

    #[inline(always)]
    fn sampler(&self) -> &SamplerSetting {
        &SAMPLER
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
    fn goroutine(&self, address: u64) -> Option<&mut Goroutine> {
        goroutines::goroutine(address)
    }

    #[inline(always)]
    fn goroutine_or_new(&self, address: u64) -> Option<&mut Goroutine> {
        goroutines::goroutine_or_new(self, address)
    }

    #[inline(always)]
    fn each_goroutine<V: Visit>(&self) {
        goroutines::each::<V>();
    }

    #[inline(always)]
    fn count_route(&self, in_request: bool) {
        goroutines::count_route(in_request);
    }

    #[inline(always)]
    fn count(&self, missed: Missed) {
        // Not a constant: what follows is verified once, not for each kind.
        records::count(self.opaque(missed as u64) as u32);
    }

    #[inline(always)]
    fn reserve<R: 'static>(&self) -> Result<&mut R, Missed> {
        records::reserve()
    }

    #[inline(always)]
    fn submit<R: 'static>(&self, record: &mut R, look: bool) {
        records::submit(record, look);
    }

    #[inline(always)]
    fn discard<R: 'static>(&self, record: &mut R) {
        records::discard(record);
    }
}
