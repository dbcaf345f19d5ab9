//! What the instructions between a site and its `RET` do to registers and stack, symbolically. amd64.
//!
//! Every value is said in terms of the site: a register there, memory there, a constant.

use iced_x86::{Code, Instruction, InstructionInfoFactory, Mnemonic, OpAccess, OpKind, Register};

use super::moves::{Value, WORD, loaded, low_bits, moved_bits, plus, zeroed_words};
use super::{Base, ResultLocation};

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
pub(super) const STACK_POINTER: u8 = 4;

/// Registers and stack at one point between site and `RET`.
#[derive(Clone, Debug)]
pub(super) struct State {
    registers: [Value; 16],
    /// What was stored to the stack since the site: (offset from the stack pointer there, size, value), oldest first.
    stores: Vec<(i64, usize, Value)>,
    /// Whether other memory was written, or may have been by a callee: what is loaded from there is unknown.
    wrote_elsewhere: bool,
    /// Whether an instruction since the site has stored to other memory than the stack.
    has_stored: bool,
    may_panic: bool,
}

impl State {
    /// At the site itself.
    pub(super) fn at_site() -> Self {
        let mut registers = [None; 16];
        for (number, value) in (0..).zip(&mut registers) {
            *value = Some(ResultLocation::direct(Base::Register(number), 0));
        }
        Self { registers, stores: Vec::new(), wrote_elsewhere: false, has_stored: false, may_panic: false }
    }

    /// Behind a call that changes all registers; the stack pointer is that of the site plus `offset`.
    pub(super) fn behind_call(offset: i64) -> Self {
        let mut registers = [None; 16];
        registers[usize::from(STACK_POINTER)] = Some(ResultLocation::direct(Base::Register(STACK_POINTER), offset));
        Self { registers, stores: Vec::new(), wrote_elsewhere: true, has_stored: false, may_panic: true }
    }

    /// Behind a call that changes only these registers.
    pub(super) fn forget(mut self, registers: &[Register]) -> Self {
        for register in registers {
            self.set(*register, None);
        }
        self
    }

    /// Whether memory but the stack slots of this function may have been written since the site.
    pub(super) fn wrote_elsewhere(&self) -> bool {
        self.wrote_elsewhere
    }

    /// Whether an instruction since the site has stored to other memory than the stack: what results point to may not be complete there.
    pub(super) fn has_stored(&self) -> bool {
        self.has_stored
    }

    /// Whether a panic may have begun since the site.
    pub(super) fn may_panic(&self) -> bool {
        self.may_panic
    }

    /// How far the stack pointer is above where it was at the site.
    pub(super) fn stack_pointer(&self) -> Option<i64> {
        self.stack_offset(Register::RSP, 0)
    }

    /// Where the first `count` results are, at a `RET`.
    pub(super) fn results(&self, count: usize) -> Option<Vec<ResultLocation>> {
        RESULTS.iter().take(count).map(|register| self.get(*register)).collect()
    }

    fn get(&self, register: Register) -> Value {
        let number = register.is_gpr().then(|| register.full_register().number())?;
        self.registers.get(number).copied().flatten()
    }

    fn set(&mut self, register: Register, value: Value) {
        let number = register.is_gpr().then(|| register.full_register().number());
        if let Some(slot) = number.and_then(|number| self.registers.get_mut(number)) {
            *slot = value;
        }
    }

    /// Runs one instruction that goes on to the next one. `None`: it is not understood.
    pub(super) fn run(&mut self, info: &mut InstructionInfoFactory, instruction: &Instruction) -> Option<()> {
        // The divisions may fault otherwise than by their address, the privileged ones have no place in compiled Go.
        if instruction.is_privileged() || matches!(instruction.mnemonic(), Mnemonic::Div | Mnemonic::Idiv) {
            return None;
        }
        if self.run_move(instruction)? { Some(()) } else { self.run_any(info, instruction) }
    }

