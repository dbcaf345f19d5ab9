//! Where a program's functions can be made to go through thunks: see [`code::windows`].

use super::code::windows::{Window, Windows};
use super::code::{self, EntryKind};
use super::sites::Around;
use super::{Architecture, BinaryError, EndSite, Function, GoBinary, JUMP, VirtAddr};

/// Packages whose code Go hashes when a program starts (`crypto/internal/fips140/check`, Go 1.24 and newer): their functions, and
/// those of what lies below them.
const HASHED: &str = "crypto/internal/fips140";
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
        let mut windows = self.windows(function)?;
        let (address, window) = match entry.kind {
            EntryKind::PushFrame => (entry.address, windows.frame(entry.address)),
            EntryKind::Branch | EntryKind::FirstOfLeaf => (function.entry, windows.first(false)),
            EntryKind::BranchNotTaken | EntryKind::FirstInstruction => {
                (function.entry, Err("no instruction there runs exactly once for each call"))
            }
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
        let window = self.windows(function)?.first(true).map_err(|why| no_window(function, function.entry, why))?;
        Ok((function.entry, window))
    }

    /// What is replaced at the direct call at `call` in `function`.
    ///
    /// # Errors
    /// It is none, or its code does not allow it.
    pub fn call_window(&self, function: &Function, call: VirtAddr) -> Result<Window, BinaryError> {
        self.windows(function)?.call(call).map_err(|why| no_window(function, call, why))
    }

    /// What is replaced at each of the returns of `function` ([`Self::return_sites`]).
    ///
    /// # Errors
    /// Its code does not allow it at one of them.
    pub fn return_windows(&self, function: &Function, returns: &[EndSite]) -> Result<Vec<Window>, BinaryError> {
        let mut windows = self.windows(function)?;
        let window = |ret: &EndSite| windows.end(ret.address).map_err(|why| no_window(function, ret.address, why));
        returns.iter().map(window).collect()
    }

    fn windows(&self, function: &Function) -> Result<Windows<'_>, BinaryError> {
        let refused = |why| Err(no_window(function, function.entry, why));
        if self.architecture() != Architecture::Amd64 {
            return refused("only programs for amd64 are given detours so far");
        }
        if is_hashed(&function.name) {
            return refused("Go hashes its code");
        }
        let (code, start) = (self.code(function)?, function.entry.0);
        let tables = || code::ends::jump_targets(code, start, &Around(self)).ok();
        let padded = self.image.bytes(function.entry, code.len() as u64 + self.padding(function)).unwrap_or(code);
        Ok(Windows::read(padded, code.len(), start, function.is_assembly, tables))
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
