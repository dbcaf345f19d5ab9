//! System calls made by a process that stands at its exec stop, in its name: the launcher sets its registers, lets it
//! execute one `SYSCALL` or `SVC` instruction of its own code, and gives the registers back.
//!
//! Nothing of the process is changed by that but what the calls do. Its signals are blocked meanwhile; those that arrive
//! stay pending.

use std::io;

use libc::{c_int, c_long};
use nix::errno::Errno;
use nix::unistd::Pid;

use super::ptrace;
use super::stopped::Stopped;
use super::sys::{self, Change};
use super::tracees::OPTIONS;

#[cfg(target_arch = "x86_64")]
mod amd64;
#[cfg(target_arch = "aarch64")]
mod arm64;
mod requests;

#[cfg(target_arch = "x86_64")]
use amd64::Registers;
#[cfg(target_arch = "aarch64")]
use arm64::Registers;

/// Bytes below the stack pointer that are left alone: the kernel and the C library use none of them yet.
const BELOW_STACK: u64 = 512;

/// A process whose registers were saved. They are given back when this is dropped.
#[derive(Debug)]
pub struct Injector {
    pid: Pid,
    saved: Registers,
    mask: u64,
    /// Address of an instruction for system calls in the process.
    syscall: u64,
}

impl Stopped<'_> {
    /// Lets the launcher make system calls in the process's name until the result is dropped. `syscall` is the address of
    /// an instruction for system calls in the process.
    ///
    /// # Errors
    /// When the process was killed, or stops for another reason.
    pub fn inject(&mut self, syscall: u64) -> io::Result<Injector> {
        Injector::begin(self.pid(), syscall)
    }
}

impl Injector {
    /// Begins, with `pid` at its exec stop. `syscall` is the address of an instruction `SYSCALL`
    /// (bytes 0F 05) or `SVC $0`.
    ///
    /// # Errors
    /// When the process was killed, or stops for another reason.
    pub(super) fn begin(pid: Pid, syscall: u64) -> io::Result<Self> {
        // If the launcher dies now, the program has foreign registers and a trap pending: then it shall not run at all. It has not begun.
        let kill = libc::c_long::from(OPTIONS | libc::PTRACE_O_EXITKILL);
        ptrace::request(libc::PTRACE_SETOPTIONS.into(), pid, kill)?;
        // At the event stop the kernel is still in execve, whose result will be written to a register: on to its end.
        ptrace::request(libc::PTRACE_SYSCALL.into(), pid, 0)?;
        expect_stop(pid, libc::SIGTRAP | 0x80)?;
        let mask = requests::tracee_mask(pid)?;
        let saved = Registers::of(pid)?;
        let injector = Self { pid, saved, mask, syscall };
        requests::set_tracee_mask(pid, u64::MAX)?;
        Ok(injector)
    }

    /// Makes one system call.
    ///
    /// # Errors
    /// What the call says; `ESRCH` when the process was killed, `EINTR` when something else stopped it.
    pub fn call(&mut self, number: c_long, arguments: [u64; 6]) -> io::Result<u64> {
        self.saved.calling(self.syscall, number, arguments).set(self.pid)?;
        ptrace::request(libc::PTRACE_SINGLESTEP.into(), self.pid, 0)?;
        expect_stop(self.pid, libc::SIGTRAP)?;
        let result = Registers::of(self.pid)?.result();
        // Results from -4095 to -1 are errors (the kernel's IS_ERR_VALUE).
        match c_int::try_from(-result) {
            Ok(errno @ 1..=4095) => Err(Errno::from_raw(errno).into()),
            Ok(_) | Err(_) => Ok(result.cast_unsigned()),
        }
    }

    /// An address on the process's stack, below all that is in use, where `size` bytes may be written.
    #[must_use]
    pub fn scratch(&self, size: u64) -> u64 {
        (self.saved.stack_pointer() - BELOW_STACK - size) & !15
    }

    /// Writes into the process, read-only pages included (the kernel makes a private copy of them).
    ///
    /// # Errors
    /// When nothing is mapped there.
    pub fn write(&self, address: u64, bytes: &[u8]) -> io::Result<()> {
        let mut at = address & !7;
        let end = address + bytes.len() as u64;
        while at < end {
            let mut word = ptrace::peek(self.pid, at).ok_or(Errno::EFAULT)?.to_ne_bytes();
            for (offset, byte) in (at..).zip(&mut word) {
                let index = offset.checked_sub(address).and_then(|index| usize::try_from(index).ok());
                if let Some(new) = index.and_then(|index| bytes.get(index)) {
                    *byte = *new;
                }
            }
            requests::poke(self.pid, at, u64::from_ne_bytes(word))?;
            at += 8;
        }
        Ok(())
    }

    /// Reads from the process.
    ///
    /// # Errors
    /// When nothing is mapped there.
    pub fn read(&self, address: u64, size: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(size + 8);
        let mut at = address & !7;
        while at < address + size as u64 {
            bytes.extend_from_slice(&ptrace::peek(self.pid, at).ok_or(Errno::EFAULT)?.to_ne_bytes());
            at += 8;
        }
        let before = usize::try_from(address & 7).unwrap_or(0);
        Ok(bytes.get(before..before + size).map(<[u8]>::to_vec).unwrap_or_default())
    }
}

impl Drop for Injector {
    fn drop(&mut self) {
        // They fail only for a process that was killed.
        let _ = self.saved.set(self.pid);
        let _ = requests::set_tracee_mask(self.pid, self.mask);
        let _ = ptrace::request(libc::PTRACE_SETOPTIONS.into(), self.pid, OPTIONS.into());
    }
}

/// Waits for the stop that was caused.
fn expect_stop(pid: Pid, signal: c_int) -> io::Result<()> {
    match requests::wait_stop(pid) {
        Some(Change::Stopped { signal: stopped, event: 0 }) if stopped == signal => Ok(()),
        // A signal is about to be delivered: SIGSTOP cannot be blocked. All is given up, and as the process is let go without
        // this delivery, the signal is sent again.
        Some(Change::Stopped { signal, event: 0 }) => {
            let _ = sys::kill(pid, signal);
            Err(Errno::EINTR.into())
        }
        Some(Change::Stopped { .. } | Change::Continued) => Err(Errno::EINTR.into()),
        Some(Change::Exited(_) | Change::Killed(_)) | None => Err(Errno::ESRCH.into()),
    }
}
