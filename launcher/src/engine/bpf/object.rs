//! The BPF object: embedded bytes in, maps and verified programs out.
//!
//! Nothing is attached here. Only the programs that the plan needs are given to the verifier.

use std::time::Instant;

use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray, RingBuf};
use aya::programs::{ProgramError, UProbe};
use aya::{Ebpf, EbpfError, EbpfLoader, VerifierLogLevel};
use bpf::config::operations::{OperationRecipe, RecipeStep};
use bpf::config::parents::{ContextType, MAX_CONTEXT_TYPES};
use bpf::config::{EndRecipe, ReadOnlyData as _, Setting, Settings};
use bpf::instrumentations::operations::OpenObject;
use bpf::trace::answered;
use bpf::trace::extracted::Extracted;
use bpf::trace::frames::Frame;
use bpf::trace::goroutine::Goroutine;
use bpf::trace::injection::Injection;
use bpf::trace::sealed::SealedSpan;

use super::maps::{self, Sizes};
use super::program;
use super::ring::{DURATION_WORDS, RingRecords};
use crate::engine::Sampling;
use crate::kernel::UprobeKind;
use crate::log;
use crate::probes::operations::Operations;
use crate::probes::plan::{Layout, Plan};
use crate::probes::probe::Body;

/// The object that the build script made from the `bpf` package.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/bpf"));

/// Why the object cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The kernel refused a map or the object as a whole.
    #[error("the kernel refused the BPF maps ({}); Linux 6.13 and CAP_BPF (or CAP_SYS_ADMIN) are needed", source_chain(.0))]
    Load(#[source] EbpfError),
    /// The kernel's verifier refused a program.
    #[error("the kernel refused the BPF program {name} ({}); Linux 6.13, CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN) are needed", source_chain(.source))]
    Verify {
        /// Name of the BPF program.
        name: &'static str,
        /// What the kernel said.
        #[source]
        source: ProgramError,
    },
    /// The object lacks what this launcher expects in it: a defect of the build.
    #[error("the embedded BPF object has no {0}; this is a defect of go-auto-launch, please report it")]
    Incomplete(&'static str),
}

/// An error and its causes, in one line; a verifier log is cut to its last line.
pub(crate) fn source_chain(error: &dyn std::error::Error) -> String {
    let mut text = last_line(&error.to_string());
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = last_line(&cause.to_string());
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// The first line, and the last that is not a statistic of the verifier.
fn last_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default().to_owned();
    match lines.rfind(|line| !line.starts_with("processed ")) {
        Some(last) => format!("{first} … {last}"),
        // The verifier said nothing.
        None => first.trim_end_matches(" Verifier output:").trim_end_matches('.').to_owned(),
    }
}

/// The loaded object: its maps exist, its BPF programs do not yet.
#[derive(Debug)]
pub struct Object {
    ebpf: Ebpf,
}

/// The symbol of the object that holds a layout (`bpf/src/main.rs`, `bpf/src/kernel/parents.rs`).
const fn symbol(layout: Layout) -> &'static str {
    match layout {
        Layout::HttpServer => "HTTP_SERVER",
        Layout::HttpClient => "HTTP_CLIENT",
        Layout::Parents => "PARENTS",
        Layout::Carrier => "CARRIER",
        Layout::GrpcClient => "GRPC_CLIENT",
        Layout::FasthttpServer => "FASTHTTP_SERVER",
        Layout::HertzServer => "HERTZ_SERVER",
        Layout::OtelApi => "OTEL_API",
    }
}

