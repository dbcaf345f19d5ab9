//! What this kernel and these capabilities allow, asked once, with three answers: yes, no, and "could not find out".

mod preemption;

use std::fmt;

use aya::sys::{UProbeMultiFeature, is_uprobe_multi_supported};
use serde::Serialize;

use crate::capabilities::{held, raised};

pub use preemption::Preemption;

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
    /// How it preempts itself, if it does.
    #[serde(skip)]
    pub preemption: Option<Preemption>,
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
        Self { release, multi_uprobe, capabilities: held(), preemption: Preemption::of_this_kernel() }
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

impl KernelSupport {
    /// Why nothing can be traced here, as far as can be told without loading anything.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        let Self { release, multi_uprobe, capabilities, preemption: _ } = self;
        let has = |name: &str| capabilities.contains(&name);
        if version(release).is_some_and(|version| version < OLDEST) {
            return Some(format!("Linux {}.{} or newer is needed (for the stacks of the BPF programs)", OLDEST.0, OLDEST.1));
        }
        if let Some(preemption) = self.preemption {
            return Some(format!("BPF must not be used in a kernel that preempts itself ({preemption})"));
        }
        match multi_uprobe {
            Support::Unknown(why) => Some(format!("BPF needs CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN ({why})")),
            Support::No if !has("CAP_SYS_ADMIN") => Some("before Linux 6.10 probes need CAP_SYS_ADMIN".to_owned()),
            Support::Yes if !(has("CAP_SYS_ADMIN") || has("CAP_BPF") && has("CAP_PERFMON")) => {
                Some("probes need CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN".to_owned())
            }
            Support::Yes | Support::No => None,
        }
    }
}

/// The oldest kernel whose verifier takes the BPF programs: the first in which each function has a stack of 512 bytes
/// (`bpf_enable_private_stack`), and not all that call each other.
const OLDEST: (u32, u32) = (6, 13);

/// Major and minor number of a release such as `6.18.44-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(['.', '-']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

impl fmt::Display for KernelSupport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { release, multi_uprobe, capabilities, preemption: _ } = self;
        let held = if capabilities.is_empty() { "none that matters".to_owned() } else { capabilities.join(", ") };
        let how = match multi_uprobe {
            Support::Yes => "one multi-uprobe link per BPF program",
            Support::No => "perf events, one per probe (multi-uprobe links with a process filter need Linux 6.10)",
            Support::Unknown(_) => "how probes would be attached could not be found out",
        };
        write!(f, "Linux {release}, {how}; capabilities: {held}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obstacle(release: &str, multi_uprobe: Support, capabilities: &[&'static str]) -> Option<String> {
        let (release, capabilities) = (release.to_owned(), capabilities.to_vec());
        KernelSupport { release, multi_uprobe, capabilities, preemption: None }.obstacle()
    }

    #[test]
    fn what_a_machine_lacks_is_named() {
        let two = ["CAP_BPF", "CAP_PERFMON"];
        assert_eq!(obstacle("6.18.44", Support::Yes, &two), None);
        assert_eq!(obstacle("6.18.44-amd64", Support::Yes, &["CAP_SYS_ADMIN"]), None);
        assert_eq!(obstacle("6.13.0", Support::No, &["CAP_SYS_ADMIN"]), None);
        let named = |release, multi, capabilities, what: &str| {
            let why = obstacle(release, multi, capabilities).unwrap();
            assert!(why.contains(what), "{why}");
        };
        named("6.12-rc1", Support::No, &["CAP_SYS_ADMIN"], "Linux 6.13");
        named("6.13.0", Support::No, &two, "CAP_SYS_ADMIN");
        named("6.18.44", Support::Yes, &["CAP_BPF"], "CAP_PERFMON");
        named("6.18.44", Support::Unknown("EPERM".to_owned()), &[], "(EPERM)");
    }
}
