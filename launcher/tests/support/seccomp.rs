//! A seccomp filter for a command's process, and what it executes.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Lets system call `number` end with `action` (`SECCOMP_RET_…`), and all others pass. Needs `CAP_SYS_ADMIN`.
pub(crate) fn filter(command: &mut Command, number: libc::c_long, action: u32) {
    let statement = |code: u32, jf: u8, k: u32| libc::sock_filter { code: code.try_into().unwrap(), jt: 0, jf, k };
    let mut program = [
        // The number is the first word of `struct seccomp_data`.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, number.try_into().unwrap()),
        statement(libc::BPF_RET | libc::BPF_K, 0, action),
        statement(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let install = move || {
        let filter = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
        // SAFETY: the kernel copies the four statements that the struct points to; both live here.
        match unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: prctl is async-signal-safe, and nothing is allocated.
    unsafe { command.pre_exec(install) };
}
