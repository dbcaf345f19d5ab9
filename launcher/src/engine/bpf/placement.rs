//! Where uprobes go: on instructions that the kernel emulates, which costs a small part of a single step.

use super::ends;
use crate::binary::{Cost, EntryKind, EntrySite, Function, GoBinary, VirtAddr};
use crate::probes::plan::LeftOut;
use crate::probes::site::{Ends, Instruction, Placement, Site};

/// The placement of uprobes.
#[derive(Clone, Copy, Debug)]
pub struct Uprobes;

impl Placement for Uprobes {
    /// Behind the function's stack check, where it has one.
    fn entry(&self, binary: &GoBinary<'_>, function: &Function) -> Result<Site, LeftOut> {
        let found = binary.entry_site(function)?;
        match found.kind {
            EntryKind::PushFrame => Ok(site(found, Instruction::PushFrame)),
            EntryKind::Branch => Ok(site(found, Instruction::ConditionalJump)),
            EntryKind::FirstOfLeaf => Ok(site(found, Instruction::First)),
            EntryKind::BranchNotTaken | EntryKind::FirstInstruction => {
                Err(LeftOut::NotUnderstood(format!("{} has no instruction that is hit exactly once per call", function.name)))
            }
        }
    }

    /// It may be single-stepped, and be hit again where the stack grows.
    fn exit(&self, binary: &GoBinary<'_>, function: &Function) -> Result<Site, LeftOut> {
        let found = binary.entry_site(function)?;
        let instruction = match found.kind {
            EntryKind::PushFrame => Instruction::PushFrame,
            EntryKind::BranchNotTaken | EntryKind::Branch => Instruction::ConditionalJump,
            EntryKind::FirstInstruction | EntryKind::FirstOfLeaf => Instruction::First,
        };
        Ok(site(found, instruction))
    }

    fn call(&self, binary: &GoBinary<'_>, function: &Function, call: VirtAddr) -> Result<Site, LeftOut> {
        let outside = || LeftOut::NotUnderstood(format!("the call at {:#x} in {} is not in the file", call.0, function.name));
        let offset = binary.file_offset(call).ok_or_else(outside)?;
        let instruction = Instruction::Call;
        Ok(Site { address: call, offset, instruction, cost: Cost::Emulated, recipes: Vec::new(), recipe: 0, patch: None })
    }

    fn ends(&self, binary: &GoBinary<'_>, function: &Function, ends: Ends) -> Result<Vec<Site>, LeftOut> {
        ends::sites(binary, function, ends)
    }

    /// The kernel single-steps them.
    fn stores(&self) -> bool {
        false
    }

    fn returns_are_cheap(&self) -> bool {
        false
    }
}

fn site(found: EntrySite, instruction: Instruction) -> Site {
    let EntrySite { address, offset, cost, kind: _ } = found;
    Site { address, offset, instruction, cost, recipes: Vec::new(), recipe: 0, patch: None }
}
