//! What was found in a binary, and how a site is made of it. Pure.

use std::cell::OnceCell;

use super::left_out::LeftOut;
use super::site::{Instruction, Site};
use crate::binary::{Cost, EntryKind, EntrySite, Function, Functions, GoBinary, Inlined, Layouts, VirtAddr};

/// What was found in the binary, for all instrumentations at once.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The binary itself.
    pub binary: &'a GoBinary<'a>,
    /// The functions found.
    pub functions: Functions,
    /// The types found.
    pub layouts: Layouts,
    /// Address in the process minus address in the file; `None` where it is not known.
    pub load_bias: Option<u64>,
    /// The program may be made to write into its memory.
    pub may_write: bool,
    /// Where the small ones of the functions are inlined; looked for when it matters.
    pub inlined: OnceCell<Inlined>,
}

/// Functions with more code are not inlined: the compiler's budget is 80 nodes (`cmd/compile/internal/inline/inl.go`). With a
/// profile it is 2,000 for the hottest calls, which are not looked for.
const INLINABLE: u64 = 512;

impl Facts<'_> {
    /// The function `name`, see [`Functions::only`].
    ///
    /// # Errors
    /// Where the program does not have it, or has several.
    pub fn function(&self, name: &str) -> Result<&Function, LeftOut> {
        self.functions.only(name)?.ok_or_else(|| LeftOut::NotUsed(name.to_owned()))
    }

    /// Refuses a function that is inlined somewhere: a probe in it would miss these calls.
    ///
    /// # Errors
    /// With the name of one of the functions that contain it.
    fn not_inlined(&self, function: &Function) -> Result<(), LeftOut> {
        let is_small = |one: &Function| one.end.distance_from(one.entry).is_some_and(|length| length <= INLINABLE);
        if !is_small(function) {
            return Ok(());
        }
        let inlined = self.inlined.get_or_init(|| {
            let small: Vec<&str> = self.functions.iter().filter(|one| is_small(one)).map(|one| one.name.as_str()).collect();
            self.binary.inlined(&small)
        });
        match inlined.callers(&function.name) {
            [] => Ok(()),
            [caller, ..] => {
                Err(LeftOut::NotUnderstood(format!("{} is inlined into {caller}: such calls would be missed", function.name)))
            }
        }
    }

    /// A probe at the start of a function, behind its stack check.
    ///
    /// # Errors
    /// Where decoding does not prove an instruction that is hit exactly once per call, or the function is inlined somewhere.
    pub fn entry_site(&self, name: &str, event: &'static str, program: &'static str, cookie: u32) -> Result<Site, LeftOut> {
        let function = self.function(name)?;
        self.not_inlined(function)?;
        let site = self.binary.entry_site(function)?;
        match site.kind {
            EntryKind::PushFrame => Ok(Site {
                function: name.to_owned(),
                event,
                program,
                address: site.address,
                offset: site.offset,
                instruction: Instruction::PushFrame,
                cost: site.cost,
                cookie,
            }),
            kind @ (EntryKind::BranchNotTaken | EntryKind::Branch | EntryKind::FirstInstruction) => {
                Err(LeftOut::NotUnderstood(format!("{name} has no instruction that is hit exactly once per call ({kind:?})")))
            }
        }
    }

    /// A probe at the start of a function that does not return, such as `runtime.exit`: it may be single-stepped, and be hit
    /// again where the stack grows.
    ///
    /// # Errors
    /// Where the program does not have the function, or it cannot be decoded.
    pub fn last_site(&self, name: &str, event: &'static str, program: &'static str, cookie: u32) -> Result<Site, LeftOut> {
        let site = self.binary.entry_site(self.function(name)?)?;
        let instruction = match site.kind {
            EntryKind::PushFrame => Instruction::PushFrame,
            EntryKind::BranchNotTaken | EntryKind::Branch => Instruction::ConditionalJump,
            EntryKind::FirstInstruction => Instruction::First,
        };
        let EntrySite { address, offset, cost, kind: _ } = site;
        Ok(Site { function: name.to_owned(), event, program, address, offset, instruction, cost, cookie })
    }

    /// A probe at a direct call within a function.
    ///
    /// # Errors
    /// Where the address lies outside the file's code.
    pub fn call_site(
        &self,
        function: &str,
        address: VirtAddr,
        event: &'static str,
        program: &'static str,
        cookie: u32,
    ) -> Result<Site, LeftOut> {
        let offset = self
            .binary
            .file_offset(address)
            .ok_or_else(|| LeftOut::NotUnderstood(format!("the call at {:#x} in {function} is not in the file", address.0)))?;
        Ok(Site {
            function: function.to_owned(),
            event,
            program,
            address,
            offset,
            instruction: Instruction::Call,
            cost: Cost::Emulated,
            cookie,
        })
    }
}
