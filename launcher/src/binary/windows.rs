//! Where a program's functions can be made to go through thunks: see [`code::windows`].

use super::code::windows::{Window, Windows, arm64};
use super::code::{self, EntryKind};
use super::sites::Around;
use super::{Architecture, BinaryError, EndSite, Function, GoBinary, JUMP, VirtAddr};

/// Packages whose code Go hashes when a program starts (`crypto/internal/fips140/check`, Go 1.24 and newer): their functions, and
/// those of what lies below them.
const HASHED: &str = "crypto/internal/fips140";
/// Why there is no window at a function's start.
const NOT_ONCE: &str = "no instruction there runs exactly once for each call";
/// What the linker puts between functions (`cmd/link/internal/amd64`, `CodePad`), …
const INT3: u8 = 0xcc;
/// … which all begin at multiples of this, those of C too.
const ALIGNMENT: u64 = 16;

impl GoBinary<'_> {
    /// Where `function` passes once for each call, with all arguments in their places: the instruction that a probe there seems to
    /// stand on, and what is replaced.
    ///
    /// # Errors
    /// Its code does not allow it.
    pub fn entry_window(&self, function: &Function) -> Result<(VirtAddr, Window), BinaryError> {
        let entry = self.entry_site(function)?;
        if self.architecture() == Architecture::Arm64 {
            let is_once = entry.kind != EntryKind::FirstInstruction;
            let window = self.arm64_windows(function)?.entry(entry.address, entry.kind, false);
            let window = if is_once { window } else { Err(NOT_ONCE) };
            let window = window.map_err(|why| no_window(function, entry.address, why))?;
            return Ok((window.address, window));
        }
        let mut windows = self.windows(function)?;
        let (address, window) = match entry.kind {
            EntryKind::PushFrame => (entry.address, windows.frame(entry.address)),
            EntryKind::Branch | EntryKind::FirstOfLeaf => (function.entry, windows.first(false)),
            EntryKind::BranchNotTaken | EntryKind::FirstInstruction => (function.entry, Err(NOT_ONCE)),
        };
        Ok((address, window.map_err(|why| no_window(function, address, why))?))
    }

    /// The same of a function that does not return: it may be passed again when the stack has grown.
    ///
    /// # Errors
    /// Its code does not allow it.
    pub fn exit_window(&self, function: &Function) -> Result<(VirtAddr, Window), BinaryError> {
        let of_entry = self.entry_window(function);
        if of_entry.is_ok() {
            return of_entry;
        }
        let window = match self.architecture() {
            Architecture::Amd64 => self.windows(function)?.first(true),
            Architecture::Arm64 => self.arm64_windows(function)?.entry(function.entry, EntryKind::FirstInstruction, true),
        };
        let window = window.map_err(|why| no_window(function, function.entry, why))?;
        Ok((function.entry, window))
    }

    /// What is replaced at the direct call at `call` in `function`.
    ///
    /// # Errors
    /// It is none, or its code does not allow it.
    pub fn call_window(&self, function: &Function, call: VirtAddr) -> Result<Window, BinaryError> {
        let window = match self.architecture() {
            Architecture::Amd64 => self.windows(function)?.call(call),
            Architecture::Arm64 => self.arm64_windows(function)?.call(call),
        };
        window.map_err(|why| no_window(function, call, why))
    }

    /// What is replaced at each of the returns of `function` ([`Self::return_sites`]).
    ///
    /// # Errors
    /// Its code does not allow it at one of them.
    pub fn return_windows(&self, function: &Function, returns: &[EndSite]) -> Result<Vec<Window>, BinaryError> {
        let refused = |ret: &EndSite, why| no_window(function, ret.address, why);
        match self.architecture() {
            Architecture::Amd64 => {
                let mut windows = self.windows(function)?;
                returns.iter().map(|ret| windows.end(ret.address).map_err(|why| refused(ret, why))).collect()
            }
            Architecture::Arm64 => {
                let windows = self.arm64_windows(function)?;
                returns.iter().map(|ret| windows.end(ret.address).map_err(|why| refused(ret, why))).collect()
            }
        }
    }

    fn windows(&self, function: &Function) -> Result<Windows<'_>, BinaryError> {
        let (code, start) = (self.patchable(function)?, function.entry.0);
        let tables = || code::ends::jump_targets(code, start, &Around(self)).ok();
        let padded = self.image.bytes(function.entry, code.len() as u64 + self.padding(function)).unwrap_or(code);
        Ok(Windows::read(padded, code.len(), start, function.is_assembly, tables))
    }

    fn arm64_windows(&self, function: &Function) -> Result<arm64::Windows<'_>, BinaryError> {
        let code = self.patchable(function)?;
        Ok(arm64::Windows { code, start: function.entry.0, is_assembly: function.is_assembly })
    }

    /// The function's code, if it may be changed.
    fn patchable(&self, function: &Function) -> Result<&[u8], BinaryError> {
        if is_hashed(&function.name) {
            return Err(no_window(function, function.entry, "Go hashes its code"));
        }
        self.code(function)
    }

    /// How many bytes behind `function` are never executed: at most those that a jump takes.
    fn padding(&self, function: &Function) -> u64 {
        let traps = self.image.bytes_from(function.end).unwrap_or_default().iter().take(JUMP).take_while(|byte| **byte == INT3);
        // The next function may begin with a trap.
        let is_padding = |byte: &u64| {
            let address = VirtAddr(function.end.0.saturating_add(*byte));
            !address.0.is_multiple_of(ALIGNMENT) && self.function_at(address).is_none_or(|there| there.entry < function.end)
        };
        (0..traps.count() as u64).take_while(is_padding).count() as u64
    }
}

/// Whether Go compares the function's code with a hash of it.
fn is_hashed(name: &str) -> bool {
    name.strip_prefix(HASHED).is_some_and(|rest| rest.starts_with(['/', '.']))
}

fn no_window(function: &Function, address: VirtAddr, why: &'static str) -> BinaryError {
    BinaryError::NoWindow { function: function.name.clone(), address, why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_hashes() {
        assert!(["crypto/internal/fips140.setIndicator", "crypto/internal/fips140/sha256.block"].into_iter().all(is_hashed));
        assert!(
            !["crypto/internal/fips140deps/cpu.F", "crypto/sha256.New", "example.test/crypto/internal/fips140.F"]
                .into_iter()
                .any(is_hashed)
        );
    }
}
