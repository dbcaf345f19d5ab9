//! A held process into an armed one: its file read, an engine chosen, a plan made, the probes put in place. Or the reason why not.

mod sampling;
mod untraced;

use std::num::NonZeroU32;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Instant;

use crate::binary::{Architecture, BuildInfo, GoBinary, VirtAddr};
use crate::capabilities::{is_raised, lowered};
use crate::child::{Auxv, Exe, MappedExe, Stopped};
use crate::config::{Config, Mode};
use crate::engine::bpf::{Uprobes, attach};
use crate::engine::native;
use crate::engine::{Attached, EngineKind};
use crate::executor::{self, Detour};
use crate::instrumentations::CATALOG;
use crate::kernel::KernelSupport;
use crate::log;
use crate::probes::plan::{Circumstances, Plan};
use crate::probes::site::Placement;

use sampling::sampling;
pub use untraced::Untraced;

/// A process with its probes in place, not running yet.
#[derive(Debug)]
pub struct Armed {
    /// The probes and what they report.
    pub attached: Attached,
    /// Which engine it is.
    pub engine: EngineKind,
    /// Why it is not the native one, where the user has left that to the launcher.
    pub not_native: Option<String>,
    /// What was planned.
    pub plan: Plan,
    /// What the Go program says about its build.
    pub build_info: BuildInfo,
    /// The Go program's file.
    pub exe: MappedExe,
    /// Difference of addresses in the process to those in the file; `None` where it is not known.
    pub load_bias: Option<u64>,
    /// An instruction for system calls of the Go program, in the file's addresses, where detours are to be placed.
    pub syscall: Option<VirtAddr>,
}

/// A process that is to be traced.
#[derive(Debug)]
pub struct Candidate<'a, 's, 't> {
    /// Its process.
    pub pid: NonZeroU32,
    /// A path that leads to its file.
    pub path: &'a Path,
    /// The file.
    pub exe: MappedExe,
    /// What the kernel told it about itself, where that is known.
    pub auxv: Option<Auxv>,
    /// How it waits.
    pub held: Held<'s, 't>,
}

/// Whether code can be put into a process.
#[derive(Debug)]
pub enum Held<'s, 't> {
    /// It stands at its exec stop, so that it can.
    AtExec(&'s mut Stopped<'t>),
    /// It cannot, and why.
    Not(String),
}

/// Opens the file and arms the process.
pub(crate) fn open_and_arm(
    pid: NonZeroU32,
    exe: &Exe,
    auxv: Option<Auxv>,
    held: Held<'_, '_>,
    config: &Config,
) -> Result<Armed, Untraced> {
    let file = MappedExe::open(exe);
    arm(Candidate { pid, path: &exe.path, exe: file.map_err(Untraced::Unopened)?, auxv, held }, config)
}

/// Makes the held process write what BPF wants written. Without that it is traced all the same.
fn place_executor(stopped: &mut Stopped<'_>, armed: &Armed) {
    let stack_high = armed.plan.detours().find_map(|detour| i32::try_from(detour.stack_high).ok());
    let (Some(load_bias), Some(syscall), Some(stack_high), Some(slots), Some(stand_ins)) =
        (armed.load_bias, armed.syscall, stack_high, &armed.attached.slots, &armed.attached.stand_ins)
    else {
        return;
    };
    let detours: Vec<Detour> =
        armed.plan.detours().map(|detour| Detour::new(detour.site, detour.moment, &detour.place, load_bias)).collect();
    let begin = Instant::now();
    let syscall = syscall.0.wrapping_add(load_bias);
    let memory = executor::Memory { slots: slots.as_fd(), stand_ins: stand_ins.as_fd() };
    match executor::place_into(stopped, syscall, memory, stack_high, &detours) {
        Ok(()) => log::debug(format_args!("{} detours placed in {:?}", detours.len(), begin.elapsed())),
        Err(error) => log::warn(format_args!("trace context is not injected: {error}")),
    }
}

/// Reads the file of a process and arms its probes. Needs the capabilities raised.
///
/// # Errors
/// With the reason why the process will not be traced; nothing stays attached then.
pub fn arm(candidate: Candidate<'_, '_, '_>, config: &Config) -> Result<Armed, Untraced> {
    contained(|| arm_process(candidate, config))
}

/// A panic must not end PID 1, and the command with it: it costs the trace only. (What it says goes to standard error.)
fn contained<T>(work: impl FnOnce() -> Result<T, Untraced>) -> Result<T, Untraced> {
    // What a panic leaves unfinished is owned by `work` and dropped with it.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or(Err(Untraced::Defect))
}

/// What the file says.
struct Read {
    plan: Plan,
    load_bias: Option<u64>,
    build_info: BuildInfo,
    syscall: Option<VirtAddr>,
}

