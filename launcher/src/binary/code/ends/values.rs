//! What the instructions between a site and its `RET` do to registers and stack, symbolically. amd64.
//!
//! Every value is said in terms of the site: a register there, a stack slot there, a constant. What may fault between
//! site and `RET` is refused: the hit would count, and the `RET` would never be reached.

use iced_x86::{Code, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register};

use super::super::super::VirtAddr;
use super::ResultLocation;

/// The registers that hold integer results, in the order of Go's ABI (`cmd/compile/abi-internal.md`).
const RESULTS: [Register; super::MAX_RESULT_WORDS] = [
    Register::RAX,
    Register::RBX,
    Register::RCX,
    Register::RDI,
    Register::RSI,
    Register::R8,
    Register::R9,
    Register::R10,
    Register::R11,
];
/// The number of RSP.
const SP: u8 = 4;
/// All bits of a word.
const WORD: u8 = 64;

/// A value between site and `RET`; `None` where nothing is known of it.
type Value = Option<ResultLocation>;

/// Registers and stack at one point between site and `RET`.
#[derive(Clone, Debug)]
pub(super) struct State {
    registers: [Value; 16],
    /// What was stored since the site: (offset from the stack pointer of the site, size, value), oldest first.
    stores: Vec<(i64, usize, Value)>,
    /// Whether a global variable was written: which, is not noted.
    wrote_global: bool,
}

impl State {
    /// At the site itself.
    pub(super) fn at_site() -> Self {
        let register = |number| Some(ResultLocation::Register { number, offset: 0, bits: WORD });
        let mut registers = [None; 16];
        for (number, value) in (0..).zip(&mut registers) {
            *value = register(number);
        }
        Self { registers, stores: Vec::new(), wrote_global: false }
    }

    /// Behind a call that changes all registers; the stack pointer is that of the site plus `offset`.
    pub(super) fn behind_call(offset: i64) -> Self {
        let mut registers = [None; 16];
        registers[usize::from(SP)] = Some(ResultLocation::Register { number: SP, offset, bits: WORD });
        Self { registers, stores: Vec::new(), wrote_global: false }
    }

    /// Behind a call that changes only these registers.
    pub(super) fn forget(mut self, registers: &[Register]) -> Self {
        for register in registers {
            self.set(*register, None);
        }
        self
    }

    /// Where the first `count` results are, at a `RET`.
    pub(super) fn results(&self, count: usize) -> Option<Vec<ResultLocation>> {
        RESULTS.iter().take(count).map(|register| self.get(*register)).collect()
    }

    fn get(&self, register: Register) -> Value {
        (register.is_gpr64()).then(|| self.registers.get(register.number()).copied().flatten())?
    }

    fn set(&mut self, register: Register, value: Value) {
        if let Some(slot) = register.is_gpr().then(|| self.registers.get_mut(register.full_register().number())).flatten() {
            *slot = value;
        }
    }

    /// Runs one instruction that goes on to the next one. `None`: it may fault, or is not understood.
    pub(super) fn run(&mut self, info: &mut InstructionInfoFactory, instruction: &Instruction) -> Option<()> {
        // The divisions fault, the others have no place in compiled Go.
        if instruction.is_privileged() || matches!(instruction.mnemonic(), Mnemonic::Div | Mnemonic::Idiv) {
            return None;
        }
        if self.run_move(instruction)? {
            return Some(());
        }
        self.run_any(info, instruction)
    }

