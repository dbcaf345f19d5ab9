//! Ends of functions into sites.

use bpf::config::{MAX_PER_SITE, MAX_RESULTS, Setting};

use crate::binary::{EndClass, EndInstruction, EndSite, Function, GoBinary, merge_end_sites};
use crate::engine::recipe::recipe;
use crate::probes::plan::LeftOut;
use crate::probes::site::{Ends, Instruction, Site};

/// Sites at all returns of a function, each with how its first result words are read. Where the load bias is not known, what
/// needs it stands on its `RET`.
pub(super) fn sites(binary: &GoBinary<'_>, function: &Function, ends: Ends) -> Result<Vec<Site>, LeftOut> {
    let Ends { results, is_final, is_whole, behind, reads_memory, load_bias } = ends;
    let name = &function.name;
    if results > MAX_RESULTS {
        return Err(LeftOut::NotUnderstood(format!("{results} results of {name} are more than a probe reads")));
    }
    let mut found = if is_final { binary.return_sites(function, results)? } else { binary.end_sites(function, results)? };
    let is_unfit = |site: &EndSite| {
        (load_bias.is_none() && site.needs_load_bias())
            || (reads_memory && site.has_stored)
            || behind.is_some_and(|begins| site.address <= begins)
            || (is_whole && matches!(site.class, EndClass::LastCall | EndClass::OpenCodedDefer | EndClass::DeferReturn))
    };
    if found.iter().any(is_unfit) {
        found = on_returns(&found, binary.return_sites(function, results)?, is_unfit);
    }
    if let Some(begins) = behind.filter(|begins| found.iter().any(|site| site.address <= *begins)) {
        return Err(LeftOut::NotUnderstood(format!("{name} begins and ends on one instruction, at {:#x}", begins.0)));
    }
    let mut found = merge_end_sites(found);
    found.sort_by_key(|end| end.address);
    let mut sites: Vec<Site> = Vec::new();
    for end in found {
        // A site that may stand for several ends is one probe: its recipes are tried one after the other.
        let Some(site) = sites.last_mut().filter(|last| last.address == end.address) else {
            let EndSite { address, offset, cost, .. } = end;
            let instruction = instruction(end.instruction);
            sites.push(Site { address, offset, instruction, cost, recipes: vec![recipe(&end)], recipe: 0, patch: None });
            continue;
        };
        if let Some(last) = site.recipes.last_mut() {
            last.more = Setting::new(1);
        }
        site.recipes.push(recipe(&end));
        if site.recipes.len() > MAX_PER_SITE as usize {
            return Err(LeftOut::NotUnderstood(format!("too many ends of {name} have one site ({:#x})", end.address.0)));
        }
    }
    Ok(sites)
}

/// Puts each `RET` that has an unfit site on itself.
fn on_returns(found: &[EndSite], returns: Vec<EndSite>, is_unfit: impl Fn(&EndSite) -> bool) -> Vec<EndSite> {
    let needs = |ret: &EndSite| found.iter().any(|site| is_unfit(site) && site.returns == ret.returns);
    let on_return: Vec<EndSite> = returns.into_iter().filter(needs).collect();
    let stays = |site: &EndSite| on_return.iter().all(|ret| ret.returns != site.returns);
    let mut kept: Vec<EndSite> = found.iter().filter(|site| stays(site)).cloned().collect();
    kept.extend(on_return);
    kept
}

fn instruction(instruction: EndInstruction) -> Instruction {
    match instruction {
        EndInstruction::ConditionalJump => Instruction::ConditionalJump,
        EndInstruction::Jump => Instruction::Jump,
        EndInstruction::Nop => Instruction::Nop,
        EndInstruction::Push => Instruction::PushFrame,
        EndInstruction::Call => Instruction::Call,
        EndInstruction::Return => Instruction::Return,
    }
}
