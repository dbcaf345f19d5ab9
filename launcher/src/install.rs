//! `--install`: the launcher copies itself. An image that holds nothing else has no `cp`, and an init container that
//! puts the launcher into a shared volume needs one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::log;
use crate::outcome::Outcome;

/// Everybody may execute it, whatever the umask: the program often runs as another user.
const MODE: u32 = 0o755;

/// Copies the launcher to `to`, or into it if that is a directory. A regular file that was there is replaced at once or
/// not at all; a symbolic link to one, or to nothing, is replaced itself and not followed. Anything else stays.
#[must_use]
pub fn install(to: &Path) -> Outcome {
    let target = if to.is_dir() { to.join(env!("CARGO_PKG_NAME")) } else { to.to_owned() };
    match copy(&target) {
        Ok(()) => {
            log::info(format_args!("installed {}", target.display()));
            Outcome::Done
        }
        Err(error) => {
            log::error(format_args!("--install {}: cannot write {}: {error}", to.display(), target.display()));
            Outcome::NotInstalled
        }
    }
}

fn copy(target: &Path) -> io::Result<()> {
    if fs::metadata(target).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        // A device such as /dev/null would be gone for everybody.
        return Err(io::Error::other("it is a device, a socket or a pipe and stays; name a regular file or a directory"));
    }
    let mut from = File::open("/proc/self/exe").or_else(|_no_proc| File::open(std::env::current_exe()?))?;
    let beside = beside(target);
    let copied = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&beside)?;
        io::copy(&mut from, &mut file)?;
        file.set_permissions(fs::Permissions::from_mode(MODE))?;
        copy_capabilities(&from, &file);
        fs::rename(&beside, target)
    })();
    if copied.is_err() {
        let _never_made = fs::remove_file(&beside);
    }
    copied
}

/// File capabilities, if there are any and they may be set here (`CAP_SETFCAP`, a file system with attributes): a program of
/// an ordinary user is traced by them.
fn copy_capabilities(from: &File, to: &File) {
    const NAME: &std::ffi::CStr = c"security.capability";
    // The largest, `struct vfs_ns_cap_data`, has 24 bytes (`include/uapi/linux/capability.h`).
    let mut value = [0_u8; 64];
    // SAFETY: the name is NUL-terminated, the buffer is live and of the size given.
    let size = unsafe { libc::fgetxattr(from.as_raw_fd(), NAME.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    let Some(value) = usize::try_from(size).ok().and_then(|size| value.get(..size)).filter(|value| !value.is_empty()) else {
        return;
    };
    // SAFETY: as above; the kernel reads as many bytes as are given.
    let set = unsafe { libc::fsetxattr(to.as_raw_fd(), NAME.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    if set != 0 {
        log::debug(format_args!("the copy has no file capabilities ({})", io::Error::last_os_error()));
    }
}

/// A name of our own in the same directory, so that the rename is one.
fn beside(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    target.with_file_name(name)
}
