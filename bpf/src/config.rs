//! What the launcher tells the probes: layouts of the process's types, how ends are read, the sampler.
//!
//! Layouts stand in read-only data, which the kernel's verifier treats as constants: code for a layout that the process does not
//! have is removed when the object is loaded. [`Settings`] may change at any time.

pub mod baggage;
mod ends;
pub mod fasthttp_server;
pub mod grpc;
pub mod http_client;
pub mod http_server;
pub mod operations;
pub mod otel_api;
pub mod parents;

use core::mem::size_of;

use crate::shared::Shared;

pub use ends::{ALWAYS, EMPTY_RECIPE, EndRecipe, MAX_LOADS, MAX_PER_SITE, MAX_RESULTS, NO_RESULT, ResultLocation, base};

/// A number that the launcher sets before the object is loaded.
///
/// The compiler must not assume the value it sees, hence the volatile read.
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Setting<T>(T);

impl<T: Copy> Setting<T> {
    /// A setting with this value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value.
    #[inline(always)]
    pub fn get(&self) -> T {
        // SAFETY: `self` is a valid, aligned, initialised reference; only the optimiser is kept from looking through it.
        unsafe { core::ptr::read_volatile(&raw const self.0) }
    }
}

/// Byte offset of a field in a Go struct.
pub type Offset = Setting<u32>;

/// The program has no such field.
pub const ABSENT: u32 = u32::MAX;

/// What may change while the process runs. It stands in a map that the launcher can write to.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct Settings {
    /// The sampler (OpenTelemetry specification, "SDK", "Sampling"). 1: a sampled or unsampled parent decides; 0: every span is
    /// decided on its own.
    pub parent_based: Shared<u32>,
    /// Instrumentations that are switched off: bits of [`instrumentation`].
    pub off: Shared<u32>,
    /// A trace is taken where bytes 8–15 of its id, read big-endian and shifted right by one, are below this:
    /// 0 takes none, 2^63 takes all.
    pub threshold: Shared<u64>,
}

impl Settings {
    /// Before the launcher has set anything: nothing is sampled.
    pub const NONE: Self = Self { parent_based: Shared::new(0), off: Shared::new(0), threshold: Shared::new(0) };

    /// Whether this [`instrumentation`] is switched off.
    #[inline(always)]
    #[must_use]
    pub fn is_off(&self, instrumentation: u32) -> bool {
        self.off.get() & instrumentation != 0
    }

    /// The words, as the map holds them.
    #[must_use]
    pub fn to_words(&self) -> [u64; 2] {
        [u64::from(self.parent_based.get()) | u64::from(self.off.get()) << 32, self.threshold.get()]
    }
}

/// Bits of [`Settings::off`].
pub mod instrumentation {
    /// Servers of `net/http`.
    pub const HTTP_SERVER: u32 = 1;
    /// Clients of `net/http`.
    pub const HTTP_CLIENT: u32 = 2;
    /// Servers of `fasthttp` and `hertz`.
    pub const FASTHTTP_SERVER: u32 = 4;
    /// The OpenTelemetry API.
    pub const OTEL_API: u32 = 8;
    /// The lowest bit of what is described by tables; the others follow.
    pub const FIRST_OF_TABLES: u32 = 16;
}

/// What a probe is told of the site that was hit (`bpf_get_attach_cookie`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cookie {
    /// What the hit means: one of the events of its instrumentation.
    pub event: u32,
    /// For the end of a function, the number of the recipe by which it is read ([`EndRecipe`]).
    pub recipe: u32,
}

impl Cookie {
    /// As the kernel keeps it.
    #[inline(always)]
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.event as u64 | (self.recipe as u64) << 32
    }

    /// What the kernel has kept.
    #[inline(always)]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "both halves")]
    pub const fn from_bits(bits: u64) -> Self {
        Self { event: bits as u32, recipe: (bits >> 32) as u32 }
    }
}

/// Which headers are extracted and injected: bits of [`propagator`].
#[repr(transparent)]
#[derive(Clone, Copy, Debug)]
pub struct Propagators(pub Setting<u32>);

