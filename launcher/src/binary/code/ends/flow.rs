//! A function's instructions and the ways between them, amd64.

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, OpKind, Register};

use super::super::super::VirtAddr;
use super::Surroundings;

/// No function whose end is asked for is longer (`(*conn).serve` has 8 KiB). This and the next two bound the work that a
/// damaged file makes.
const MAX_CODE: usize = 1 << 16;
/// The most jumps, each entry of a jump table counted.
const MAX_EDGES: usize = 1 << 16;
/// The most `RET`s. Functions with more than 30 are rare.
const MAX_RETURNS: usize = 256;
/// Go makes jump tables of at least 8 entries (`cmd/compile/internal/walk/switch.go`); none has this many.
const MAX_TABLE: u64 = 1024;
/// The `LEAQ` of a jump table stands right before the jump.
const TABLE_DISTANCE: usize = 8;

/// How control gets from one instruction to another that is not the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// A conditional jump that is taken.
    Taken,
    /// A jump.
    Jump,
    /// A jump through a table.
    Table,
}

/// A jump: (to, from, how), by index of instruction.
type Edge = (usize, usize, Way);

/// Where the jumps of the function at `start` lead, whose code is `code`, those through tables too.
pub(in super::super::super) fn jump_targets(
    code: &[u8],
    start: u64,
    surroundings: &impl Surroundings,
) -> Result<Vec<u64>, &'static str> {
    let Flow { instructions, edges } = Flow::read(code, start, surroundings)?;
    Ok(edges.into_iter().filter_map(|(to, _, _)| Some(instructions.get(to)?.ip())).collect())
}

/// A decoded function.
pub(super) struct Flow {
    pub(super) instructions: Vec<Instruction>,
    /// Sorted.
    edges: Vec<Edge>,
}

impl Flow {
    /// Decodes `code`, which begins at `start`; why not, where an exit would be missed.
    pub(super) fn read(code: &[u8], start: u64, surroundings: &impl Surroundings) -> Result<Self, &'static str> {
        if code.len() > MAX_CODE {
            return Err("it is too long");
        }
        let decoder = Decoder::with_ip(64, code, start, DecoderOptions::NONE);
        let instructions: Vec<Instruction> = decoder.into_iter().collect();
        if instructions.iter().any(Instruction::is_invalid) {
            return Err("its code cannot be decoded");
        }
        let returns = instructions.iter().filter(|instruction| instruction.flow_control() == FlowControl::Return);
        if returns.count() > MAX_RETURNS {
            return Err("it returns in too many places");
        }
        let mut flow = Self { instructions, edges: Vec::new() };
        for from in 0..flow.instructions.len() {
            flow.add_edges(from, surroundings)?;
            if flow.edges.len() > MAX_EDGES {
                return Err("it jumps too often");
            }
        }
        flow.edges.sort_unstable();
        Ok(flow)
    }

    fn add_edges(&mut self, from: usize, surroundings: &impl Surroundings) -> Result<(), &'static str> {
        let Some(instruction) = self.instructions.get(from).copied() else { return Ok(()) };
        let control = instruction.flow_control();
        let way = if control == FlowControl::ConditionalBranch { Way::Taken } else { Way::Jump };
        if matches!(control, FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch) {
            let near = instruction.op0_kind() == OpKind::NearBranch64;
            let to = near.then(|| self.index_of(instruction.near_branch_target())).flatten();
            self.edges.push((to.ok_or("it ends in another function, by a jump")?, from, way));
        }
        if control == FlowControl::IndirectBranch {
            let before = self.edges.len();
            self.add_table(from, &instruction, surroundings);
            if self.edges.len() == before {
                return Err("it jumps to an unknown place");
            }
        }
        Ok(())
    }

    /// `LEAQ table(RIP), base; …; JMP (base)(index*8)`: all words behind `table` that are places in this function.
    ///
    /// The next table may be read along with it, which only makes more ways than there are.
    fn add_table(&mut self, from: usize, jump: &Instruction, surroundings: &impl Surroundings) {
        let base = jump.memory_base();
        let scaled = jump.code() == Code::Jmp_rm64 && jump.memory_index_scale() == 8 && jump.memory_displacement64() == 0;
        if !scaled || base == Register::None {
            return;
        }
        let before = self.instructions.get(from.saturating_sub(TABLE_DISTANCE)..from).unwrap_or_default();
        let address_of = |instruction: &Instruction| {
            let lea = instruction.code() == Code::Lea_r64_m && instruction.is_ip_rel_memory_operand();
            (lea && instruction.op0_register() == base).then(|| instruction.ip_rel_memory_address())
        };
        let Some(table) = before.iter().rev().find_map(address_of) else { return };
        let entries = (0..MAX_TABLE).map_while(|entry| {
            let word = surroundings.word(VirtAddr(table.checked_add(entry * 8)?))?;
            self.index_of(word)
        });
        let entries: Vec<usize> = entries.collect();
        self.edges.extend(entries.into_iter().map(|to| (to, from, Way::Table)));
    }

    /// The index of the instruction at `address`.
    pub(super) fn index_of(&self, address: u64) -> Option<usize> {
        self.instructions.binary_search_by_key(&address, Instruction::ip).ok()
    }

    /// The jumps that lead to the instruction with this index: (from, how).
    pub(super) fn ways_to(&self, to: usize) -> impl Iterator<Item = (usize, Way)> {
        let first = self.edges.partition_point(|&(there, _, _)| there < to);
        let ways = self.edges.get(first..).unwrap_or_default().iter();
        ways.take_while(move |&&(there, _, _)| there == to).map(|&(_, from, way)| (from, way))
    }
}
