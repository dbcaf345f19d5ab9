//! The file of a program whose bytes cannot be had any more while the launcher reads it. Needs root (unshare, mount).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

mod init;
mod support;

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::process::Command;

use go_auto_launch::child::{Exe, MappedExe, Signals};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, getpid};
use support::executable;
use support::server::launcher;

/// A program whose section headers, which nobody needs to run it, stand in a hole of its file; and a file system so full that it has
/// no page to put there: who touches it in a mapping gets SIGBUS, as from a truncated file or a broken disk.
#[test]
fn a_page_that_cannot_be_had_costs_the_trace_only() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = fs::read(init::subject()).unwrap();
    let end = program.len().next_multiple_of(4096);
    // e_shoff (elf(5)).
    program[0x28..0x30].copy_from_slice(&(end as u64).to_le_bytes());
    let prepared = folder.path().join("prepared");
    executable::write(&prepared, program);
    let full = folder.path().join("full");
    fs::create_dir(&full).unwrap();
    let script = format!(
        "set -e; mount -t tmpfs -o size=1m none {full}; cp {prepared} {full}/app; truncate -s {size} {full}/app; \
         cat /dev/zero >{full}/rest 2>/dev/null || true; exec \"$@\"",
        full = full.display(),
        prepared = prepared.display(),
        size = end + 4096,
    );
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(launcher().get_program());
    let output = command.args(["--console", "--"]).arg(full.join("app")).args(["exit", "7"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.signal(), output.status.code()), (None, Some(7)), "{said}");
    assert!(said.contains("is not traced"), "{said}");
}

/// A SIGBUS that somebody sends is the program's, at any moment.
#[test]
fn one_that_is_sent_while_a_file_is_read_is_not_lost() {
    // SAFETY: the child uses nothing that another thread of this process may hold, but the allocator, which the C library keeps
    // usable across fork.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0)),
        ForkResult::Child => {
            let arrives = std::panic::catch_unwind(|| {
                let signals = Signals::take_over().unwrap();
                let link = MappedExe::link(getpid());
                let exe = MappedExe::open(&Exe::of(link.clone(), link)).unwrap();
                exe.read(|bytes| {
                    kill(getpid(), Signal::SIGBUS).unwrap();
                    bytes.len()
                });
                let mut fds = [PollFd::new(std::os::fd::AsFd::as_fd(&signals), PollFlags::POLLIN)];
                poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
            });
            // SAFETY: _exit takes a number and does not return.
            unsafe { libc::_exit(i32::from(!matches!(arrives, Ok(true)))) }
        }
    }
}
