//! x86-64. The Go prologue is: stack check (`CMPQ SP, 16(R14)` or a longer form in R12; `JBE`), `PUSHQ BP`, `MOVQ SP, BP`,
//! `SUBQ $frame, SP`. The stack check writes no argument register.

use iced_x86::{
    Code, ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, OpAccess, Register,
};

use super::super::VirtAddr;
use super::{Call, Cost, EntryKind, Site};

/// The longest prologue (frame above 4 KiB) has fewer instructions than this before `PUSHQ BP`.
const MAX_PROLOGUE: usize = 14;
/// `runtime.g.stackguard0`, which the stack check reads through R14.
const STACK_GUARD: u64 = 16;

/// What must still be live at an entry site: the registers of Go's internal ABI for integer arguments in order, the
/// closure's context, the current goroutine, the stack.
const LIVE: [Register; 12] = [
    Register::RAX,
    Register::RBX,
    Register::RCX,
    Register::RDI,
    Register::RSI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
    Register::RDX,
    Register::R14,
    Register::RSP,
];

fn decoder(code: &[u8], start: u64) -> Decoder<'_> {
    Decoder::with_ip(64, code, start, DecoderOptions::NONE)
}

/// Chooses `PUSHQ BP`, else the stack check's branch, else a frameless function's first branch, else the beginning.
pub(super) fn entry_site(code: &[u8], start: u64) -> Option<Site> {
    let mut info = InstructionInfoFactory::new();
    let mut checks_stack = false;
    let mut only_stack_branches = true;
    let mut branch: Option<Site> = None;
    for instruction in decoder(code, start).into_iter().take(MAX_PROLOGUE) {
        let site = |kind| Site { address: instruction.ip(), kind, cost: cost(&instruction) };
        if instruction.code() == Code::Push_r64 && instruction.op0_register() == Register::RBP && only_stack_branches {
            return Some(site(EntryKind::PushFrame));
        }
        if instruction.flow_control() == FlowControl::ConditionalBranch {
            only_stack_branches &= matches!(instruction.condition_code(), ConditionCode::b | ConditionCode::be);
            if checks_stack && only_stack_branches {
                branch = Some(site(EntryKind::BranchNotTaken));
            }
            branch = branch.or(Some(site(EntryKind::Branch)));
            continue;
        }
        if instruction.is_invalid() || instruction.flow_control() != FlowControl::Next || clobbers(&mut info, &instruction) {
            break;
        }
        checks_stack |= compares_stack_guard(&instruction);
    }
    let once = |site: &Site| site.kind != EntryKind::Branch || !runs_again(code, start, site.address);
    branch.filter(once).or_else(|| first_instruction(code, start))
}

/// `CMPQ r, 16(R14)`.
fn compares_stack_guard(instruction: &Instruction) -> bool {
    instruction.code() == Code::Cmp_r64_rm64
        && instruction.memory_base() == Register::R14
        && instruction.memory_displacement64() == STACK_GUARD
}

/// Whether the instruction may write a register that an entry probe needs.
fn clobbers(info: &mut InstructionInfoFactory, instruction: &Instruction) -> bool {
    info.info(instruction).used_registers().iter().any(|used| {
        let register = used.register();
        let read_only = matches!(used.access(), OpAccess::None | OpAccess::Read | OpAccess::CondRead);
        !read_only && (LIVE.contains(&register.full_register()) || register.is_vector_register())
    })
}

/// Whether a branch of the function leads to `site` or before it, so that it may run more than once per call.
fn runs_again(code: &[u8], start: u64, site: u64) -> bool {
    decoder(code, start)
        .into_iter()
        .filter(|instruction| {
            let flow = instruction.flow_control();
            matches!(flow, FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch)
        })
        .any(|branch| (start..=site).contains(&branch.near_branch_target()))
}

fn first_instruction(code: &[u8], start: u64) -> Option<Site> {
    let kind = if runs_again(code, start, start) { EntryKind::FirstInstruction } else { EntryKind::FirstOfLeaf };
    Some(Site { address: start, kind, cost: cost_of_first(code)? })
}

/// The cost class of the first instruction of `code`.
pub(super) fn cost_of_first(code: &[u8]) -> Option<Cost> {
    let instruction = decoder(code, 0).into_iter().next()?;
    (!instruction.is_invalid()).then(|| cost(&instruction))
}

/// As `arch/x86/kernel/uprobes.c` decides (`branch_setup_xol_ops`, `push_setup_xol_ops`): jumps, calls and conditional
/// branches relative to RIP, the one-byte `NOP`, and `PUSH` of a 64-bit register without needless prefixes.
pub(super) fn cost(instruction: &Instruction) -> Cost {
    let code = instruction.code();
    let transfer = matches!(code, Code::Jmp_rel8_64 | Code::Jmp_rel32_64 | Code::Call_rel32_64);
    let nop = matches!(code, Code::Nopw | Code::Nopd | Code::Nopq) && instruction.len() == 1;
    let push = code == Code::Push_r64 && instruction.len() <= 2;
    if transfer || nop || push || instruction.is_jcc_short_or_near() { Cost::Emulated } else { Cost::SingleStep }
}

