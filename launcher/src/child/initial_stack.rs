//! What the kernel put on the stack of a process that stands before its first instruction: arguments, environment and
//! auxiliary vector, in this order above the stack pointer (`create_elf_tables`, `fs/binfmt_elf.c`).
//!
//! Read word by word through ptrace. `/proc/PID/{exe,environ,auxv}` tell the same, but are closed to a launcher without
//! `CAP_SYS_PTRACE` once the process runs as another user, as it does behind gosu.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use nix::unistd::Pid;

use super::environment::split;
use super::executable::Auxv;
use super::ptrace;
use super::script;

const WORD: u64 = 8;
/// The stack of a process with more arguments, or more variables, than this is not looked through.
const MAX_STRINGS: u64 = 20_000;
/// The smallest page there is.
const PAGE: u64 = 4 << 10;
/// `e_phoff` in the header of a 64-bit ELF file (`include/uapi/linux/elf.h`).
const PROGRAM_HEADERS_OFFSET: usize = 32;
/// Longer texts are cut.
const MAX_TEXT: usize = 128 << 10;

/// The stack of one process, as it is at its exec stop.
#[derive(Clone, Copy, Debug)]
pub(super) struct InitialStack {
    pid: Pid,
    /// Address of the first pointer to a variable.
    environment: u64,
    /// Address of the auxiliary vector.
    auxv: u64,
}

impl InitialStack {
    /// Finds the parts of the stack; `None` before Linux 5.3, when the process was killed, or when there are more strings
    /// than are looked through.
    pub(super) fn of(pid: Pid) -> Option<Self> {
        let stack = ptrace::position(pid)?.stack_pointer;
        let environment = behind_arguments(stack, ptrace::peek(pid, stack)?)?;
        let variables =
            (0..MAX_STRINGS).find(|index| ptrace::peek(pid, environment + WORD * index).is_none_or(|word| word == 0))?;
        Some(Self { pid, environment, auxv: environment + WORD * (variables + 1) })
    }

    /// The variables whose name starts with `prefix` (of at most eight bytes).
    pub(super) fn variables(&self, prefix: &str) -> Vec<(OsString, OsString)> {
        let mut found = Vec::new();
        for index in 0..MAX_STRINGS {
            let Some(address) = ptrace::peek(self.pid, self.environment + WORD * index).filter(|address| *address != 0) else {
                break;
            };
            let starts = ptrace::peek(self.pid, address).is_some_and(|word| word.to_ne_bytes().starts_with(prefix.as_bytes()));
            if starts && let Some((name, value)) = split(&text(self.pid, address)) {
                found.push((name, value));
            }
        }
        found
    }

    /// The auxiliary vector.
    pub(super) fn auxv(&self) -> Auxv {
        let mut words = Vec::new();
        for index in 0..2 * MAX_AUXV {
            let Some(word) = ptrace::peek(self.pid, self.auxv + WORD * index) else {
                break;
            };
            words.extend_from_slice(&word.to_ne_bytes());
        }
        Auxv::parse(&words)
    }

    /// The path that was executed, as exec was given it (`AT_EXECFN`).
    pub(super) fn executed(&self) -> Option<OsString> {
        let address = self.auxv().executed?;
        Some(OsString::from_vec(text(self.pid, address))).filter(|path| !path.is_empty())
    }

    /// Whether this is the file that is executed, as far as its first page tells: the header, the sizes of all segments
    /// and, in most programs, the build ID. The page lies in memory as it is in the file, and nothing has run that
    /// could have changed it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn is_of(&self, file: &Path) -> io::Result<bool> {
        let page = script::beginning(file, PAGE)?;
        Ok(self.begins_with(&page).unwrap_or(false))
    }

    fn begins_with(&self, page: &[u8]) -> Option<bool> {
        let headers_offset = u64::from_ne_bytes(page.get(PROGRAM_HEADERS_OFFSET..)?.first_chunk().copied()?);
        let begin = self.auxv().program_headers?.checked_sub(headers_offset)?;
        let mut memory = (begin..).step_by(size_of::<u64>()).map(|address| ptrace::peek(self.pid, address));
        let same = |bytes: &[u8]| memory.next().flatten().is_some_and(|word| word.to_ne_bytes().starts_with(bytes));
        Some(page.chunks(size_of::<u64>()).all(same))
    }
}

/// Where the variables' pointers begin: behind the count at `stack`, that many pointers to arguments, and a null.
fn behind_arguments(stack: u64, count: u64) -> Option<u64> {
    (count <= MAX_STRINGS).then(|| stack + WORD * (1 + count + 1))
}

/// Entries of an auxiliary vector; today's kernels write about twenty.
const MAX_AUXV: u64 = 40;

/// The bytes at `address` up to a zero.
pub(super) fn text(pid: Pid, mut address: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < MAX_TEXT
        && let Some(word) = ptrace::peek(pid, address)
    {
        let word = word.to_ne_bytes();
        let end = word.iter().position(|byte| *byte == 0);
        bytes.extend_from_slice(&word[..end.unwrap_or(word.len())]);
        if end.is_some() {
            break;
        }
        address += WORD;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_arguments_than_are_looked_through_are_not_taken_for_variables() {
        assert_eq!(behind_arguments(0x1000, 1), Some(0x1018));
        assert_eq!(behind_arguments(0x1000, MAX_STRINGS), Some(0x1010 + WORD * MAX_STRINGS));
        assert_eq!(behind_arguments(0x1000, MAX_STRINGS + 1), None);
        assert_eq!(behind_arguments(0x1000, u64::MAX), None);
    }
}