impl Object {
    /// Creates the maps, fixes the plan's layouts, the propagators and the load bias in the object, and fills in recipes, types of
    /// contexts and the sampler.
    ///
    /// # Errors
    /// Where the kernel refuses the maps.
    pub fn load(plan: &Plan, sampling: &Sampling) -> Result<Self, ObjectError> {
        let sizes = Sizes::new(plan, maps::processors());
        let (load_bias, last_scratch) = (Setting::new(plan.load_bias), Setting::new(sizes.last_scratch()));
        let mut loader = EbpfLoader::new();
        loader.verifier_log_level(VerifierLogLevel::DISABLE);
        loader.override_global("PROPAGATORS", sampling.propagators.as_bytes(), true);
        loader.override_global("LOAD_BIAS", load_bias.as_bytes(), true);
        loader.override_global("LAST_SCRATCH", last_scratch.as_bytes(), true);
        for (layout, bytes) in plan.layouts() {
            loader.override_global(symbol(*layout), bytes.as_slice(), true);
        }
        sizes.apply(&mut loader);
        let mut object = Self { ebpf: loader.load(OBJECT).map_err(ObjectError::Load)? };
        object.set(&sampling.settings)?;
        object.set_recipes(&plan.recipes)?;
        object.set_operations(&plan.operations)?;
        if let Some(parents) = &plan.parents {
            let types = parents.context_types.iter();
            object.set_context_types(types.map(|(address, found)| (address.0.wrapping_add(plan.load_bias), *found)))?;
        }
        Ok(object)
    }

    fn map(&mut self, name: &'static str) -> Result<&mut Map, ObjectError> {
        self.ebpf.map_mut(name).ok_or(ObjectError::Incomplete(name))
    }

    fn take(&mut self, name: &'static str) -> Result<Map, ObjectError> {
        self.ebpf.take_map(name).ok_or(ObjectError::Incomplete(name))
    }

    /// Sets the sampler, and what is switched off.
    ///
    /// # Errors
    /// Where the kernel refuses it.
    pub fn set(&mut self, settings: &Settings) -> Result<(), ObjectError> {
        let mut map: Array<_, [u64; 2]> = Array::try_from(self.map("SETTINGS")?).map_err(refused)?;
        map.set(0, &settings.to_words(), 0).map_err(refused)
    }

    fn set_recipes(&mut self, recipes: &[EndRecipe]) -> Result<(), ObjectError> {
        let mut map: Array<_, [u8; size_of::<EndRecipe>()]> = Array::try_from(self.map("RECIPES")?).map_err(refused)?;
        for (number, recipe) in (0..).zip(recipes) {
            let bytes = recipe.as_bytes().try_into().map_err(|_other_size| ObjectError::Incomplete("RECIPES"))?;
            map.set(number, bytes, 0).map_err(refused)?;
        }
        Ok(())
    }

    fn set_operations(&mut self, operations: &Operations) -> Result<(), ObjectError> {
        let mut map: Array<_, [u8; size_of::<OperationRecipe>()]> = Array::try_from(self.map("OPERATIONS")?).map_err(refused)?;
        for (number, recipe) in (0..).zip(&operations.recipes) {
            map.set(number, bytemuck::cast_ref::<OperationRecipe, [u8; size_of::<OperationRecipe>()]>(recipe), 0)
                .map_err(refused)?;
        }
        let mut map: Array<_, [u64; 2]> = Array::try_from(self.map("STEPS")?).map_err(refused)?;
        for (number, step) in (0..).zip(&operations.steps) {
            map.set(number, bytemuck::cast_ref::<RecipeStep, [u64; 2]>(step), 0).map_err(refused)?;
        }
        Ok(())
    }

    /// The BPF programs for these bodies, not loaded yet, in the object's order.
    ///
    /// # Errors
    /// Where the object lacks one.
    pub fn programs(&mut self, bodies: &[Body], kind: UprobeKind) -> Result<Vec<(Body, &mut UProbe)>, ObjectError> {
        let mut programs = Vec::with_capacity(bodies.len());
        for (name, program) in self.ebpf.programs_mut() {
            if let Some(body) = bodies.iter().copied().find(|body| program::name(*body, kind) == name) {
                let name = program::name(body, kind);
                programs.push((body, program.try_into().map_err(|source| ObjectError::Verify { name, source })?));
            }
        }
        match bodies.iter().find(|body| programs.iter().all(|(found, _)| found != *body)) {
            Some(missing) => Err(ObjectError::Incomplete(program::name(*missing, kind))),
            None => Ok(programs),
        }
    }

    /// Tells the probes how to go on from the program's contexts to their parents, by the addresses of the descriptors of
    /// their types. What finds no room is left out.
    fn set_context_types(&mut self, types: impl Iterator<Item = (u64, ContextType)>) -> Result<(), ObjectError> {
        let mut map: HashMap<_, u64, [u32; 4]> = HashMap::try_from(self.map("CONTEXT_TYPES")?).map_err(refused)?;
        for (address, found) in types.take(MAX_CONTEXT_TYPES as usize) {
            map.insert(&address, &bytemuck::cast::<ContextType, [u32; 4]>(found), 0).map_err(refused)?;
        }
        Ok(())
    }

