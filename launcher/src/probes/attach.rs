//! Probes onto the program: one multi-uprobe link per BPF program, or perf events where the kernel is too old for that.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::path::Path;
use std::thread::JoinHandle;

use aya::maps::{Array, MapData, RingBuf};
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLink, UProbeScope};
use aya::programs::{ProgramError, UProbe};
use bpf::config::SamplerSetting;

use super::object::{Object, ObjectError, source_chain, verify};
use super::plan::{Plan, Site};
use super::routes::{ROUTE, Routes, WITHOUT_ROUTE};
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
    /// What nothing came of, by [`bpf::missed::Missed`].
    pub missed: Array<MapData, u64>,
    /// What the program is to write.
    slots: MapData,
    /// What keeps them in place.
    pub probes: Probes,
    /// How many probes there are.
    pub sites: usize,
}

impl Attached {
    /// The map in which BPF puts what the program is to write ([`bpf::slots`]); it can be mapped.
    #[must_use]
    pub fn slots(&self) -> BorrowedFd<'_> {
        self.slots.fd().as_fd()
    }
}

/// Links and programs in the kernel.
pub struct Probes {
    /// The attachments, one for each program.
    links: Vec<UProbeLink>,
    /// The one that may go earlier.
    pub routes: Option<Routes>,
    /// Holds the programs.
    object: Object,
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
    let mut object = Object::load(globals, sampler, plan.load_bias, plan.goroutines)?;
    object.set_context_types(plan.context_types())?;
    let mut by_program: BTreeMap<&'static str, Vec<&Site>> = BTreeMap::new();
    for site in plan.sites() {
        by_program.entry(site.program).or_default().push(site);
    }
    let names: Vec<&'static str> = by_program.keys().copied().collect();
    let programs = object.programs(&names, kind)?;
    // Each program on a thread of its own: most of an attachment is waiting for the kernel's grace periods.
    let mut links = std::thread::scope(|scope| {
        let attaching = programs.into_iter().map(|(name, program)| {
            let sites = by_program.get(name).map(Vec::as_slice).unwrap_or_default();
            scope.spawn(move || attach_program(name, program, sites, path, pid).map(|link| (name, link)))
        });
        let attaching: Vec<_> = attaching.collect();
        let joined = attaching.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.collect::<Result<Vec<_>, _>>()
    })?;
    let (records, missed, slots) = (object.take_records()?, object.take_missed()?, object.take_slots()?);
    let routes = match links.iter().position(|(name, _)| *name == ROUTE) {
        Some(index) => {
            Some(Routes::new(object.take_routes()?, links.swap_remove(index).1, by_program.contains_key(WITHOUT_ROUTE)))
        }
        None => None,
    };
    let links = links.into_iter().map(|(_name, link)| link).collect();
    Ok(Attached { records, missed, slots, sites: plan.sites().count(), probes: Probes { links, routes, object } })
}

/// Verifies one program and attaches it to its sites.
fn attach_program(
    name: &'static str,
    program: &mut UProbe,
    sites: &[&Site],
    path: &Path,
    pid: NonZeroU32,
) -> Result<UProbeLink, AttachError> {
    verify(name, program)?;
    let points = sites.iter().map(|site| UProbeAttachPoint {
        location: UProbeAttachLocation::AbsoluteOffset(site.offset.0),
        cookie: Some(u64::from(site.cookie)),
    });
    let refused = |source| AttachError::Link { program: name, path: path.display().to_string(), pid: pid.get(), source };
    let id = program.attach(points, path, UProbeScope::OneProcess(pid)).map_err(refused)?;
    program.take_link(id).map_err(refused)
}

/// Leaves probes in a program that is still running until this process ends, which takes them away.
///
/// Not [`detach`]: its threads would be killed by the end of the process, and a thread with a fatal signal pending cannot
/// restore another process's memory (`get_user_pages_remote` fails; the kernel says "failed to unregister, leaking
/// uprobe", and the breakpoints stay for as long as the program runs; seen on 6.18). The closing of files at the end of
/// a process, by `exit` or SIGKILL, has no such signal pending.
pub fn leave_until_exit(probes: Probes) {
    std::mem::forget(probes);
}

/// Takes probes away from a program that has ended, each BPF program's on a thread of its own: the kernel makes us wait for grace
/// periods here too.
///
/// Returns the threads at once; the process does not end before the kernel is done with them.
#[must_use]
pub fn detach(probes: Probes) -> Vec<JoinHandle<()>> {
    let Probes { links, routes, object } = probes;
    let threads = links.into_iter().chain(routes.and_then(Routes::into_link)).filter_map(detach_link).collect();
    drop(object);
    threads
}

/// Takes one link away, on a thread of its own. Without a thread it goes with the process.
#[must_use]
pub fn detach_link(link: UProbeLink) -> Option<JoinHandle<()>> {
    std::thread::Builder::new().name("detach".to_owned()).spawn(move || drop(link)).ok()
}

impl Probes {
    /// Forgets what is remembered of the program, which has begun anew.
    pub fn forget(&mut self) {
        self.object.forget();
    }
}

impl std::fmt::Debug for Probes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probes").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Attached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { records: _, missed: _, slots: _, probes: _, sites } = self;
        f.debug_struct("Attached").field("sites", sites).finish_non_exhaustive()
    }
}
