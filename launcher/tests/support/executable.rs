//! Executable files, written by another process.
//!
//! A test process that has a file open for writing while one of its other threads forks leaves a descriptor in that child
//! until its exec, and the kernel refuses to execute a file that somebody could write to (`ETXTBSY`).

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Copies an executable file.
pub(crate) fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let copied = Command::new("install").args(["-m", "755"]).args([from.as_ref(), to.as_ref()]).status();
    assert!(copied.is_ok_and(|status| status.success()), "install (coreutils) copies {}", from.as_ref().display());
}

/// Writes an executable file.
pub(crate) fn write(to: impl AsRef<Path>, contents: impl AsRef<[u8]>) {
    let mut install = Command::new("install");
    install.args(["-m", "755", "/dev/stdin"]).arg(to.as_ref()).stdin(Stdio::piped());
    let mut install = install.spawn().unwrap();
    install.stdin.take().unwrap().write_all(contents.as_ref()).unwrap();
    assert!(install.wait().unwrap().success(), "install (coreutils) writes {}", to.as_ref().display());
}
