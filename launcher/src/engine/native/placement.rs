//! Where thunks go: at direct calls, behind `PUSHQ BP` or the stack check, and at each `RET` itself.

use crate::binary::{Cost, Function, GoBinary, VirtAddr, Window};
use crate::engine::recipe::recipe;
use crate::probes::left_out::LeftOut;
use crate::probes::site::{Ends, Instruction, Placement, Site};

/// The placement of thunks.
#[derive(Clone, Copy, Debug)]
pub struct Detours;

impl Placement for Detours {
    /// Behind `PUSHQ BP`, or the first instructions of a function without a frame.
    fn entry(&self, binary: &GoBinary<'_>, function: &Function) -> Result<Site, LeftOut> {
        let (address, window) = binary.entry_window(function)?;
        site(binary, function, address, start(function, address, &window), window)
    }

    /// It may be hit again where the stack grows.
    fn exit(&self, binary: &GoBinary<'_>, function: &Function) -> Result<Site, LeftOut> {
        let (address, window) = binary.exit_window(function)?;
        site(binary, function, address, start(function, address, &window), window)
    }

    fn call(&self, binary: &GoBinary<'_>, function: &Function, call: VirtAddr) -> Result<Site, LeftOut> {
        let window = binary.call_window(function, call)?;
        site(binary, function, call, Instruction::Call, window)
    }

    /// Each `RET`: all that a function does is done there, and its results are in registers. So of what is wanted of ends, nothing but
    /// the number of results matters.
    fn ends(&self, binary: &GoBinary<'_>, function: &Function, ends: Ends) -> Result<Vec<Site>, LeftOut> {
        let Ends { results, reads_memory: _, is_final: _, is_whole: _, behind: _, load_bias: _ } = ends;
        let returns = binary.return_sites(function, results)?;
        let windows = binary.return_windows(function, &returns)?;
        let entry = binary.entry_window(function).ok().map(|(_, window)| window);
        let mut sites = Vec::new();
        for (ret, window) in returns.iter().zip(windows) {
            if entry.as_ref().is_some_and(|entry| entry.overlaps(&window) && !entry.is_at(&window)) {
                let at = ret.address;
                return Err(LeftOut::NotUnderstood(format!("{} has no room for two detours before {at}", function.name)));
            }
            let found = site(binary, function, ret.address, Instruction::Return, window)?;
            sites.push(Site { recipes: vec![recipe(ret)], ..found });
        }
        Ok(sites)
    }

    fn stores(&self) -> bool {
        true
    }

    fn returns_are_cheap(&self) -> bool {
        true
    }
}

/// What the probe at a function's start seems to stand on.
fn start(function: &Function, address: VirtAddr, window: &Window) -> Instruction {
    if window.address != address {
        // The next one is replaced.
        Instruction::PushFrame
    } else if address == function.entry {
        Instruction::First
    } else {
        Instruction::Frame
    }
}

fn site(
    binary: &GoBinary<'_>,
    function: &Function,
    address: VirtAddr,
    instruction: Instruction,
    window: Window,
) -> Result<Site, LeftOut> {
    let outside = || LeftOut::NotUnderstood(format!("the instruction at {address} in {} is not in the file", function.name));
    let offset = binary.file_offset(address).ok_or_else(outside)?;
    Ok(Site { address, offset, instruction, cost: Cost::Detour, recipes: Vec::new(), recipe: 0, patch: Some(window) })
}
