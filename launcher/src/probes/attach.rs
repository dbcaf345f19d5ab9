//! Probes onto the program: one multi-uprobe link per BPF program, or perf events where the kernel is too old for that.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::Path;

use aya::maps::{Array, MapData, RingBuf};
use aya::programs::ProgramError;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeScope};
use bpf::config::SamplerSetting;

use super::object::{Object, ObjectError, source_chain};
use super::plan::{Plan, Site};
use crate::kernel::UprobeKind;

/// Why no probes could be attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The BPF object was refused.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The kernel refused a link.
    #[error("the kernel refused the probes of {program} on {path} for process {pid} ({})", source_chain(.source))]
    Link {
        /// Name of the BPF program.
        program: &'static str,
        /// The probed file.
        path: String,
        /// The process.
        pid: u32,
        /// What the kernel said.
        #[source]
        source: ProgramError,
    },
}

/// Probes in place. They go when this is dropped; the kernel then needs some milliseconds for that.
pub struct Attached {
    /// The ring buffer's reading end.
    pub records: RingBuf<MapData>,
    /// Records that found no room.
    pub lost: Array<MapData, u64>,
    /// Holds the programs and their links.
    pub object: Object,
    /// How many probes there are.
    pub sites: usize,
}

/// Loads what `plan` needs and attaches it to the file at `path` for the process `pid` alone.
///
/// # Errors
/// Where the kernel refuses the object, a program or a link. Nothing stays attached then.
pub fn attach(
    plan: &Plan,
    sampler: &SamplerSetting,
    kind: UprobeKind,
    path: &Path,
    pid: NonZeroU32,
) -> Result<Attached, AttachError> {
    let globals = plan.planned.iter().flat_map(|planned| &planned.globals);
    let mut object = Object::load(globals, sampler)?;
    let mut by_program: BTreeMap<&'static str, Vec<&Site>> = BTreeMap::new();
    for site in plan.sites() {
        by_program.entry(site.program).or_default().push(site);
    }
    for (program, sites) in by_program {
        let points = sites.iter().map(|site| UProbeAttachPoint {
            location: UProbeAttachLocation::AbsoluteOffset(site.offset.0),
            cookie: Some(u64::from(site.cookie)),
        });
        object
            .program(program, kind)?
            .attach(points, path, UProbeScope::OneProcess(pid))
            .map_err(|source| AttachError::Link { program, path: path.display().to_string(), pid: pid.get(), source })?;
    }
    Ok(Attached { records: object.take_records()?, lost: object.take_lost()?, sites: plan.sites().count(), object })
}

impl std::fmt::Debug for Attached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { records: _, lost: _, object: _, sites } = self;
        f.debug_struct("Attached").field("sites", sites).finish_non_exhaustive()
    }
}