    /// Forgets what is remembered: the program has begun anew, and others stand at its addresses. What the kernel refuses stays.
    pub fn forget(&mut self) {
        let Self { ebpf } = self;
        ebpf.map_mut("GOROUTINES").map(clear::<{ size_of::<Goroutine>() }>);
        ebpf.map_mut("CREATORS").map(clear::<{ size_of::<SealedSpan>() }>);
        ebpf.map_mut("CONTEXTS").map(clear::<{ size_of::<u64>() }>);
        ebpf.map_mut("FRAMES").map(clear::<{ size_of::<Frame>() }>);
        ebpf.map_mut("KNOWN").map(clear::<{ size_of::<u64>() }>);
        ebpf.map_mut("OBJECTS").map(clear::<{ size_of::<OpenObject>() }>);
        ebpf.map_mut("INJECTIONS").map(clear::<{ size_of::<Injection>() }>);
        ebpf.map_mut("EXTRACTED").map(clear::<{ size_of::<Extracted>() }>);
        if let Some(Ok(mut waiting)) = ebpf.map_mut("WAITING").map(Array::<_, u64>::try_from) {
            for number in 0..waiting.len() {
                let _stays = waiting.set(number, &0_u64, 0);
            }
        }
        if let Some(Ok(mut answered)) = ebpf.map_mut("ANSWERED").map(Array::<_, [u8; size_of::<answered::Bucket>()]>::try_from) {
            for number in 0..answered.len() {
                let _stays = answered.set(number, &[0; size_of::<answered::Bucket>()], 0);
            }
        }
    }

    /// Takes the ring buffer and the counters out of the object.
    ///
    /// # Errors
    /// Where it has none, or the buffer cannot be mapped.
    pub fn take_records(&mut self) -> Result<RingRecords, ObjectError> {
        Ok(RingRecords {
            ring: RingBuf::try_from(self.take("RECORDS")?).map_err(refused)?,
            missed: Array::try_from(self.take("MISSED")?).map_err(refused)?,
            unsampled: PerCpuArray::<_, [u64; DURATION_WORDS]>::try_from(self.take("UNSAMPLED")?).map_err(refused)?,
        })
    }

    /// Takes a map that the process can have mapped.
    ///
    /// # Errors
    /// Where the object has none of this name.
    pub fn take_mappable(&mut self, name: &'static str) -> Result<MapData, ObjectError> {
        let map = self.take(name)?;
        if let Map::Array(map) = map { Ok(map) } else { Err(ObjectError::Incomplete(name)) }
    }

    /// Takes the counters of routes.
    ///
    /// # Errors
    /// Where the object has none.
    pub fn take_routes(&mut self) -> Result<Array<MapData, u64>, ObjectError> {
        Array::try_from(self.take("ROUTES")?).map_err(refused)
    }
}

/// What the kernel says of a map.
fn refused(error: aya::maps::MapError) -> ObjectError {
    ObjectError::Load(error.into())
}

/// Removes all entries of a hash map with values of `N` bytes.
fn clear<const N: usize>(map: &mut Map) {
    let Ok(mut map) = HashMap::<_, u64, [u8; N]>::try_from(map) else {
        return;
    };
    let keys: Vec<u64> = map.keys().filter_map(Result::ok).collect();
    for key in keys {
        // One that has been removed meanwhile is gone, too.
        let _gone = map.remove(&key);
    }
}

/// Gives the BPF program of a body, in this form, to the verifier.
///
/// # Errors
/// Where the verifier refuses it.
pub fn verify(body: Body, kind: UprobeKind, program: &mut UProbe) -> Result<(), ObjectError> {
    let begin = Instant::now();
    let name = program::name(body, kind);
    program.load().map_err(|source| ObjectError::Verify { name, source })?;
    if log::enabled(log::Level::Debug) {
        let verified = program.info().ok().and_then(|info| info.verified_instruction_count());
        log::debug(format_args!("BPF program {name}: {} instructions verified in {:?}", verified.unwrap_or(0), begin.elapsed()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