/// The `CALL rel32` instructions in the order of addresses.
pub(super) fn calls(code: &[u8], start: u64) -> impl Iterator<Item = Call> {
    let mut decoder = decoder(code, start);
    let mut instruction = Instruction::default();
    std::iter::from_fn(move || {
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            if instruction.code() == Code::Call_rel32_64 {
                let target = VirtAddr(instruction.near_branch_target());
                return Some(Call { site: VirtAddr(instruction.ip()), target });
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CMPQ SP, 16(R14); JBE +0x30; PUSHQ BP; MOVQ SP, BP`.
    const USUAL: [u8; 10] = [0x49, 0x3b, 0x66, 0x10, 0x76, 0x30, 0x55, 0x48, 0x89, 0xe5];

    #[test]
    fn push_behind_the_stack_check() {
        let site = entry_site(&USUAL, 0x1000).unwrap();
        assert_eq!(site, Site { address: 0x1006, kind: EntryKind::PushFrame, cost: Cost::Emulated });
    }

    #[test]
    fn push_first_in_a_function_without_stack_check() {
        let site = entry_site(&USUAL[6..], 0x1000).unwrap();
        assert_eq!((site.address, site.kind), (0x1000, EntryKind::PushFrame));
    }

    #[test]
    fn the_branch_if_an_argument_is_written_before_push() {
        // ... JBE; MOVQ CX, AX; PUSHQ BP
        let code = [&USUAL[..6], &[0x48, 0x89, 0xc8, 0x55]].concat();
        let site = entry_site(&code, 0x1000).unwrap();
        assert_eq!(site, Site { address: 0x1004, kind: EntryKind::BranchNotTaken, cost: Cost::Emulated });
    }

    #[test]
    fn the_second_branch_of_a_huge_frame() {
        // MOVQ SP, R12; SUBQ $0x2000, R12; JB +0x30; CMPQ R12, 16(R14); JBE +0x30; XORL AX, AX
        let code =
            [0x49, 0x89, 0xe4, 0x49, 0x81, 0xec, 0, 0x20, 0, 0, 0x72, 0x30, 0x4d, 0x3b, 0x66, 0x10, 0x76, 0x30, 0x31, 0xc0];
        let site = entry_site(&code, 0).unwrap();
        assert_eq!((site.address, site.kind), (16, EntryKind::BranchNotTaken));
    }

    #[test]
    fn the_first_branch_of_a_leaf_unless_it_may_run_again() {
        // TESTQ AX, AX; JE +1; NOP; RET
        let leaf = [0x48, 0x85, 0xc0, 0x74, 0x01, 0x90, 0xc3];
        assert_eq!(entry_site(&leaf, 0).unwrap(), Site { address: 3, kind: EntryKind::Branch, cost: Cost::Emulated });
        // the same with JMP back to the start
        let again = [0x48, 0x85, 0xc0, 0x74, 0x02, 0xeb, 0xf9, 0xc3];
        let site = entry_site(&again, 0).unwrap();
        assert_eq!(site, Site { address: 0, kind: EntryKind::FirstInstruction, cost: Cost::SingleStep });
    }

    #[test]
    fn the_first_instruction_of_a_leaf_unless_it_may_run_again() {
        // INCQ AX; RET
        let leaf = [0x48, 0xff, 0xc0, 0xc3];
        assert_eq!(entry_site(&leaf, 0).unwrap(), Site { address: 0, kind: EntryKind::FirstOfLeaf, cost: Cost::SingleStep });
        // INCQ AX; JMP back to it
        let again = [0x48, 0xff, 0xc0, 0xeb, 0xfb, 0xc3];
        assert_eq!(entry_site(&again, 0).unwrap().kind, EntryKind::FirstInstruction);
    }

    #[test]
    fn what_the_kernel_emulates() {
        let class = |bytes: &[u8]| cost_of_first(bytes).unwrap();
        for emulated in
            [&[0x55][..], &[0x41, 0x57], &[0xe8, 0, 0, 0, 0], &[0xe9, 0, 0, 0, 0], &[0xeb, 0], &[0x0f, 0x86, 0, 0, 0, 0], &[0x90]]
        {
            assert_eq!(class(emulated), Cost::Emulated, "{emulated:x?}");
        }
        for stepped in [&[0xc3][..], &[0xff, 0xd0], &[0x5d], &[0x49, 0x3b, 0x66, 0x10], &[0x66, 0x90], &[0x0f, 0x1f, 0x00]] {
            assert_eq!(class(stepped), Cost::SingleStep, "{stepped:x?}");
        }
        assert_eq!(cost_of_first(&[]), None);
        assert_eq!(cost_of_first(&[0x49]), None);
    }

    #[test]
    fn calls_in_order() {
        let code = [0xe8, 0xfb, 0xff, 0xff, 0xff, 0xff, 0xd0, 0xe8, 1, 0, 0, 0, 0xc3];
        let found: Vec<_> = calls(&code, 0x100).map(|call| (call.site.0, call.target.0)).collect();
        assert_eq!(found, [(0x100, 0x100), (0x107, 0x10d)]);
    }
}