    /// The instructions whose effect on values is known; `Some(false)` for any other.
    fn run_move(&mut self, instruction: &Instruction) -> Option<bool> {
        let (code, to) = (instruction.code(), instruction.op0_register());
        if matches!(code, Code::Mov_r64_rm64 | Code::Mov_rm64_r64 | Code::Mov_rm64_imm32 | Code::Mov_r64_imm64) {
            let value = self.operand(instruction, 1, WORD)?;
            self.write(instruction, 8, value)?;
        } else if matches!(code, Code::Mov_r32_rm32 | Code::Mov_r32_imm32) {
            let value = self.operand(instruction, 1, 32)?;
            self.set(to, value);
        } else if code == Code::Mov_rm32_r32 && instruction.op0_kind() == OpKind::Register {
            let value = self.operand(instruction, 1, 32)?;
            self.set(to, value);
        } else if matches!(code, Code::Movzx_r32_rm8 | Code::Movzx_r64_rm8) {
            let value = self.operand(instruction, 1, 8)?;
            self.set(to, value);
        } else if matches!(code, Code::Movzx_r32_rm16 | Code::Movzx_r64_rm16) {
            let value = self.operand(instruction, 1, 16)?;
            self.set(to, value);
        } else if code == Code::Lea_r64_m {
            self.set(to, self.address(instruction));
        } else if matches!(code, Code::Xor_r32_rm32 | Code::Xor_rm32_r32 | Code::Xor_r64_rm64 | Code::Xor_rm64_r64)
            && instruction.op0_kind() == OpKind::Register
            && instruction.op1_kind() == OpKind::Register
            && to == instruction.op1_register()
        {
            self.set(to, Some(ResultLocation::Constant(0)));
        } else if matches!(code, Code::Add_rm64_imm8 | Code::Add_rm64_imm32 | Code::Sub_rm64_imm8 | Code::Sub_rm64_imm32)
            && instruction.op0_kind() == OpKind::Register
        {
            let amount = instruction.immediate(1).cast_signed();
            let amount = if instruction.mnemonic() == Mnemonic::Add { amount } else { amount.checked_neg()? };
            self.set(to, self.get(to).and_then(|value| plus(value, amount)));
        } else if code == Code::Pop_r64 {
            let top = self.stack_offset(Register::RSP, 0)?;
            self.set(to, self.load(top, WORD));
            self.set(Register::RSP, Some(ResultLocation::Register { number: SP, offset: top.checked_add(8)?, bits: WORD }));
        } else if code == Code::Push_r64 {
            let top = self.stack_offset(Register::RSP, -8)?;
            let value = self.get(to);
            self.stores.push((top, 8, value));
            self.set(Register::RSP, Some(ResultLocation::Register { number: SP, offset: top, bits: WORD }));
        } else if code == Code::Movups_xmmm128_xmm
            && instruction.op1_register() == Register::XMM15
            && instruction.op0_kind() == OpKind::Memory
        {
            // X15 is zero in all Go code (`cmd/compile/abi-internal.md`).
            let (at, zero) = (self.place(instruction)?, Some(ResultLocation::Constant(0)));
            self.store(&at, 8, zero);
            if let Place::Stack(at) = at {
                self.store(&Place::Stack(at.checked_add(8)?), 8, zero);
            }
        } else {
            return Some(false);
        }
        Some(true)
    }

    /// Any other instruction: what it writes is unknown afterwards.
    fn run_any(&mut self, info: &mut InstructionInfoFactory, instruction: &Instruction) -> Option<()> {
        let reads = |access| matches!(access, OpAccess::None | OpAccess::Read | OpAccess::CondRead | OpAccess::NoMemAccess);
        let info = info.info(instruction);
        let touches = info.used_memory().iter().any(|used| !matches!(used.access(), OpAccess::None | OpAccess::NoMemAccess));
        if touches {
            let place = self.place(instruction)?;
            let writes = info.used_memory().iter().any(|used| !reads(used.access()));
            if writes {
                let size = instruction.memory_size().size();
                // A repeated string operation, for example, writes more than its operand's size.
                (size > 0 && info.used_memory().len() == 1 && !instruction.has_rep_prefix()).then_some(())?;
                self.store(&place, size, None);
            }
        }
        for used in info.used_registers() {
            if !reads(used.access()) {
                // Without a known stack pointer nothing can be said of the stack.
                (used.register().full_register() != Register::RSP).then_some(())?;
                self.set(used.register(), None);
            }
        }
        Some(())
    }

    /// Operand 1 of a move, of which `bits` are taken and the rest is zero. The outer `None`: reading it may fault.
    fn operand(&self, instruction: &Instruction, index: u32, bits: u8) -> Option<Value> {
        let kind = instruction.op_kind(index);
        if kind == OpKind::Register {
            let register = instruction.op_register(index);
            // AH, BH, CH and DH are not low bits.
            let high = matches!(register, Register::AH | Register::BH | Register::CH | Register::DH);
            let value = if high { None } else { self.get(register.full_register()) };
            return Some(value.and_then(|value| low_bits(value, bits)));
        }
        if kind == OpKind::Memory {
            return Some(match self.place(instruction)? {
                Place::Stack(at) => self.load(at, bits),
                Place::Global(_) if self.wrote_global => None,
                Place::Global(address) => Some(ResultLocation::Global { address: VirtAddr(address), bits }),
            });
        }
        Some(low_bits(ResultLocation::Constant(instruction.immediate(index)), bits))
    }