/// Reads the file and plans for an engine that observes so, without power.
fn read(file: &[u8], auxv: Option<Auxv>, is_held: bool, placement: &dyn Placement, config: &Config) -> Result<Read, Untraced> {
    debug_assert!(!is_raised(), "a file is read without capabilities");
    let binary = GoBinary::parse(file)?;
    if binary.architecture() != Architecture::HERE {
        let why = format!("it is for {}, and this launcher is for {}", binary.architecture(), Architecture::HERE);
        return Err(Untraced::NothingKnown(why));
    }
    let load_bias = if binary.is_pie() { auxv.and_then(|auxv| auxv.load_bias(binary.elf_entry().0)) } else { Some(0) };
    let can_write = placement.stores() || executor::IS_FOR_BPF;
    let impossible = match (can_write, is_held, load_bias) {
        (false, ..) => Some(executor::NOT_FOR_BPF),
        (true, false, _) => Some("the process is not stopped at its first instruction"),
        (true, true, None) => Some("where it was loaded is not known"),
        (true, true, Some(_)) => None,
    };
    let circumstances = Circumstances {
        functions: &config.functions,
        disabled: &config.disabled_instrumentations,
        load_bias,
        not_written: config.not_written().or(impossible),
        not_stored: config.not_stored().or(impossible),
        sdk: config.sdk,
    };
    let plan = Plan::new(CATALOG, &binary, placement, circumstances)?;
    if plan.planned.is_empty() {
        let reasons: Vec<String> = plan.left_out.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
        return Err(Untraced::NothingKnown(reasons.join("; ")));
    }
    let syscall = if is_held { binary.syscall_instruction() } else { None };
    Ok(Read { plan, load_bias, build_info: binary.build_info().clone(), syscall })
}

/// The native engine, where it can be used, else BPF. One of them, and never both.
fn arm_process(candidate: Candidate<'_, '_, '_>, config: &Config) -> Result<Armed, Untraced> {
    let Candidate { pid, path, exe, auxv, mut held } = candidate;
    let not_native = match (native_obstacle(config), &mut held) {
        (Some(obstacle), _) => obstacle.to_owned(),
        (None, Held::Not(why)) => why.clone(),
        (None, Held::AtExec(stopped)) => match arm_natively(&exe, auxv, stopped, config)? {
            Ok((attached, read)) => return Ok(armed(attached, EngineKind::Native, None, read, exe)),
            Err(why) => why,
        },
    };
    if config.engine == Some(EngineKind::Native) {
        return Err(Untraced::NotNative(not_native));
    }
    // The file may be hostile.
    let read = match lowered(|| exe.read(|file| read(file, auxv, matches!(held, Held::AtExec(_)), &Uprobes, config))) {
        // Not what the program is like, but that there is no BPF for arm64.
        Err(Untraced::NothingKnown(_)) if !executor::IS_FOR_BPF && matches!(held, Held::Not(_)) => {
            return Err(Untraced::NotNative(not_native));
        }
        read => read?,
    };
    let kind = config.uprobes.unwrap_or_else(|| KernelSupport::gather().uprobe_kind());
    let attached = attach(&read.plan, &sampling(config), kind, path, pid);
    // The other one is out of the question for a process that runs already.
    let is_chosen = config.engine == Some(EngineKind::Bpf) || matches!(config.mode, Mode::Attach(_));
    let attached = match attached {
        Ok(attached) => attached.into(),
        Err(error) if is_chosen => return Err(error.into()),
        Err(bpf) => return Err(Untraced::NoEngine { native: not_native, bpf: Box::new(bpf) }),
    };
    let armed = armed(attached, EngineKind::Bpf, (!is_chosen).then_some(not_native), read, exe);
    if let Held::AtExec(stopped) = held {
        place_executor(stopped, &armed);
    }
    Ok(armed)
}

fn armed(attached: Attached, engine: EngineKind, not_native: Option<String>, read: Read, exe: MappedExe) -> Armed {
    let Read { plan, load_bias, build_info, syscall } = read;
    Armed { attached, engine, not_native, plan, build_info, exe, load_bias, syscall }
}

/// Why the native engine is not to be tried with any process.
pub(crate) fn native_obstacle(config: &Config) -> Option<&'static str> {
    if config.engine == Some(EngineKind::Bpf) {
        Some("--engine bpf")
    } else if !config.may_write {
        Some("--no-write")
    } else {
        None
    }
}

/// Puts the native engine into a held process. Within the outer result, why that cannot be: then the process is as it was.
fn arm_natively(
    exe: &MappedExe,
    auxv: Option<Auxv>,
    stopped: &mut Stopped<'_>,
    config: &Config,
) -> Result<Result<(Attached, Read), String>, Untraced> {
    let read = match lowered(|| exe.read(|file| read(file, auxv, true, &native::Detours, config))) {
        Err(Untraced::NothingKnown(reasons)) if config.engine.is_none() => return Ok(Err(reasons)),
        other => other?,
    };
    let place = native::Process { load_bias: read.load_bias, syscall: read.syscall, auxv };
    let begin = Instant::now();
    match native::attach(stopped, &read.plan, &sampling(config), place) {
        Ok(attached) => {
            log::debug(format_args!("native engine placed in {:?}", begin.elapsed()));
            Ok(Ok((attached, read)))
        }
        // The process is not what it was.
        Err(error) if error.is_fatal() => Err(Untraced::NotNative(error.to_string())),
        Err(error) => Ok(Err(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_reason_and_not_the_end() {
        assert!(matches!(contained::<()>(|| panic!("as intended")), Err(Untraced::Defect)));
        assert_eq!(contained(|| Ok(7)).unwrap(), 7);
    }
}
