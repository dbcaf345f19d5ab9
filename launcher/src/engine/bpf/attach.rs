//! Probes onto the process: one multi-uprobe link per BPF program, or perf events where the kernel is too old for that.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::thread::JoinHandle;

use aya::maps::MapData;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLink, UProbeScope};
use aya::programs::{ProgramError, UProbe};
use bpf::config::{Cookie, Settings};

use super::object::{Object, ObjectError, source_chain, verify};
use super::program;
use super::ring::RingRecords;
use super::routes::Routes;
use crate::engine::{Attached, Probes, Sampling};
use crate::kernel::{Preemption, UprobeKind};
use crate::log;
use crate::probes::plan::Plan;
use crate::probes::probe::{Body, Probe};
use crate::probes::site::Site;

/// Why no probes could be attached.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// BPF programs must not run in this kernel.
    #[error(
        "this kernel preempts itself ({0}), and its BPF programs for uprobes may share a stack then; boot it with preempt=voluntary"
    )]
    Preempts(Preemption),
    /// The BPF object was refused.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// The kernel refused a link.
    #[error(
        "the kernel refused the probes of the BPF program {name} on {path} for process {pid} ({}); Linux 6.13, CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN) are needed",
        source_chain(.source)
    )]
    Link {
        /// Name of the BPF program.
        name: &'static str,
        /// The probed file.
        path: String,
        /// The process.
        pid: u32,
        /// What the kernel said.
        #[source]
        source: ProgramError,
    },
    /// There are no more descriptors.
    #[error("a BPF map cannot be kept ({0})")]
    Descriptor(std::io::Error),
}

/// Probes in place, and what they report.
#[derive(Debug)]
pub struct BpfAttached {
    /// What they report.
    pub records: RingRecords,
    /// The probes.
    pub probes: BpfProbes,
    /// The map in which BPF puts what the process is to write ([`bpf::slots`]); it can be mapped.
    pub slots: OwnedFd,
    /// The map of what stands in for spans ([`bpf::trace::stand_in`]); likewise.
    pub stand_ins: OwnedFd,
    /// How many sites there are.
    pub sites: usize,
}

impl From<BpfAttached> for Attached {
    fn from(attached: BpfAttached) -> Self {
        let BpfAttached { records, probes, slots, stand_ins, sites } = attached;
        Self { records: Box::new(records), probes: Box::new(probes), slots: Some(slots), stand_ins: Some(stand_ins), sites }
    }
}

/// Links and BPF programs in the kernel. They go when this is dropped; the kernel then needs some milliseconds for that.
pub struct BpfProbes {
    /// The attachments, one for each BPF program.
    links: Vec<UProbeLink>,
    /// The one that may go earlier.
    pub routes: Option<Routes>,
    /// Holds the BPF programs.
    object: Object,
}

