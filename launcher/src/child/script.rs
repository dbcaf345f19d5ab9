//! A file to what runs when it is executed: itself, or the interpreter that its first line names (`load_script`,
//! `fs/binfmt_script.c`).

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::iter;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The kernel looks at no more of a file (`BINPRM_BUF_SIZE`, `include/uapi/linux/binfmts.h`; 128 before Linux 5.1).
const LINE: u64 = 256;
/// Interpreters may be scripts, up to this depth (`exec_binprm`, `fs/exec.c`).
const MAX_INTERPRETERS: usize = 5;

/// The file, the interpreter that it names, the one that that names, and so on. `find` makes a path that can be opened
/// of a name in a script.
pub(super) fn with_interpreters(file: PathBuf, find: impl Fn(&Path) -> PathBuf) -> impl Iterator<Item = PathBuf> {
    iter::successors(Some(file), move |file| interpreter(&beginning(file, LINE).ok()?).map(&find)).take(1 + MAX_INTERPRETERS)
}

/// At most `length` bytes from the beginning of a regular file; none of any other, which may have effects or wait when it
/// is opened.
pub(super) fn beginning(file: &Path, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file.metadata()?.is_file() {
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(file)?;
        file.take(length).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// What stands behind `#!`, blanks around it not counted, up to its arguments.
fn interpreter(line: &[u8]) -> Option<&Path> {
    let rest = line.strip_prefix(b"#!")?;
    let name = &rest[rest.iter().position(|byte| !matches!(byte, b' ' | b'\t'))?..];
    let end = name.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'\n' | 0));
    // A name that the kernel does not see the end of is refused; that of a short file ends with it.
    let end = end.or_else(|| u64::try_from(line.len()).is_ok_and(|length| length < LINE).then_some(name.len()))?;
    (end > 0).then(|| Path::new(OsStr::from_bytes(&name[..end])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines_are_read_as_the_kernel_does() {
        for (line, name) in [
            ("#!/bin/sh\n", Some("/bin/sh")),
            ("#! \t/bin/sh -e x\n", Some("/bin/sh")),
            ("#!bin/sh\t", Some("bin/sh")),
            ("#!/bin/sh", Some("/bin/sh")),
            ("#!/bin/sh\0x", Some("/bin/sh")),
            ("#!\n/bin/sh\n", None),
            ("#!", None),
            ("#! ", None),
            (" #!/bin/sh\n", None),
            ("\x7fELF", None),
            ("", None),
        ] {
            assert_eq!(interpreter(line.as_bytes()), name.map(Path::new), "{line:?}");
        }
        let long = format!("#!/{}", "x".repeat(300));
        assert_eq!(interpreter(&long.as_bytes()[..256]), None);
    }

    #[test]
    fn interpreters_of_interpreters_end() {
        let dir = tempfile::tempdir().unwrap();
        let [script, endless, pipe] = ["script", "endless", "pipe"].map(|name| dir.path().join(name));
        std::fs::write(&script, "#!sh").unwrap();
        let found: Vec<_> = with_interpreters(script.clone(), |name| dir.path().join(name)).collect();
        assert_eq!(found, [script, dir.path().join("sh")]);
        std::fs::write(&endless, "#!endless").unwrap();
        assert_eq!(with_interpreters(endless, |name| dir.path().join(name)).count(), 6);
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(with_interpreters(pipe, Path::to_owned).count(), 1, "and it does not wait for a writer");
    }
}
