//! A command's name to the paths that exec will try, as execvp does.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use nix::unistd::{AccessFlags, access};

/// Where execvp looks when there is no PATH (musl's value).
const DEFAULT_PATH: &[u8] = b"/usr/local/bin:/bin:/usr/bin";

/// The paths to try, in order. A name with a slash is itself the only one; an empty PATH entry means the working
/// directory. A name with a NUL byte cannot come from a command line and gives no path at all.
pub(super) fn candidates(name: &OsStr, path: Option<&[u8]>) -> Vec<CString> {
    let name = name.as_bytes();
    if name.contains(&b'/') {
        return CString::new(name).into_iter().collect();
    }
    if name.is_empty() {
        return Vec::new();
    }
    path.unwrap_or(DEFAULT_PATH)
        .split(|&byte| byte == b':')
        .map(|directory| {
            let mut full = directory.to_vec();
            if !full.is_empty() {
                full.push(b'/');
            }
            full.extend_from_slice(name);
            full
        })
        .filter_map(|full| CString::new(full).ok())
        .collect()
}

/// The file that exec will most likely take: the first candidate that is an executable regular file. Absolute.
pub(super) fn resolve(candidates: &[CString]) -> Option<PathBuf> {
    candidates
        .iter()
        .map(|path| PathBuf::from(OsString::from_vec(path.as_bytes().to_vec())))
        .find(|path| path.is_file() && access(path, AccessFlags::X_OK).is_ok())
        .and_then(|path| std::path::absolute(path).ok())
}

/// Whether the file begins as an ELF file does. Async-signal-safe.
pub(super) fn is_elf(path: &CStr) -> bool {
    const MAGIC: [u8; 4] = *b"\x7fELF";
    let mut first = [0_u8; MAGIC.len()];
    // SAFETY: the path is NUL-terminated, the buffer is live and of the size given, and the descriptor is closed once.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if fd < 0 {
            return false;
        }
        let read = libc::read(fd, first.as_mut_ptr().cast(), first.len());
        libc::close(fd);
        usize::try_from(read) == Ok(first.len()) && first == MAGIC
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn paths(name: &str, path: Option<&str>) -> Vec<String> {
        candidates(OsStr::new(name), path.map(str::as_bytes)).into_iter().map(|path| path.into_string().unwrap()).collect()
    }

    #[test]
    fn candidates_are_those_of_execvp() {
        assert_eq!(paths("app", Some("/a:/b")), ["/a/app", "/b/app"]);
        assert_eq!(paths("./app", Some("/a")), ["./app"]);
        assert_eq!(paths("app", Some("/a:")), ["/a/app", "app"]);
        assert_eq!(paths("app", None), ["/usr/local/bin/app", "/bin/app", "/usr/bin/app"]);
        assert!(paths("", Some("/a")).is_empty());
    }

    #[test]
    fn resolution_skips_directories_and_files_without_the_execute_bit() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(make("one/app")).unwrap();
        std::fs::create_dir_all(make("two")).unwrap();
        std::fs::create_dir_all(make("three")).unwrap();
        std::fs::write(make("two/app"), "").unwrap();
        std::fs::write(make("three/app"), "").unwrap();
        std::fs::set_permissions(make("two/app"), PermissionsExt::from_mode(0o644)).unwrap();
        std::fs::set_permissions(make("three/app"), PermissionsExt::from_mode(0o755)).unwrap();
        let path = ["one", "two", "three"].map(|name| make(name).into_os_string().into_string().unwrap()).join(":");
        let found = resolve(&candidates(OsStr::new("app"), Some(path.as_bytes())));
        assert_eq!(found, Some(make("three/app")));
    }
}
