//! What the launcher tells the probes before they are loaded: layouts of the program's types, the sampler.
//!
//! The values stand in read-only data, which the kernel's verifier treats as constants: code for a layout
//! that the program does not have is removed when the object is loaded.

pub mod http_client;
mod http_server;
pub mod parents;

use core::mem::size_of;

mod ends;

pub use ends::{
    ALWAYS, EMPTY_RECIPE, EndRecipe, EndRecipes, MAX_LOADS, MAX_PER_SITE, MAX_RESULTS, NO_RESULT, ResultLocation, base,
};
pub use http_server::{
    EMPTY_HTTP_SERVER, Http2WriterLayout, HttpServerConfig, PanicLayout, ROUTE_ENDS, RequestLayout, ResponseLayout, UrlLayout,
    cookie,
};

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

/// How traces are sampled (OpenTelemetry specification, "SDK", "Sampling").
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SamplerSetting {
    /// 1: a sampled or unsampled parent decides; 0: every span is decided on its own.
    pub parent_based: Setting<u32>,
    /// Which headers are read and written: bits of [`propagator`].
    pub propagators: Setting<u32>,
    /// A trace is taken where bytes 8–15 of its id, read big-endian and shifted right by one, are below this:
    /// 0 takes none, 2^63 takes all.
    pub threshold: Setting<u64>,
}

/// Bits of [`SamplerSetting::propagators`], and of [`crate::records::SpanIdentity::propagation`].
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
}

impl SamplerSetting {
    /// Whether the headers of this [`propagator`] are read and written.
    #[inline(always)]
    #[must_use]
    pub fn has(&self, propagator: u8) -> bool {
        self.propagators.get() & u32::from(propagator) != 0
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

/// Before the launcher has set anything: nothing is sampled.
pub const EMPTY_SAMPLER: SamplerSetting =
    SamplerSetting { parent_based: Setting::new(0), propagators: Setting::new(0), threshold: Setting::new(0) };

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
const _: () = assert!(size_of::<SamplerSetting>() == 16);

// SAFETY: no padding: two 32-bit settings and one of 64 bits.
unsafe impl ReadOnlyData for SamplerSetting {}
