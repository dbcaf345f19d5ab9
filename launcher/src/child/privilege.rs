//! Privileges that an exec gives (set-id bits, file capabilities) and that the kernel withholds from a process whose
//! tracer lacks `CAP_SYS_PTRACE` (`cap_bprm_creds_from_file`, security/commoncap.c).
//!
//! The launcher must not cost a command its privileges: before such an exec it lets go.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use super::initial_stack::text;
use super::script;
use crate::capabilities::is_permitted;

/// Numbers of the capabilities asked for here (`include/uapi/linux/capability.h`).
const CAP_SETUID: u32 = 7;
const CAP_SYS_PTRACE: u32 = 19;

/// Whether executing some file could give `pid` privileges that it would not get while we trace it.
///
/// Not if we have `CAP_SYS_PTRACE`; not under `no_new_privs`, where nobody gets any; and not for root with
/// `CAP_SETUID`, which keeps changes of the user and has the capabilities of its bounding set already.
pub(super) fn may_be_gained(pid: Pid) -> bool {
    if is_permitted(CAP_SYS_PTRACE) {
        return false;
    }
    let status = Status::read(&PathBuf::from(format!("/proc/{pid}/status")));
    let is_root = status.user == Some(0) && status.permitted & (1 << CAP_SETUID) != 0;
    !(status.no_new_privileges || is_root)
}

/// Whether the system call that `pid` is about to make is an exec of a file that gives privileges.
///
/// Calls of another architecture's table (32-bit programs) are not recognised.
pub(super) fn is_gained_by(pid: Pid, (number, arguments): (u64, [u64; 6])) -> bool {
    let (directory, path) = match i64::try_from(number) {
        Ok(libc::SYS_execve) => (None, arguments[0]),
        Ok(libc::SYS_execveat) => (Some(arguments[0]), arguments[1]),
        _ => return false,
    };
    let path = PathBuf::from(OsString::from_vec(text(pid, path)));
    // A descriptor is an int, the low half of the word; AT_FDCWD is a negative one.
    let descriptor = directory.and_then(|word| i32::try_from(word & u64::from(u32::MAX)).ok());
    let directory = descriptor.map_or_else(|| format!("/proc/{pid}/cwd"), |descriptor| format!("/proc/{pid}/fd/{descriptor}"));
    let seen_from = |directory: &str, path: &Path| match path.strip_prefix("/") {
        Ok(below_root) => PathBuf::from(format!("/proc/{pid}/root")).join(below_root),
        Err(_relative) if path.as_os_str().is_empty() => PathBuf::from(directory),
        Err(_relative) => PathBuf::from(directory).join(path),
    };
    let file = seen_from(&directory, &path);
    let interpreter = |path: &Path| seen_from(&format!("/proc/{pid}/cwd"), path);
    // These links are closed to us if the process belongs to another user; the path most likely means the same here.
    any_gives(file, interpreter) || is_given_by(&path)
}

/// Whether executing the file, named as in this process, gives privileges.
pub(super) fn is_given_by(path: &Path) -> bool {
    any_gives(path.to_owned(), Path::to_owned)
}

/// Whether the file, or an interpreter that it names, gives privileges. `find` makes a path of an interpreter's name.
fn any_gives(file: PathBuf, find: impl Fn(&Path) -> PathBuf) -> bool {
    script::with_interpreters(file, find).any(|file| has_set_id(&file) || has_capabilities(&file))
}

fn has_set_id(path: &Path) -> bool {
    let Ok(file) = path.metadata() else {
        return false;
    };
    let mode = file.permissions().mode();
    // setgid without group execution is mandatory locking, not a privilege.
    let set_uid = mode & libc::S_ISUID != 0;
    let set_gid = mode & (libc::S_ISGID | libc::S_IXGRP) == libc::S_ISGID | libc::S_IXGRP;
    file.is_file() && (set_uid || set_gid)
}

fn has_capabilities(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: both names are NUL-terminated strings that outlive the call; size 0 asks for the length only.
    let size = unsafe { libc::getxattr(path.as_ptr(), c"security.capability".as_ptr(), std::ptr::null_mut(), 0) };
    size > 0
}

/// What `/proc/PID/status` says of a process's privileges; without it, nothing is known and nothing is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Status {
    /// The effective user.
    user: Option<u32>,
    /// The permitted capabilities.
    permitted: u64,
    no_new_privileges: bool,
}

impl Status {
    fn read(path: &Path) -> Self {
        Self::parse(&std::fs::read_to_string(path).unwrap_or_default())
    }

    fn parse(status: &str) -> Self {
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Self {
            // Real, effective, saved and file-system user.
            user: field("Uid:").and_then(|users| users.split_whitespace().nth(1)?.parse().ok()),
            permitted: field("CapPrm:").and_then(|set| u64::from_str_radix(set, 16).ok()).unwrap_or_default(),
            no_new_privileges: field("NoNewPrivs:") == Some("1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_id_bits_are_privileges() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("app");
        std::fs::write(&file, "").unwrap();
        for (mode, privileged) in [(0o755, false), (0o4755, true), (0o2755, true), (0o2745, false)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_given_by(&file), privileged, "{mode:o}");
        }
    }

    /// The kernel takes the privileges from the interpreter's file.
    #[test]
    fn an_interpreters_set_id_bits_are_privileges() {
        let dir = tempfile::tempdir().unwrap();
        let [interpreter, script, outer] = ["interpreter", "script", "outer"].map(|name| dir.path().join(name));
        std::fs::write(&interpreter, "\x7fELF").unwrap();
        std::fs::write(&script, format!("#! {} -x\n", interpreter.display())).unwrap();
        std::fs::write(&outer, format!("#!{}", script.display())).unwrap();
        for (mode, privileged) in [(0o755, false), (0o4755, true)] {
            std::fs::set_permissions(&interpreter, std::fs::Permissions::from_mode(mode)).unwrap();
            for file in [&interpreter, &script, &outer] {
                assert_eq!(is_given_by(file), privileged, "{} {mode:o}", file.display());
            }
        }
    }

    #[test]
    fn the_status_is_read() {
        let status = "Name:\tapp\nUid:\t1\t2\t3\t4\nCapPrm:\t0000000000080080\nNoNewPrivs:\t1\n";
        assert_eq!(Status::parse(status), Status { user: Some(2), permitted: 0x8_0080, no_new_privileges: true });
        assert_eq!(Status::parse("nonsense"), Status::default());
    }
}