/// Bits of [`Propagators`], and of [`crate::records::SpanIdentity::propagation`].
pub mod propagator {
    /// `traceparent` and `tracestate` (W3C Trace Context).
    pub const TRACE_CONTEXT: u8 = 1;
    /// `baggage` (W3C Baggage).
    pub const BAGGAGE: u8 = 2;
    /// `b3` (<https://github.com/openzipkin/b3-propagation>).
    pub const B3: u8 = 4;
    /// `X-B3-TraceId` and its like.
    pub const B3_MULTI: u8 = 8;
    /// `tracestate`, apart from `traceparent`; in `propagation` only.
    pub const TRACE_STATE: u8 = 16;
    /// The program has copied the headers that name the parent of what it serves: ours take their place; in `propagation` only, of what is
    /// injected, and of a call by gRPC from its first attempt on.
    pub const COPIED: u8 = 32;
    /// Of an operation whose request a round trip of `net/http` sends, which has no span of its own; in `propagation` only.
    pub const BY_HTTP: u8 = 64;
}

impl Propagators {
    /// Whether the headers of this [`propagator`] are extracted and injected.
    #[inline(always)]
    #[must_use]
    pub fn has(&self, propagator: u8) -> bool {
        self.0.get() & u32::from(propagator) != 0
    }
}

/// The map behind `http.Header` (`map[string][]string`); see reference in `go::map`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MapLayout {
    /// 1: swiss map (`internal/runtime/maps.Map`, Go ≥ 1.24); 0: `runtime.hmap`.
    pub swiss: Setting<u32>,
    /// Lowest control byte (swiss) or tophash of a slot that holds an entry.
    pub full_from: Setting<u32>,
    /// How many such values there are.
    pub full_count: Setting<u32>,
    /// First key in a group or bucket.
    pub keys: Offset,
    /// From one key to the next.
    pub key_stride: Setting<u32>,
    /// Keys that are read at once: 8, or 4 where elements lie between them.
    pub keys_at_once: Setting<u32>,
    /// First element in a group or bucket.
    pub elements: Offset,
    /// From one element to the next.
    pub element_stride: Setting<u32>,
    /// Size of a group or bucket.
    pub group_size: Setting<u32>,
    /// `Map.used uint64` or `hmap.count int`.
    pub count: Offset,
    /// `Map.dirPtr` or `hmap.buckets`.
    pub directory: Offset,
    /// `Map.dirLen`, or `hmap.B` (one byte).
    pub directory_length: Offset,
    /// `table.groups.data` (swiss).
    pub table_groups: Offset,
    /// `table.groups.lengthMask` (swiss).
    pub table_mask: Offset,
    /// `hmap.oldbuckets`.
    pub old_buckets: Offset,
    /// `bmap.overflow`.
    pub overflow: Offset,
}

const NO_OFFSET: Offset = Setting::new(ABSENT);

const NO_MAP: MapLayout = MapLayout {
    swiss: NO_OFFSET,
    full_from: NO_OFFSET,
    full_count: NO_OFFSET,
    keys: NO_OFFSET,
    key_stride: NO_OFFSET,
    keys_at_once: Setting::new(8),
    elements: NO_OFFSET,
    element_stride: NO_OFFSET,
    group_size: NO_OFFSET,
    count: NO_OFFSET,
    directory: NO_OFFSET,
    directory_length: NO_OFFSET,
    table_groups: NO_OFFSET,
    table_mask: NO_OFFSET,
    old_buckets: NO_OFFSET,
    overflow: NO_OFFSET,
};

/// The bytes of a configuration, as the object's read-only data holds them.
///
/// # Safety
/// Implemented for structs of [`Setting`]s without implicit padding only.
pub unsafe trait ReadOnlyData: Sized {
    /// The bytes.
    fn as_bytes(&self) -> &[u8] {
        // SAFETY: the type has no padding (the trait's contract), so all its bytes are initialised.
        unsafe { core::slice::from_raw_parts(core::ptr::from_ref(self).cast(), size_of::<Self>()) }
    }
}

// SAFETY: one 64-bit setting.
unsafe impl ReadOnlyData for Setting<u64> {}
// SAFETY: one 32-bit setting.
unsafe impl ReadOnlyData for Setting<u32> {}
// SAFETY: one 32-bit setting.
unsafe impl ReadOnlyData for Propagators {}
const _: () = assert!(size_of::<Settings>() == 16);
