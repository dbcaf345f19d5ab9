//! Which function a deferred call through a register calls, amd64.
//!
//! The compiler keeps open-coded defers in stack slots and calls them at each way out
//! (`cmd/compile/internal/ssagen/ssa.go`, `openDeferExit`): `MOVQ slot(SP), DX; MOVQ (DX), r; CALL r`. A slot holds the
//! address of a closure, on the stack or in read-only data, whose first word is the address of its code. All stores to
//! a slot must agree.

use iced_x86::{Code, FlowControl, Instruction, InstructionInfoFactory, OpAccess, OpKind, Register};

use super::super::super::VirtAddr;
use super::flow::Flow;
use super::{EndClass, Found, Surroundings};

/// How far before its use a register may have been set.
const MAX_DISTANCE: usize = 40;

/// The beginning of the function that the call with this index calls.
pub(super) fn callee(flow: &Flow, call: usize, surroundings: &impl Surroundings) -> Option<VirtAddr> {
    let closure = code_pointer(flow, call)?;
    let load = flow.instructions.get(closure)?;
    (load.memory_displacement64() == 0).then_some(())?;
    let definition = definition(flow, closure, load.memory_base())?;
    let found = flow.instructions.get(definition)?;
    let entry = match stack_operand(found) {
        Some(slot) if found.code() == Code::Mov_r64_rm64 => {
            all_stores(flow, slot, |value| closure_code(flow, value, surroundings))?
        }
        _ => closure_code(flow, found, surroundings)?,
    };
    let function = surroundings.function_at(VirtAddr(entry))?;
    (function.entry.0 == entry).then_some(function.entry)
}

/// The `MOVQ x(r1), r2` that loaded what the call with this index calls.
fn code_pointer(flow: &Flow, call: usize) -> Option<usize> {
    let instruction = flow.instructions.get(call)?;
    (instruction.code() == Code::Call_rm64 && instruction.op0_kind() == OpKind::Register).then_some(())?;
    let load = definition(flow, call, instruction.op0_register())?;
    let found = flow.instructions.get(load)?;
    let plain = found.code() == Code::Mov_r64_rm64 && found.op1_kind() == OpKind::Memory;
    (plain && found.memory_base().is_gpr64() && found.memory_index() == Register::None).then_some(load)
}

/// The code of the closure whose address `found` gives: `LEAQ x(SP), r` or `LEAQ x(RIP), r`.
fn closure_code(flow: &Flow, found: &Instruction, surroundings: &impl Surroundings) -> Option<u64> {
    (found.code() == Code::Lea_r64_m).then_some(())?;
    if found.is_ip_rel_memory_operand() {
        return surroundings.word(VirtAddr(found.ip_rel_memory_address()));
    }
    all_stores(flow, stack_operand(found)?, |value| {
        let code = value.code() == Code::Lea_r64_m && value.is_ip_rel_memory_operand();
        code.then(|| value.ip_rel_memory_address())
    })
}

/// What all stores to the stack slot agree on; `meaning` reads the instruction that set the stored register. Zeros do
/// not count.
fn all_stores(flow: &Flow, slot: i64, meaning: impl Fn(&Instruction) -> Option<u64>) -> Option<u64> {
    let mut info = InstructionInfoFactory::new();
    let mut agreed = None;
    for (index, instruction) in flow.instructions.iter().enumerate() {
        if instruction.op0_kind() != OpKind::Memory {
            continue;
        }
        let Some(at) = stack_operand(instruction) else { continue };
        let size = i64::try_from(instruction.memory_size().size()).ok()?;
        let overlaps = at < slot.saturating_add(8) && slot < at.saturating_add(size);
        if !overlaps || !writes(&mut info, instruction) {
            continue;
        }
        // X15 is zero in all Go code (`cmd/compile/abi-internal.md`).
        let zero = instruction.op1_register() == Register::XMM15
            || (instruction.code() == Code::Mov_rm64_imm32 && instruction.immediate(1) == 0);
        if zero {
            continue;
        }
        (instruction.code() == Code::Mov_rm64_r64 && at == slot).then_some(())?;
        let set = definition(flow, index, instruction.op1_register())?;
        let value = meaning(flow.instructions.get(set)?)?;
        (*agreed.get_or_insert(value) == value).then_some(())?;
    }
    agreed
}

fn writes(info: &mut InstructionInfoFactory, instruction: &Instruction) -> bool {
    !matches!(info.info(instruction).op0_access(), OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess)
}

/// `x` of a memory operand `x(SP)`. (Go code does not move the stack pointer within a function.)
fn stack_operand(instruction: &Instruction) -> Option<i64> {
    let plain = instruction.memory_base() == Register::RSP && instruction.memory_index() == Register::None;
    let has_memory = (0..instruction.op_count()).any(|operand| instruction.op_kind(operand) == OpKind::Memory);
    (plain && has_memory).then(|| instruction.memory_displacement64().cast_signed())
}

/// The instruction that gave `register` the value it has at `at`, if there is one way only from there to here.
fn definition(flow: &Flow, at: usize, register: Register) -> Option<usize> {
    let mut info = InstructionInfoFactory::new();
    let mut here = at;
    for _ in 0..MAX_DISTANCE {
        if flow.ways_to(here).next().is_some() {
            return None;
        }
        here = here.checked_sub(1)?;
        let instruction = flow.instructions.get(here)?;
        let control = instruction.flow_control();
        matches!(control, FlowControl::Next | FlowControl::ConditionalBranch).then_some(())?;
        let sets = info.info(instruction).used_registers().iter().any(|used| {
            let read = matches!(used.access(), OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess);
            !read && used.register().full_register() == register.full_register()
        });
        if sets {
            return Some(here);
        }
    }
    None
}

/// Numbers the runs of deferred calls: within a run, from its first to its last return address, the function calls a
/// deferred function only where it is a site. So one range of return addresses stands for all of them.
pub(super) fn number_runs(flow: &Flow, sites: &mut [Found], surroundings: &impl Surroundings) {
    let deferred = |site: &Found| site.class == EndClass::OpenCodedDefer;
    if sites.iter().filter(|site| deferred(site)).count() < 2 {
        return;
    }
    let guards: Vec<u64> = sites.iter().filter_map(|site| site.guard).collect();
    let starts: Vec<u64> = sites.iter().filter(|site| deferred(site)).map(|site| site.address).collect();
    let is_deferred = |callee: VirtAddr| {
        let function = surroundings.function_at(callee).and_then(|called| surroundings.push_frame(called.entry));
        function.is_some_and(|push| starts.contains(&push.0))
    };
    let may_call_one = |(index, instruction): (usize, &Instruction)| {
        let back = instruction.next_ip();
        let control = instruction.flow_control();
        let calls = if guards.contains(&back) {
            false
        } else if control == FlowControl::IndirectCall {
            // A function value is called through its first word, a method through one behind an itab's head.
            let method = |load: usize| flow.instructions.get(load).is_some_and(|load| load.memory_displacement64() != 0);
            !code_pointer(flow, index).is_some_and(method)
        } else {
            control == FlowControl::Call && is_deferred(VirtAddr(instruction.near_branch_target()))
        };
        calls.then_some(back)
    };
    let breaks: Vec<u64> = flow.instructions.iter().enumerate().filter_map(may_call_one).collect();
    for site in sites.iter_mut().filter(|site| site.class == EndClass::OpenCodedDefer) {
        site.run = site.guard.map_or(0, |guard| breaks.partition_point(|&back| back < guard));
    }
}
