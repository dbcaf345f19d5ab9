//! What the launcher tells the code in the program, behind it in the same read-only memory: addresses, offsets, layouts, sites, recipes.

use bpf::config::fasthttp_server::{EMPTY_FASTHTTP_SERVER, FasthttpServerConfig};
use bpf::config::grpc::{CarrierConfig, EMPTY_CARRIER, EMPTY_GRPC_CLIENT, GrpcClientConfig};
use bpf::config::http_client::{EMPTY_HTTP_CLIENT, HttpClientConfig};
use bpf::config::http_server::{EMPTY_HTTP_SERVER, HttpServerConfig};
use bpf::config::otel_api::{EMPTY_OTEL_API, OtelApiConfig};
use bpf::config::parents::{ContextType, EMPTY_PARENTS, MAX_CONTEXT_TYPES, ParentsConfig};
use bpf::config::{Propagators, ReadOnlyData, Setting};
use bytemuck::{Pod, Zeroable};

/// Elements that follow somewhere behind the configuration.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Bytes from the beginning of the configuration.
    pub offset: u32,
    /// How many elements there are.
    pub count: u32,
}

/// A place that is observed, by the number that its thunk pushes.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// What the hit means: a [`bpf::config::Cookie`].
    pub cookie: u64,
    /// The site's instruction in the process: what a signal that arrives meanwhile shows Go.
    pub address: u64,
    /// One of [`body`].
    pub body: u32,
    /// Bytes from the thunk's stack pointer to the one that the body is to see: that before the instruction.
    pub stack: u32,
}

/// Values of [`Site::body`].
pub mod body {
    /// `net_http_server::any`.
    pub const HTTP_SERVER: u32 = 0;
    /// `net_http_server::start_http2_request`.
    pub const HTTP2_REQUEST: u32 = 1;
    /// `net_http_server::route`.
    pub const HTTP_ROUTE: u32 = 2;
    /// `net_http_client::any`.
    pub const HTTP_CLIENT: u32 = 3;
    /// `operations::any`.
    pub const OPERATIONS: u32 = 4;
    /// `operations::annotate`.
    pub const ANNOTATIONS: u32 = 5;
    /// `creators::created`.
    pub const NEW_GOROUTINE: u32 = 6;
    /// `operations::served`.
    pub const SERVED_OPERATIONS: u32 = 7;
    /// `grpc_client::any`.
    pub const GRPC_CLIENT: u32 = 8;
    /// `fasthttp_server::any`.
    pub const FASTHTTP_SERVER: u32 = 9;
    /// The same, of `hertz`.
    pub const HERTZ_SERVER: u32 = 10;
    /// `otel_api::any`.
    pub const OTEL_API: u32 = 11;
    /// `otel_api::call`.
    pub const OTEL_API_CALLS: u32 = 12;
}

/// Values of [`Configuration::planted`].
#[cfg(any(debug_assertions, feature = "planted"))]
pub mod planted {
    /// Reads of addresses at which nothing is mapped, many in each hit.
    pub const WILD: u64 = 1;
    /// A panic, in some hits.
    pub const PANIC: u64 = 2;
    /// A panic while a record is reserved and not committed, for some records.
    pub const RESERVED: u64 = 3;
    /// A panic while scratch memory is taken, in some hits.
    pub const SCRATCH: u64 = 4;
    /// A load of null that has no landing, in some hits.
    pub const NULL: u64 = 5;
    /// Each hit takes long, so that signals arrive in it.
    pub const SPIN: u64 = 6;
}

/// An element of [`Configuration::context_types`], a hash table with open addressing.
#[repr(C)]
#[derive(Pod, Zeroable, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextTypeEntry {
    /// The address of the type's descriptor in the process; 0 where the element is free.
    pub address: u64,
    /// How to go on from it.
    pub found: ContextType,
}

/// How many there are where there are any: a power of two, twice as many as types.
pub const CONTEXT_TYPE_ENTRIES: usize = 2 * MAX_CONTEXT_TYPES as usize;

