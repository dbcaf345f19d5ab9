//! `--install`: the launcher copies itself. An image that holds nothing else has no `cp`, and an init container that
//! puts the launcher into a shared volume needs one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::log;
use crate::outcome::Outcome;

/// Everybody may execute it, whatever the umask: the program often runs as another user.
const MODE: u32 = 0o755;

/// Copies the launcher to `to`, or into it if that is a directory. What was there is replaced at once or not at all.
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
    let mut from = File::open("/proc/self/exe").or_else(|_no_proc| File::open(std::env::current_exe()?))?;
    let beside = beside(target);
    let copied = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&beside)?;
        io::copy(&mut from, &mut file)?;
        file.set_permissions(fs::Permissions::from_mode(MODE))?;
        fs::rename(&beside, target)
    })();
    if copied.is_err() {
        let _never_made = fs::remove_file(&beside);
    }
    copied
}

/// A name of our own in the same directory, so that the rename is one.
fn beside(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    target.with_file_name(name)
}
