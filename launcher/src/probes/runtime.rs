//! What an engine within the process needs to know of Go's runtime: the stacks of threads, and where signals come in. Pure.

use super::facts::Facts;
use super::fields::FieldReader;
use super::left_out::LeftOut;
use crate::binary::{Architecture, Function, JUMP, VirtAddr};

/// Functions that are looked for.
pub const FUNCTIONS: [&str; 2] = [SIGNAL, HANDLER];
/// Types that are read, besides those of [`super::parents`].
pub const TYPES: [&str; 1] = ["runtime.gobuf"];

/// Where the kernel enters for each signal (`runtime/sys_linux_amd64.s` and `sys_linux_arm64.s`, in this form since Go 1.20), …
const SIGNAL: &str = "runtime.sigtramp";
/// … and what it calls.
///
/// match-go: 1.20..: runtime.sigtrampgo(sig, info, ctx)
const HANDLER: &str = "runtime.sigtrampgo";
/// `MOVQ DI, AX; MOVQ SI, BX; MOVQ DX, CX`: the arguments of the kernel become those of Go (`ABIInternal`, Go ≥ 1.20).
const ARGUMENTS: [u8; 9] = [0x48, 0x89, 0xf8, 0x48, 0x89, 0xf3, 0x48, 0x89, 0xd1];
/// `BL (R3)`.
const CALL_R3: [u8; 4] = 0xd63f_0060_u32.to_le_bytes();

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// `g.m *m`.
    pub g_m: u32,
    /// `m.curg *g`.
    pub m_curg: u32,
    /// `m.g0 *g`.
    pub m_g0: u32,
    /// `g.sched.sp uintptr`.
    pub g_sched_sp: u32,
    /// The call in `runtime.sigtramp`.
    pub signal_call: VirtAddr,
    /// Its bytes.
    pub signal_bytes: Vec<u8>,
    /// What it calls.
    pub signal_handler: VirtAddr,
}

/// Looks for it.
///
/// # Errors
/// Where something is not as in the versions of Go that are known.
pub fn find(facts: &Facts<'_>) -> Result<Runtime, LeftOut> {
    let mut fields = FieldReader::new(&facts.layouts);
    let [g_m, m_curg, m_g0] = [("runtime.g", "m"), ("runtime.m", "curg"), ("runtime.m", "g0")]
        .map(|(of, field)| fields.required(of, field).map(|offset| offset.get()));
    let sched = fields.required("runtime.g", "sched")?.get();
    let stack_pointer = fields.required("runtime.gobuf", "sp")?.get();
    let (entry, handler) = (facts.function(SIGNAL)?, facts.function(HANDLER)?.entry);
    let (call, length) = match facts.binary.architecture() {
        Architecture::Amd64 => (amd64_call(facts, entry, handler)?, JUMP),
        Architecture::Arm64 => (arm64_call(facts, entry, handler)?, CALL_R3.len()),
    };
    let bytes = facts.binary.bytes_at(call, length).ok_or_else(|| not_understood("is not in the file"))?;
    Ok(Runtime {
        g_m: g_m?,
        m_curg: m_curg?,
        m_g0: m_g0?,
        g_sched_sp: sched.saturating_add(stack_pointer),
        signal_call: call,
        signal_bytes: bytes.to_vec(),
        signal_handler: handler,
    })
}

fn not_understood(what: &str) -> LeftOut {
    LeftOut::NotUnderstood(format!("{SIGNAL} {what}"))
}

/// The only call there.
fn amd64_call(facts: &Facts<'_>, entry: &Function, handler: VirtAddr) -> Result<VirtAddr, LeftOut> {
    let mut calls = facts.binary.calls(entry)?;
    let (Some(call), None) = (calls.next(), calls.next()) else {
        return Err(not_understood("does not make exactly one call"));
    };
    if call.target != handler {
        return Err(not_understood("does not call runtime.sigtrampgo"));
    }
    let before = call.site.0.checked_sub(ARGUMENTS.len() as u64).map(VirtAddr);
    if before.and_then(|before| facts.binary.bytes_at(before, ARGUMENTS.len())) != Some(ARGUMENTS.as_slice()) {
        return Err(not_understood("passes its arguments in another way (before Go 1.20)"));
    }
    Ok(call.site)
}

/// The only call there through a register; the other one is that of `runtime.load_g`. The arguments are where the kernel has them.
fn arm64_call(facts: &Facts<'_>, entry: &Function, handler: VirtAddr) -> Result<VirtAddr, LeftOut> {
    let mut calls = facts.binary.register_calls(entry)?;
    let (Some(call), None) = (calls.next(), calls.next()) else {
        return Err(not_understood("does not make exactly one call through a register"));
    };
    if call.target != handler || facts.binary.bytes_at(call.site, CALL_R3.len()) != Some(CALL_R3.as_slice()) {
        return Err(not_understood("does not call runtime.sigtrampgo"));
    }
    Ok(call.site)
}
