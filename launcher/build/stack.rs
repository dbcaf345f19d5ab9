//! The code of the native engine into how much of a stack it takes at most: sizes of frames by the compiler, calls by decoding.

use std::collections::BTreeMap;

use anyhow::Context as _;
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction};
use object::{Object as _, ObjectSection as _};

/// What the code calls by a pointer: the kernel's function for the time.
const FOREIGN: u64 = 512;

/// Functions by their addresses.
struct Functions<'e> {
    /// The sizes of their frames.
    frames: BTreeMap<u64, u64>,
    text: &'e [u8],
    /// Where that begins.
    base: u64,
    targets: Targets,
}

/// The most bytes of a stack that are taken by what the entry calls, from the ELF file of the code.
///
/// # Errors
/// Where functions call each other in a circle, or the file does not say how large their frames are.
pub(crate) fn depth(elf: &[u8]) -> anyhow::Result<u64> {
    let file = object::File::parse(elf)?;
    let section = |name: &str| file.section_by_name(name).with_context(|| format!("no section {name}"));
    let (text, entry) = (section(".text")?, section(".entry")?);
    let frames = frames(section(".stack_sizes")?.data()?).context("the sizes of frames end early")?;
    let targets: Targets = if file.architecture() == object::Architecture::Aarch64 { arm64_targets } else { amd64_targets };
    let functions = Functions { frames, text: text.data()?, base: text.address(), targets };
    let roots = targets(entry.data()?, entry.address()).into_iter().filter(|target| functions.frames.contains_key(target));
    let depths: Vec<u64> = roots.map(|root| functions.depth(root, &mut Vec::new())).collect::<anyhow::Result<_>>()?;
    depths.into_iter().max().context("the entry calls nothing")
}

/// `.stack_sizes`: an address, and a number in LEB128 (LLVM's `-stack-size-section`).
fn frames(mut section: &[u8]) -> Option<BTreeMap<u64, u64>> {
    let mut frames = BTreeMap::new();
    while let Some((address, rest)) = section.split_first_chunk() {
        let length = 1 + rest.iter().position(|byte| byte & 0x80 == 0)?;
        let (number, rest) = rest.split_at_checked(length)?;
        let size = number.iter().rev().fold(0, |size, byte| size << 7 | u64::from(byte & 0x7f));
        frames.insert(u64::from_le_bytes(*address), size);
        section = rest;
    }
    section.is_empty().then_some(frames)
}

/// Where calls and jumps of code at an address lead; 0 for those by a pointer.
type Targets = fn(&[u8], u64) -> Vec<u64>;

fn amd64_targets(code: &[u8], base: u64) -> Vec<u64> {
    let instructions = Decoder::with_ip(64, code, base, DecoderOptions::NONE).into_iter();
    let target = |one: Instruction| {
        let flow = one.flow_control();
        let is_direct = matches!(flow, FlowControl::Call | FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch);
        (is_direct || flow == FlowControl::IndirectCall).then(|| one.near_branch_target())
    };
    instructions.filter_map(target).collect()
}

fn arm64_targets(code: &[u8], base: u64) -> Vec<u64> {
    let words = code.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word));
    let target = |(address, word): (u64, u32)| {
        // The distance in instructions: so many bits from this one on.
        let (bits, first) = match word {
            _ if word & 0x7c00_0000 == 0x1400_0000 => (26, 0), // B, BL
            _ if word & 0xff00_0010 == 0x5400_0000 || word & 0x7e00_0000 == 0x3400_0000 => (19, 5), // B.cond, CBZ, CBNZ
            _ if word & 0x7e00_0000 == 0x3600_0000 => (14, 5), // TBZ, TBNZ
            _ if word & 0xffff_fc1f == 0xd63f_0000 => return Some(0), // BLR
            _ => return None,
        };
        let distance = (word >> first << (32 - bits)).cast_signed() >> (32 - bits);
        Some(address.wrapping_add_signed(4 * i64::from(distance)))
    };
    (base..).step_by(4).zip(words).filter_map(target).collect()
}

impl Functions<'_> {
    /// What a function takes, with what it calls. `callers` are those above it.
    fn depth(&self, function: u64, callers: &mut Vec<u64>) -> anyhow::Result<u64> {
        anyhow::ensure!(!callers.contains(&function), "{function:#x} is called in a circle: {callers:x?}");
        let own = self.frames.get(&function).with_context(|| format!("nothing is known of {function:#x}"))?;
        let end = self.frames.range(function + 1..).next().map_or(self.base + self.text.len() as u64, |(next, _)| *next);
        let range = usize::try_from(function - self.base)?..usize::try_from(end - self.base)?;
        let code = self.text.get(range).with_context(|| format!("{function:#x} lies outside"))?;
        callers.push(function);
        let mut deepest = 0;
        for target in (self.targets)(code, function).into_iter().filter(|target| !(function..end).contains(target)) {
            let taken = match target {
                0 => FOREIGN,
                // A part of the code without a frame: it does not come back.
                target if !self.frames.contains_key(&target) => 0,
                target => self.depth(target, callers)?,
            };
            deepest = deepest.max(taken);
        }
        callers.pop();
        Ok(own + 8 + deepest)
    }
}