    /// Writes `value` of `size` bytes to operand 0. `None`: that may fault.
    fn write(&mut self, instruction: &Instruction, size: usize, value: Value) -> Option<()> {
        if instruction.op0_kind() == OpKind::Register {
            if instruction.op0_register() == Register::RSP {
                // MOVQ BP, SP does not occur; the stack pointer must stay known.
                return None;
            }
            self.set(instruction.op0_register(), value);
            return Some(());
        }
        let place = self.place(instruction)?;
        self.store(&place, size, value);
        Some(())
    }

    fn store(&mut self, place: &Place, size: usize, value: Value) {
        match place {
            Place::Stack(at) => self.stores.push((*at, size, value)),
            Place::Global(_) => self.wrote_global = true,
        }
    }

    /// The memory operand, if it cannot fault: on the stack, or a global variable.
    fn place(&self, instruction: &Instruction) -> Option<Place> {
        if instruction.is_ip_rel_memory_operand() {
            return Some(Place::Global(instruction.ip_rel_memory_address()));
        }
        let plain = instruction.memory_index() == Register::None && instruction.segment_prefix() == Register::None;
        plain.then_some(())?;
        let displacement = instruction.memory_displacement64().cast_signed();
        self.stack_offset(instruction.memory_base(), displacement).map(Place::Stack)
    }

    /// What `LEAQ` gives.
    fn address(&self, instruction: &Instruction) -> Value {
        if instruction.is_ip_rel_memory_operand() {
            return Some(ResultLocation::Address(VirtAddr(instruction.ip_rel_memory_address())));
        }
        (instruction.memory_index() == Register::None).then_some(())?;
        plus(self.get(instruction.memory_base())?, instruction.memory_displacement64().cast_signed())
    }

    /// `displacement(base)` as bytes from the stack pointer of the site, if `base` points into the stack.
    fn stack_offset(&self, base: Register, displacement: i64) -> Option<i64> {
        let Some(ResultLocation::Register { number: SP, offset, bits: WORD }) = self.get(base) else { return None };
        offset.checked_add(displacement)
    }

    /// The stack slot at `at`, of which `bits` are read.
    fn load(&self, at: i64, bits: u8) -> Value {
        let size = usize::from(bits / 8);
        let end = |at: i64, size: usize| at.saturating_add(i64::try_from(size).unwrap_or(i64::MAX));
        let overlaps = |store: &&(i64, usize, Value)| store.0 < end(at, size) && at < end(store.0, store.1);
        match self.stores.iter().rev().find(overlaps) {
            None => Some(ResultLocation::Stack { offset: at, bits }),
            Some(&(there, written, value)) if there == at && written >= size => low_bits(value?, bits),
            Some(_partly) => None,
        }
    }
}

/// Memory that is always there.
enum Place {
    /// Bytes from the stack pointer of the site.
    Stack(i64),
    /// An address in the file.
    Global(u64),
}

/// The low `bits` of a value.
fn low_bits(value: ResultLocation, bits: u8) -> Value {
    let cut = |there: u8| there.min(bits);
    match value {
        ResultLocation::Register { number, offset, bits: there } => {
            Some(ResultLocation::Register { number, offset, bits: cut(there) })
        }
        ResultLocation::Stack { offset, bits: there } => Some(ResultLocation::Stack { offset, bits: cut(there) }),
        ResultLocation::Global { address, bits: there } => Some(ResultLocation::Global { address, bits: cut(there) }),
        ResultLocation::Constant(number) if bits == WORD => Some(ResultLocation::Constant(number)),
        ResultLocation::Constant(number) => Some(ResultLocation::Constant(number & ((1 << bits) - 1))),
        ResultLocation::Address(address) => (bits == WORD).then_some(ResultLocation::Address(address)),
    }
}

/// A value plus a constant, where that can be said.
fn plus(value: ResultLocation, amount: i64) -> Value {
    match value {
        ResultLocation::Register { number, offset, bits: WORD } => {
            Some(ResultLocation::Register { number, offset: offset.checked_add(amount)?, bits: WORD })
        }
        ResultLocation::Constant(number) => Some(ResultLocation::Constant(number.wrapping_add_signed(amount))),
        ResultLocation::Address(address) => Some(ResultLocation::Address(VirtAddr(address.0.wrapping_add_signed(amount)))),
        unchanged if amount == 0 => Some(unchanged),
        ResultLocation::Register { number: _, offset: _, bits: _ }
        | ResultLocation::Stack { offset: _, bits: _ }
        | ResultLocation::Global { address: _, bits: _ } => None,
    }
}