    /// The instructions whose effect on values is known; `Some(false)` for any other.
    fn run_move(&mut self, instruction: &Instruction) -> Option<bool> {
        let (code, to) = (instruction.code(), instruction.op0_register());
        let of_registers = instruction.op0_kind() == OpKind::Register;
        if let Some(bits) = moved_bits(instruction) {
            let value = self.operand(instruction, 1, bits);
            self.write(instruction, value)?;
        } else if code == Code::Lea_r64_m {
            self.set(to, self.address(instruction));
        } else if matches!(code, Code::Xor_r32_rm32 | Code::Xor_rm32_r32 | Code::Xor_r64_rm64 | Code::Xor_rm64_r64)
            && of_registers
            && instruction.op1_kind() == OpKind::Register
            && to == instruction.op1_register()
        {
            self.set(to, Some(ResultLocation::direct(Base::Zero, 0)));
        } else if matches!(code, Code::Add_rm64_imm8 | Code::Add_rm64_imm32 | Code::Sub_rm64_imm8 | Code::Sub_rm64_imm32)
            && of_registers
        {
            let amount = instruction.immediate(1).cast_signed();
            let amount = if instruction.mnemonic() == Mnemonic::Add { amount } else { amount.checked_neg()? };
            self.set(to, self.get(to).and_then(|value| plus(value, amount)));
        } else if code == Code::Pop_r64 {
            let top = self.stack_offset(Register::RSP, 0)?;
            let value = self.load(top, WORD);
            self.set(Register::RSP, Some(ResultLocation::direct(Base::Register(STACK_POINTER), top.checked_add(8)?)));
            self.set(to, value);
        } else if code == Code::Push_r64 {
            let top = self.stack_offset(Register::RSP, -8)?;
            self.stores.push((top, 8, self.get(to)));
            self.set(Register::RSP, Some(ResultLocation::direct(Base::Register(STACK_POINTER), top)));
        } else if let Some(words) = zeroed_words(instruction) {
            let zero = Some(ResultLocation::direct(Base::Zero, 0));
            match self.place(instruction) {
                Some(Place::Stack(at)) => (0..words).for_each(|word| self.stores.push((at.saturating_add(word * 8), 8, zero))),
                other => self.wrote_outside(other.is_some()),
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
        if info.used_memory().iter().any(|used| !matches!(used.access(), OpAccess::None | OpAccess::NoMemAccess)) {
            // String operations name their memory by registers that are no operand.
            (0..instruction.op_count()).any(|index| instruction.op_kind(index) == OpKind::Memory).then_some(())?;
            let place = self.place(instruction);
            let writes = info.used_memory().iter().any(|used| !reads(used.access()));
            match place {
                Some(Place::Stack(at)) if writes => {
                    let size = instruction.memory_size().size();
                    (size > 0 && info.used_memory().len() == 1).then_some(())?;
                    self.stores.push((at, size, None));
                }
                other if writes => self.wrote_outside(other.is_some()),
                other => self.may_panic |= other.is_none(),
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

    /// A source operand of which `bits` are taken; the rest is zero.
    fn operand(&mut self, instruction: &Instruction, index: u32, bits: u8) -> Value {
        let kind = instruction.op_kind(index);
        if kind == OpKind::Register {
            let register = instruction.op_register(index);
            // AH, BH, CH and DH are not low bits.
            let high = matches!(register, Register::AH | Register::BH | Register::CH | Register::DH);
            return if high { None } else { Some(low_bits(self.get(register)?, bits)) };
        }
        if kind != OpKind::Memory {
            let number = instruction.immediate(index).cast_signed();
            return Some(low_bits(ResultLocation::direct(Base::Zero, number), bits));
        }
        match self.place(instruction) {
            Some(Place::Stack(at)) => self.load(at, bits),
            _ if self.wrote_elsewhere => {
                self.may_panic |= !instruction.is_ip_rel_memory_operand();
                None
            }
            place => {
                self.may_panic |= place.is_none();
                let plain = instruction.segment_prefix() == Register::None;
                plain.then(|| self.address(instruction)).flatten().and_then(|address| loaded(address, bits))
            }
        }
    }

    /// Writes a whole register or word to operand 0.
    fn write(&mut self, instruction: &Instruction, value: Value) -> Option<()> {
        if instruction.op0_kind() == OpKind::Register {
            // The stack pointer must stay known.
            (instruction.op0_register() != Register::RSP).then_some(())?;
            self.set(instruction.op0_register(), value);
            return Some(());
        }
        match self.place(instruction) {
            Some(Place::Stack(at)) => self.stores.push((at, 8, value)),
            other => self.wrote_outside(other.is_some()),
        }
        Some(())
    }

    fn wrote_outside(&mut self, never_faults: bool) {
        self.wrote_elsewhere = true;
        self.has_stored = true;
        self.may_panic |= !never_faults;
    }

    /// The memory operand, if it cannot fault: on the stack, a global variable, or in the running goroutine's `runtime.g`.
    fn place(&self, instruction: &Instruction) -> Option<Place> {
        let base = instruction.memory_base();
        let plain = instruction.memory_index() == Register::None;
        if instruction.is_ip_rel_memory_operand() || (plain && (base == Register::R14 || base == Register::None)) {
            return Some(Place::Elsewhere);
        }
        (plain && instruction.segment_prefix() == Register::None).then_some(())?;
        let displacement = instruction.memory_displacement64().cast_signed();
        self.stack_offset(base, displacement).map(Place::Stack)
    }

    /// What `LEAQ` gives.
    fn address(&self, instruction: &Instruction) -> Value {
        if instruction.is_ip_rel_memory_operand() {
            let address = instruction.ip_rel_memory_address().cast_signed();
            return Some(ResultLocation::direct(Base::Image, address));
        }
        (instruction.memory_index() == Register::None).then_some(())?;
        plus(self.get(instruction.memory_base())?, instruction.memory_displacement64().cast_signed())
    }

    /// `displacement(base)` as bytes from the stack pointer of the site, if `base` points into the stack.
    fn stack_offset(&self, base: Register, displacement: i64) -> Option<i64> {
        let value = self.get(base)?;
        let stack = value == ResultLocation::direct(Base::Register(STACK_POINTER), value.offset);
        stack.then(|| value.offset.checked_add(displacement)).flatten()
    }

    /// The stack slot at `at`, of which `bits` are read.
    fn load(&self, at: i64, bits: u8) -> Value {
        let size = usize::from(bits / 8);
        let end = |at: i64, size: usize| at.saturating_add(i64::try_from(size).unwrap_or(i64::MAX));
        let overlaps = |store: &&(i64, usize, Value)| store.0 < end(at, size) && at < end(store.0, store.1);
        match self.stores.iter().rev().find(overlaps) {
            None => loaded(ResultLocation::direct(Base::Register(STACK_POINTER), at), bits),
            Some(&(there, written, value)) if there == at && written >= size => Some(low_bits(value?, bits)),
            Some(_partly) => None,
        }
    }
}

/// Memory that is always there.
enum Place {
    /// Bytes from the stack pointer of the site.
    Stack(i64),
    /// Not on the stack.
    Elsewhere,
}