/// Loads what `plan` needs and attaches it to the file at `path` for the process `pid` alone.
///
/// # Errors
/// Where the kernel preempts itself, or refuses the object, a BPF program or a link. Nothing stays attached then.
pub fn attach(
    plan: &Plan,
    sampling: &Sampling,
    kind: UprobeKind,
    path: &Path,
    pid: NonZeroU32,
) -> Result<BpfAttached, AttachError> {
    if let Some(preemption) = Preemption::of_this_kernel() {
        return Err(AttachError::Preempts(preemption));
    }
    let mut object = Object::load(plan, sampling)?;
    let mut by_body: BTreeMap<Body, Vec<(&Probe, &Site)>> = BTreeMap::new();
    for (probe, site) in plan.sites() {
        by_body.entry(probe.event.body).or_default().push((probe, site));
    }
    let bodies: Vec<Body> = by_body.keys().copied().collect();
    let programs = object.programs(&bodies, kind)?;
    // Each BPF program on a thread of its own: most of an attachment is waiting for the kernel's grace periods.
    let mut links = std::thread::scope(|scope| {
        let attaching = programs.into_iter().map(|(body, program)| {
            let sites = by_body.get(&body).map(Vec::as_slice).unwrap_or_default();
            scope.spawn(move || attach_program((body, kind), program, sites, path, pid).map(|link| (body, link)))
        });
        let attaching: Vec<_> = attaching.collect();
        let joined = attaching.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.collect::<Result<Vec<_>, _>>()
    })?;
    let (records, slots, stand_ins) =
        (object.take_records()?, object.take_mappable("SLOTS")?, object.take_mappable("STAND_INS")?);
    let descriptor = |map: &MapData| map.fd().as_fd().try_clone_to_owned().map_err(AttachError::Descriptor);
    let (slots, stand_ins) = (descriptor(&slots)?, descriptor(&stand_ins)?);
    let routes = match links.iter().position(|(body, _)| *body == Body::HttpRoute) {
        Some(index) => {
            let is_needed = by_body.contains_key(&Body::Http2Request);
            Some(Routes::new(object.take_routes()?, links.swap_remove(index).1, is_needed))
        }
        None => None,
    };
    let links = links.into_iter().map(|(_body, link)| link).collect();
    Ok(BpfAttached { records, slots, stand_ins, sites: plan.sites().count(), probes: BpfProbes { links, routes, object } })
}

/// Verifies a body's BPF program and attaches it to its sites.
fn attach_program(
    (body, kind): (Body, UprobeKind),
    program: &mut UProbe,
    sites: &[(&Probe, &Site)],
    path: &Path,
    pid: NonZeroU32,
) -> Result<UProbeLink, AttachError> {
    verify(body, kind, program)?;
    let points = sites.iter().map(|(probe, site)| UProbeAttachPoint {
        location: UProbeAttachLocation::AbsoluteOffset(site.offset.0),
        cookie: Some(Cookie { event: probe.event.number, recipe: site.recipe }.to_bits()),
    });
    let name = program::name(body, kind);
    let refused = |source| AttachError::Link { name, path: path.display().to_string(), pid: pid.get(), source };
    let id = program.attach(points, path, UProbeScope::OneProcess(pid)).map_err(refused)?;
    program.take_link(id).map_err(refused)
}

impl Probes for BpfProbes {
    fn set(&mut self, settings: &Settings) -> std::io::Result<()> {
        self.object.set(settings).map_err(std::io::Error::other)
    }

    fn forget(&mut self) {
        self.object.forget();
    }

    fn judge(&mut self) -> Option<JoinHandle<()>> {
        let link = self.routes.as_mut()?.judge()?;
        log::debug(format_args!("routes are noted in the requests themselves: the probe of the mux is taken away"));
        detach_link(link)
    }

    /// Each BPF program's link on a thread of its own: the kernel makes us wait for grace periods here too. The process does not end
    /// before the kernel is done with them.
    fn detach(self: Box<Self>) -> Vec<JoinHandle<()>> {
        let Self { links, routes, object } = *self;
        let threads = links.into_iter().chain(routes.and_then(Routes::into_link)).filter_map(detach_link).collect();
        drop(object);
        threads
    }

    /// Not by `detach`: its threads would be killed by the end of the process, and a thread with a fatal signal pending cannot
    /// restore another process's memory (`get_user_pages_remote` fails; the kernel says "failed to unregister, leaking
    /// uprobe", and the breakpoints stay for as long as the process runs; seen on 6.18). The closing of files at the end of
    /// a process, by `exit` or SIGKILL, has no such signal pending.
    fn leave_until_exit(self: Box<Self>) {
        std::mem::forget(self);
    }
}

/// Takes one link away, on a thread of its own; where the system gives none, at once.
fn detach_link(link: UProbeLink) -> Option<JoinHandle<()>> {
    std::thread::Builder::new().name("detach".to_owned()).spawn(move || drop(link)).ok()
}

impl std::fmt::Debug for BpfProbes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BpfProbes").finish_non_exhaustive()
    }
}
