//! Where to probe a program and where to make it take a detour: what its machine code says.

use super::code::{self, Call, Cost, DetourSite, EntryKind, EntrySite, cost};
use super::{Architecture, BinaryError, EndSite, FileOffset, Function, GoBinary, TailResult, VirtAddr};

impl GoBinary<'_> {
    /// Where to probe the start of `function`: the cheapest instruction that runs once per call with all arguments live.
    ///
    /// # Errors
    /// The function's code is not in the file or is not code.
    pub fn entry_site(&self, function: &Function) -> Result<EntrySite, BinaryError> {
        let corrupt = BinaryError::Corrupt { what: "the first instruction of a function", address: function.entry };
        let code = self.code(function)?;
        let offset = |address| self.file_offset(address);
        code::entry_site(self.architecture(), code, function, offset).ok_or(corrupt)
    }

    /// Where `function` can be made to take a detour, behind the probe at its start; `None` where its code does not allow
    /// it.
    ///
    /// # Errors
    /// The function's code is not in the file or is not code.
    pub fn detour_site(&self, function: &Function) -> Result<Option<DetourSite>, BinaryError> {
        let entry = self.entry_site(function)?;
        if !is_behind_stack_check(entry.kind) {
            return Ok(None);
        }
        Ok(code::detour_site(self.architecture(), self.code(function)?, function.entry, entry.address))
    }

    /// Where the arguments of `function` with these numbers (below four) are on the stack, from the stack pointer wherever it calls another
    /// one, where it and those before it are one word each; `None` where that is not plain from its code.
    ///
    /// # Errors
    /// The function's code is not in the file or is not code.
    pub fn spilled_arguments<const N: usize>(
        &self,
        function: &Function,
        numbers: [usize; N],
    ) -> Result<Option<[u32; N]>, BinaryError> {
        let entry = self.entry_site(function)?;
        if !is_behind_stack_check(entry.kind) {
            return Ok(None);
        }
        // What the compiler calls where an index is out of bounds (`cmd/compile/internal/ssagen/ssa.go`).
        let panics = |address| self.function_at(address).is_some_and(|called| called.name.starts_with("runtime.panic"));
        let at = (function.entry, entry.address);
        Ok(code::spilled_arguments(self.architecture(), self.code(function)?, at, numbers, panics))
    }

    /// The address of a `SYSCALL` instruction (the bytes 0F 05, wherever they stand in Go code), or of `SVC $0`.
    #[must_use]
    pub fn syscall_instruction(&self) -> Option<VirtAddr> {
        const SYSCALL: [u8; 2] = [0x0f, 0x05];
        const SVC: [u8; 4] = 0xd400_0001_u32.to_le_bytes();
        let position = |code: &[u8]| match self.architecture() {
            Architecture::Amd64 => code.windows(SYSCALL.len()).position(|bytes| bytes == SYSCALL),
            Architecture::Arm64 => code.as_chunks().0.iter().position(|word| *word == SVC).map(|index| index * SVC.len()),
        };
        // Go makes its system calls itself: in `internal/runtime/syscall.Syscall6` and others, which stand early.
        self.all_functions().find_map(|function| {
            let at = position(self.code(&function).ok()?)?;
            Some(VirtAddr(function.entry.0 + at as u64))
        })
    }

    /// Where to probe the end of `function` and find its first `results` result words (on amd64 RAX, RBX, RCX, …): for
    /// each `RET` the cheapest instructions that all ways to it cross.
    ///
    /// # Errors
    /// The function's code is not in the file, or it may end in another way than by a `RET` of its own.
    pub fn end_sites(&self, function: &Function, results: usize) -> Result<Vec<EndSite>, BinaryError> {
        code::ends::end_sites(self.architecture(), self.code(function)?, function, results, &Around(self))
    }

    /// The `RET`s of `function` themselves, as [`Self::end_sites`] gives them where it finds nothing cheaper.
    ///
    /// # Errors
    /// As [`Self::end_sites`].
    pub fn return_sites(&self, function: &Function, results: usize) -> Result<Vec<EndSite>, BinaryError> {
        code::ends::return_sites(self.architecture(), self.code(function)?, function, results, &Around(self))
    }

    /// Where the first `results` result words of `function` are when `callee` has returned, which it calls last on every way out;
    /// `None` where it does not.
    #[must_use]
    pub fn tail(&self, function: &Function, callee: &Function, results: usize) -> Option<Vec<TailResult>> {
        let code = self.code(function).ok()?;
        code::ends::tail(self.architecture(), code, function, callee.entry, results, &Around(self))
    }

    /// What a probe on the instruction at `address` costs; `None` if there is no instruction in the file.
    #[must_use]
    pub fn cost_at(&self, address: VirtAddr) -> Option<Cost> {
        cost(self.architecture(), self.image.bytes_from(address)?)
    }

    /// Exactly `len` bytes of the file at `address`; `None` where there are fewer.
    #[must_use]
    pub fn bytes_at(&self, address: VirtAddr, len: usize) -> Option<&[u8]> {
        self.image.bytes_from(address)?.get(..len)
    }

    /// The direct calls that `function` makes, in the order of addresses; see [`first_call_after`].
    ///
    /// # Errors
    /// The function's code is not in the file.
    pub fn calls(&self, function: &Function) -> Result<impl Iterator<Item = Call>, BinaryError> {
        Ok(code::calls(self.architecture(), self.code(function)?, function.entry))
    }

    /// The calls of functions whose address `function` puts into a register right before, in the order of addresses; arm64 only.
    ///
    /// # Errors
    /// The function's code is not in the file.
    pub fn register_calls(&self, function: &Function) -> Result<impl Iterator<Item = Call>, BinaryError> {
        Ok(code::register_calls(self.architecture(), self.code(function)?, function.entry))
    }
}

/// Whether what follows the entry probe runs once for each call: on arm64 the probe stands on the branch of the stack check.
const fn is_behind_stack_check(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::PushFrame | EntryKind::BranchNotTaken)
}

/// What the search for ends asks.
pub(super) struct Around<'b, 'a>(pub(super) &'b GoBinary<'a>);

impl code::ends::Surroundings for Around<'_, '_> {
    fn function_at(&self, address: VirtAddr) -> Option<Function> {
        self.0.function_at(address)
    }

    fn word(&self, address: VirtAddr) -> Option<u64> {
        self.0.image.word(address)
    }

    fn push_frame(&self, entry: VirtAddr) -> Option<VirtAddr> {
        let site = self.0.entry_site(&self.0.function_at(entry)?).ok()?;
        (site.kind == EntryKind::PushFrame).then_some(site.address)
    }

    fn file_offset(&self, address: VirtAddr) -> Option<FileOffset> {
        self.0.file_offset(address)
    }
}
