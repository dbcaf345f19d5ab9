//! A program whose exec takes its time, as from a network file system: the launcher is an init meanwhile.
//!
//! The test holds the exec by a permission event of fanotify(7). Needs root.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod init;
mod support;

use std::ffi::CString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::FromRawFd as _;
use std::os::unix::ffi::OsStrExt as _;

use nix::sys::signal::Signal;

/// Without ptrace, the program waits before its exec, at the barrier.
#[test]
fn signals_are_forwarded_while_a_program_is_executed_from_the_barrier() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    support::executable::copy(init::subject(), &program);
    // SAFETY: the call takes two numbers.
    let group = unsafe { libc::fanotify_init(libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC, libc::O_RDONLY.cast_unsigned()) };
    assert!(group >= 0, "{}", std::io::Error::last_os_error());
    let path = CString::new(program.as_os_str().as_bytes()).unwrap();
    // SAFETY: the path is NUL-terminated and lives until the call has returned.
    let marked =
        unsafe { libc::fanotify_mark(group, libc::FAN_MARK_ADD, libc::FAN_OPEN_EXEC_PERM, libc::AT_FDCWD, path.as_ptr()) };
    assert_eq!(marked, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the kernel has just made this descriptor; nothing else owns it.
    let mut group = unsafe { fs::File::from_raw_fd(group) };

    let mut command = init::launcher(&["--verbose", "--"]);
    command.arg(&program).args(["signals", "15"]).current_dir(&directory);
    support::seccomp::filter(&mut command, libc::SYS_ptrace, libc::SECCOMP_RET_ERRNO | libc::EPERM.cast_unsigned());
    let mut launched = init::Launched::start(&mut command);
    // The exec is held.
    let mut event = [0; size_of::<libc::fanotify_event_metadata>()];
    group.read_exact(&mut event).unwrap();
    let fd = i32::from_ne_bytes(event[16..20].try_into().unwrap());
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", launched.pid())).unwrap().to_str(), Some("/"));
    // A process in the middle of its exec has the default actions: the signal ends it.
    launched.signal(Signal::SIGTERM);
    let status = launched.end();
    let answer = [fd.to_ne_bytes(), libc::FAN_ALLOW.to_ne_bytes()].concat();
    let _ended = group.write(&answer);
    // SAFETY: the event's descriptor is ours, and nothing else owns it.
    drop(unsafe { fs::File::from_raw_fd(fd) });
    assert_eq!(status.code(), Some(128 + 15));
}
