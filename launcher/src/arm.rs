//! A held program into an armed one: its file read, a plan made, the probes attached. Or the reason why not.

use std::num::NonZeroU32;
use std::path::Path;

use bpf::config::SamplerSetting;

use crate::binary::{BinaryError, GoBinary};
use crate::child::{Auxv, MappedExe};
use crate::instrumentations::CATALOG;
use crate::kernel::KernelSupport;
use crate::probes::attach::{AttachError, Attached, attach};
use crate::probes::plan::Plan;

/// What of the configuration matters for arming.
#[derive(Clone, Debug)]
pub struct ArmSettings {
    /// The sampler, as the BPF object takes it.
    pub sampler: SamplerSetting,
    /// Instrumentations that the user switched off.
    pub disabled: Vec<String>,
}

/// A program with its probes in place, not running yet.
#[derive(Debug)]
pub struct Armed {
    /// The probes and what they report.
    pub attached: Attached,
    /// What was planned.
    pub plan: Plan,
    /// The program's file.
    pub exe: MappedExe,
    /// Difference of the program's addresses in the process to those in the file; `None` where it is not known.
    pub load_bias: Option<u64>,
}

/// Why a program is not traced.
#[derive(Debug, thiserror::Error)]
pub enum Untraced {
    /// The file is no Go program, so it may still execute one.
    #[error("{0}")]
    NotGo(BinaryError),
    /// The file is a Go program that cannot be read.
    #[error("{0}")]
    Unreadable(BinaryError),
    /// Nothing in the program is known to the launcher.
    #[error("nothing in this Go program can be traced: {0}")]
    NothingKnown(String),
    /// The kernel refused.
    #[error(transparent)]
    Refused(#[from] AttachError),
}

impl From<BinaryError> for Untraced {
    fn from(error: BinaryError) -> Self {
        match error {
            BinaryError::NotElf { what: _ } | BinaryError::NotGo => Self::NotGo(error),
            other => Self::Unreadable(other),
        }
    }
}

/// Reads the file of process `pid` and arms its probes. `path` must lead to the same file.
///
/// # Errors
/// With the reason why the program will not be traced; nothing stays attached then.
pub fn arm(pid: NonZeroU32, path: &Path, exe: MappedExe, auxv: Option<Auxv>, settings: &ArmSettings) -> Result<Armed, Untraced> {
    let (plan, load_bias) = {
        let binary = GoBinary::parse(&exe)?;
        let plan = Plan::new(CATALOG, &binary, &settings.disabled)?;
        (plan, auxv.and_then(|auxv| auxv.load_bias(binary.elf_entry().0)))
    };
    if plan.planned.is_empty() {
        let reasons: Vec<String> = plan.left_out.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        return Err(Untraced::NothingKnown(reasons.join("; ")));
    }
    let kind = KernelSupport::gather().uprobe_kind();
    let attached = attach(&plan, &settings.sampler, kind, path, pid)?;
    Ok(Armed { attached, plan, exe, load_bias })
}
