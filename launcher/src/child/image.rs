//! Whether a process still is the program that it was: noticed without ptrace, and without asking the process.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroU32;
use std::os::unix::fs::FileExt as _;

/// The memory of a process, as it was at a time. Kept by a descriptor of its `/proc/PID/maps`, which stays with this memory and
/// says nothing any more when an exec has replaced it (`m_start`, `fs/proc/task_mmu.c`).
#[derive(Debug)]
pub struct Image {
    pid: NonZeroU32,
    maps: File,
}

impl Image {
    /// That of `pid` as it is now.
    ///
    /// # Errors
    /// When we may not look into the process, or it has ended.
    pub fn of(pid: NonZeroU32) -> io::Result<Self> {
        Ok(Self { pid, maps: File::open(format!("/proc/{pid}/maps"))? })
    }

    /// Whether the process has executed a program since, this one again or another. Costs some microseconds.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        matches!(self.maps.read_at(&mut [0], 0), Ok(0))
            // One that is about to end has no memory either, and no new one.
            && fs::read_to_string(format!("/proc/{}/status", self.pid)).is_ok_and(|status| status.contains("\nVmSize:"))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn an_exec_is_noticed_and_an_end_is_none() {
        let script = "echo; read -r line; exec sh -c 'echo; read -r line'";
        let mut child = Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut go_on = || output.read_line(&mut String::new()).unwrap();
        go_on();
        let pid = NonZeroU32::new(child.id()).unwrap();
        let first = Image::of(pid).unwrap();
        assert!(!first.is_replaced());
        input.write_all(b"\n").unwrap();
        go_on();
        let second = Image::of(pid).unwrap();
        assert!(first.is_replaced() && !second.is_replaced());
        input.write_all(b"\n").unwrap();
        // It has closed its output: it is about to end, or is a zombie.
        go_on();
        assert!(!second.is_replaced());
        child.wait().unwrap();
    }
}
