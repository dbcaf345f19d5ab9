//! What stands in the executable part of the memory: the code, the configuration for this program, its elements, and the thunks.

use bpf::config::ReadOnlyData as _;
use bytemuck::Zeroable as _;
use native::configuration::{
    CONTEXT_TYPE_ENTRIES, Configuration, ContextTypeEntry, EMPTY_CONFIGURATION, Part, Site, context_type_entry,
};

use super::blob::Blob;
use crate::engine::Sampling;
use crate::probes::plan::{Layout, Plan};
use crate::probes::runtime::Runtime;

/// Where everything is in the process.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Addresses {
    /// [`native::control::Control`].
    pub(super) control: u64,
    /// [`bpf::slots`]; 0 where nothing is written.
    pub(super) slots: u64,
    /// The ring.
    pub(super) ring: u64,
    /// [`native::state::State`].
    pub(super) state: u64,
    /// The code.
    pub(super) code: u64,
    /// `__vdso_clock_gettime`, if it is used.
    pub(super) clock_gettime: u64,
}

/// The code, the configuration and its elements, as they stand from [`Addresses::code`] on. Thunks may follow.
pub(super) fn image(
    blob: &Blob,
    plan: &Plan,
    runtime: &Runtime,
    sampling: &Sampling,
    addresses: &Addresses,
    sites: &[Site],
) -> Vec<u8> {
    let Addresses { control, slots, ring, state, code: _, clock_gettime } = *addresses;
    let Runtime { g_m, m_curg, m_g0, g_sched_sp, signal_call: _, signal_bytes: _, signal_handler } = *runtime;
    let types = context_types(plan);
    let mut behind = Behind { bytes: Vec::new(), from: size_of::<Configuration>() };
    let configuration = Configuration {
        state,
        control,
        ring,
        slots,
        secret: fastrand::u64(1..),
        seed: fastrand::u64(..),
        signal_handler: signal_handler.0.wrapping_add(plan.load_bias),
        clock_gettime,
        load_bias: plan.load_bias,
        g_m,
        m_curg,
        m_g0,
        g_sched_sp,
        sites: behind.append(sites.len(), bytemuck::cast_slice(sites)),
        recipes: {
            let bytes: Vec<u8> = plan.recipes.iter().flat_map(|recipe| recipe.as_bytes().to_vec()).collect();
            behind.append(plan.recipes.len(), &bytes)
        },
        operations: behind.append(plan.operations.recipes.len(), bytemuck::cast_slice(&plan.operations.recipes)),
        steps: behind.append(plan.operations.steps.len(), bytemuck::cast_slice(&plan.operations.steps)),
        context_types: behind.append(types.len(), bytemuck::cast_slice(&types)),
        propagators: sampling.propagators,
        #[cfg(debug_assertions)]
        planted: super::planted::in_code(),
        ..EMPTY_CONFIGURATION
    };
    let mut bytes = configuration.as_bytes().to_vec();
    for (layout, of_layout) in plan.layouts() {
        let at = match layout {
            Layout::HttpServer => std::mem::offset_of!(Configuration, http_server),
            Layout::HttpClient => std::mem::offset_of!(Configuration, http_client),
            Layout::Parents => std::mem::offset_of!(Configuration, parents),
            Layout::Carrier => std::mem::offset_of!(Configuration, carrier),
            Layout::GrpcClient => std::mem::offset_of!(Configuration, grpc_client),
            Layout::FasthttpServer => std::mem::offset_of!(Configuration, fasthttp_server),
            Layout::HertzServer => std::mem::offset_of!(Configuration, hertz_server),
            Layout::OtelApi => std::mem::offset_of!(Configuration, otel_api),
        };
        if let Some(place) = bytes.get_mut(at..at + of_layout.len()) {
            place.copy_from_slice(of_layout);
        }
    }
    let mut image = blob.code.to_vec();
    image.extend_from_slice(&bytes);
    image.extend_from_slice(&behind.bytes);
    image
}

/// Bytes of an image with so many sites.
pub(super) fn size(blob: &Blob, plan: &Plan, sites: usize) -> usize {
    let parts = [
        sites * size_of::<Site>(),
        plan.recipes.len() * size_of::<bpf::config::EndRecipe>(),
        std::mem::size_of_val(plan.operations.recipes.as_slice()),
        std::mem::size_of_val(plan.operations.steps.as_slice()),
        CONTEXT_TYPE_ENTRIES * size_of::<ContextTypeEntry>(),
    ];
    blob.code.len() + size_of::<Configuration>() + parts.iter().map(|part| part.next_multiple_of(8)).sum::<usize>()
}

/// Elements behind the configuration.
struct Behind {
    bytes: Vec<u8>,
    /// Bytes of what they stand behind.
    from: usize,
}

impl Behind {
    fn append(&mut self, count: usize, bytes: &[u8]) -> Part {
        let offset = (self.from + self.bytes.len()).next_multiple_of(8);
        self.bytes.resize(offset - self.from, 0);
        self.bytes.extend_from_slice(bytes);
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Part { offset: number(offset), count: number(count) }
    }
}

/// The types of contexts as a hash table; nothing where there are none.
fn context_types(plan: &Plan) -> Vec<ContextTypeEntry> {
    let types = plan.parents.iter().flat_map(|parents| &parents.context_types);
    let mut entries = Vec::new();
    for (address, found) in types.take(CONTEXT_TYPE_ENTRIES / 2) {
        if entries.is_empty() {
            entries = vec![ContextTypeEntry::zeroed(); CONTEXT_TYPE_ENTRIES];
        }
        let address = address.0.wrapping_add(plan.load_bias);
        let first = context_type_entry(address);
        let free = (0..CONTEXT_TYPE_ENTRIES).map(|turn| (first + turn) % CONTEXT_TYPE_ENTRIES);
        let free = free.into_iter().find(|at| entries.get(*at).is_some_and(|entry| entry.address == 0));
        if let Some(entry) = free.and_then(|at| entries.get_mut(at)) {
            *entry = ContextTypeEntry { address, found: *found };
        }
    }
    entries
}
