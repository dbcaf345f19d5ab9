//! What this kernel and these capabilities allow, asked once, with three answers: yes, no, and "could not find out".

use std::fmt;

use aya::sys::{UProbeMultiFeature, is_uprobe_multi_supported};
use serde::Serialize;

use crate::capabilities::{held, raised};

/// How uprobes are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UprobeKind {
    /// One link for all sites of a program (kernel ≥ 6.10, where its process filter is right: commit 46ba0e49b642).
    Multi,
    /// One perf event per site.
    PerfEvent,
}

/// An answer of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// It works.
    Yes,
    /// It does not.
    No,
    /// The question itself was refused; why.
    Unknown(String),
}

/// What matters for probing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KernelSupport {
    /// Release of the kernel, `uname -r`.
    pub release: String,
    /// Multi-uprobe links with a process filter.
    pub multi_uprobe: Support,
    /// The capabilities permitted to us, as far as they matter.
    pub capabilities: Vec<&'static str>,
}

impl KernelSupport {
    /// Asks the kernel.
    #[must_use]
    pub fn gather() -> Self {
        let release = nix::sys::utsname::uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
        let multi_uprobe = match raised(|| is_uprobe_multi_supported(UProbeMultiFeature::ProcessScopedPidFilter)) {
            Ok(true) => Support::Yes,
            Ok(false) => Support::No,
            Err(error) => Support::Unknown(error.to_string()),
        };
        Self { release, multi_uprobe, capabilities: held() }
    }

    /// The way to attach uprobes here.
    #[must_use]
    pub fn uprobe_kind(&self) -> UprobeKind {
        match self.multi_uprobe {
            Support::Yes => UprobeKind::Multi,
            Support::No | Support::Unknown(_) => UprobeKind::PerfEvent,
        }
    }
}

impl fmt::Display for KernelSupport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { release, multi_uprobe, capabilities } = self;
        let how = match multi_uprobe {
            Support::Yes => "one multi-uprobe link per BPF program".to_owned(),
            Support::No => "perf events, one per probe (multi-uprobe links with a process filter need Linux 6.10)".to_owned(),
            Support::Unknown(why) => format!("not allowed here ({why}): BPF needs CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN"),
        };
        let held = if capabilities.is_empty() { "none of those that matter".to_owned() } else { capabilities.join(", ") };
        writeln!(f, "\nkernel        {release}\nprobes        {how}\ncapabilities  {held}")
    }
}
