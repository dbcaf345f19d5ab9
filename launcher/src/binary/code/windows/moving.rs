//! Which instructions mean the same in a thunk as in their function, amd64.

use iced_x86::{Code, FlowControl, Instruction, InstructionInfoFactory, OpAccess, Register};

/// `runtime.g.stackguard0`, which the stack check reads through R14.
const STACK_GUARD: u64 = 16;

/// Tells it of one instruction after the other.
pub(super) struct Moving {
    info: InstructionInfoFactory,
    /// In assembly BP may be anything.
    has_frame_pointer: bool,
}

impl Moving {
    pub(super) fn new(is_assembly: bool) -> Self {
        Self { info: InstructionInfoFactory::new(), has_frame_pointer: !is_assembly }
    }

    /// Whether the instruction goes on to the next one, does not change the stack pointer, addresses nothing relative to itself, and
    /// reads and writes no memory but the stack, which is always there.
    pub(super) fn is_plain(&mut self, instruction: &Instruction) -> bool {
        if instruction.is_invalid() || instruction.flow_control() != FlowControl::Next || instruction.is_ip_rel_memory_operand() {
            return false;
        }
        let has_frame_pointer = self.has_frame_pointer;
        let info = self.info.info(instruction);
        let moves_stack = info.used_registers().iter().any(|used| {
            used.register().full_register() == Register::RSP && !matches!(used.access(), OpAccess::None | OpAccess::Read)
        });
        let is_on_stack = info.used_memory().iter().all(|used| {
            let is_base = used.base() == Register::RSP || (used.base() == Register::RBP && has_frame_pointer);
            used.access() == OpAccess::NoMemAccess || (is_base && used.index() == Register::None)
        });
        !moves_stack && is_on_stack
    }
}

/// A conditional jump: it leads to the same place from anywhere, with a displacement of its own.
pub(super) fn is_jump(instruction: &Instruction) -> bool {
    instruction.is_jcc_short_or_near()
}

/// What a stack check has besides plain instructions: it reads the goroutine, adds to what it compares, and jumps.
pub(super) fn is_check(instruction: &Instruction) -> bool {
    reads_stack_guard(instruction) || is_jump(instruction)
}

/// `CMPQ r, 16(R14)`.
pub(super) fn reads_stack_guard(instruction: &Instruction) -> bool {
    instruction.code() == Code::Cmp_r64_rm64
        && instruction.memory_base() == Register::R14
        && instruction.memory_index() == Register::None
        && instruction.memory_displacement64() == STACK_GUARD
}

/// `PUSHQ BP`.
pub(super) fn is_push_of_frame(instruction: &Instruction) -> bool {
    instruction.code() == Code::Push_r64 && instruction.op0_register() == Register::RBP
}

/// `SUBQ $frame, SP` or `ADDQ $-128, SP`.
pub(super) fn is_frame(instruction: &Instruction) -> bool {
    changes_stack(instruction, |code| matches!(code, Code::Sub_rm64_imm8 | Code::Sub_rm64_imm32 | Code::Add_rm64_imm8))
}

/// `ADDQ $frame, SP` or `SUBQ $-128, SP`, or `POPQ BP`.
pub(super) fn ends_frame(instruction: &Instruction) -> bool {
    let pops = instruction.code() == Code::Pop_r64 && instruction.op0_register() == Register::RBP;
    let is_end = |code| matches!(code, Code::Add_rm64_imm8 | Code::Add_rm64_imm32 | Code::Sub_rm64_imm8);
    pops || changes_stack(instruction, is_end)
}

fn changes_stack(instruction: &Instruction, is_wanted: impl Fn(Code) -> bool) -> bool {
    is_wanted(instruction.code()) && instruction.op0_register() == Register::RSP
}