/// Where the search for a type begins.
#[must_use]
#[inline(always)]
pub const fn context_type_entry(address: u64) -> usize {
    let number = (address.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as usize;
    number & (CONTEXT_TYPE_ENTRIES - 1)
}

/// The configuration.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Configuration {
    /// The address of the [`crate::state::State`]. First: the entry looks at it before all else.
    pub state: u64,
    /// The address of the [`crate::control::Control`].
    pub control: u64,
    /// The address of the ring.
    pub ring: u64,
    /// The address of the [`bpf::slots`]; 0 where nothing is written into the program.
    pub slots: u64,
    /// A number that nobody knows: by it the handler of signals finds the frame of a hit.
    pub secret: u64,
    /// What random numbers are made of.
    pub seed: u64,
    /// `runtime.sigtrampgo`, which the hook goes on to.
    pub signal_handler: u64,
    /// `__vdso_clock_gettime`; 0 where the time stamp counter tells the time.
    pub clock_gettime: u64,
    /// Address in the process minus address in its file.
    pub load_bias: u64,
    /// A fault that a test plants ([`planted`]). The code of a release does not look at it.
    pub planted: u64,
    /// `g.m *m`.
    pub g_m: u32,
    /// `m.curg *g`.
    pub m_curg: u32,
    /// `m.g0 *g`.
    pub m_g0: u32,
    /// `g.sched.sp uintptr`.
    pub g_sched_sp: u32,
    /// [`Site`]s.
    pub sites: Part,
    /// [`bpf::config::EndRecipe`]s.
    pub recipes: Part,
    /// [`bpf::config::operations::OperationRecipe`]s.
    pub operations: Part,
    /// [`bpf::config::operations::RecipeStep`]s.
    pub steps: Part,
    /// [`ContextTypeEntry`]s: none, or [`CONTEXT_TYPE_ENTRIES`].
    pub context_types: Part,
    /// Layouts of a client.
    pub http_client: HttpClientConfig,
    /// What finding a parent needs to know.
    pub parents: ParentsConfig,
    /// Which headers are extracted and injected.
    pub propagators: Propagators,
    /// Layouts of a server.
    pub http_server: HttpServerConfig,
    /// How the metadata of a call is read.
    pub carrier: CarrierConfig,
    /// Layouts of a client of gRPC.
    pub grpc_client: GrpcClientConfig,
    /// Layouts of a server of `fasthttp`.
    pub fasthttp_server: FasthttpServerConfig,
    /// Layouts of a server of `hertz`.
    pub hertz_server: FasthttpServerConfig,
    /// Layouts of the OpenTelemetry API.
    pub otel_api: OtelApiConfig,
}

/// Before the launcher has set anything.
pub const EMPTY_CONFIGURATION: Configuration = Configuration {
    state: 0,
    control: 0,
    ring: 0,
    slots: 0,
    secret: 0,
    seed: 0,
    signal_handler: 0,
    clock_gettime: 0,
    load_bias: 0,
    planted: 0,
    g_m: 0,
    m_curg: 0,
    m_g0: 0,
    g_sched_sp: 0,
    sites: Part { offset: 0, count: 0 },
    recipes: Part { offset: 0, count: 0 },
    operations: Part { offset: 0, count: 0 },
    steps: Part { offset: 0, count: 0 },
    context_types: Part { offset: 0, count: 0 },
    http_client: EMPTY_HTTP_CLIENT,
    parents: EMPTY_PARENTS,
    propagators: Propagators(Setting::new(0)),
    http_server: EMPTY_HTTP_SERVER,
    carrier: EMPTY_CARRIER,
    grpc_client: EMPTY_GRPC_CLIENT,
    fasthttp_server: EMPTY_FASTHTTP_SERVER,
    hertz_server: EMPTY_FASTHTTP_SERVER,
    otel_api: EMPTY_OTEL_API,
};

const _: () = assert!(
    size_of::<Configuration>()
        == 10 * 8
            + 4 * 4
            + 5 * 8
            + 4
            + size_of::<HttpServerConfig>()
            + size_of::<HttpClientConfig>()
            + size_of::<ParentsConfig>()
            + size_of::<CarrierConfig>()
            + size_of::<GrpcClientConfig>()
            + 2 * size_of::<FasthttpServerConfig>()
            + size_of::<OtelApiConfig>()
);

// SAFETY: no padding: words, pairs of 32-bit numbers, and layouts that have none (see the size assertion).
unsafe impl ReadOnlyData for Configuration {}
