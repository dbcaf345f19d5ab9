//! Which file it is, whatever it is called, as long as nobody changes it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// A file as it is now: device, inode, time of its last change in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FileId(u64, u64, i64);

impl FileId {
    /// The file at `path`; `None` where that leads nowhere.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let file = path.metadata().ok()?;
        Some(Self(file.dev(), file.ino(), file.ctime().wrapping_mul(1_000_000_000).wrapping_add(file.ctime_nsec())))
    }
}
