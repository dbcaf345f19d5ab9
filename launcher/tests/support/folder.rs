//! A launcher and a server where every user can read them, and file capabilities can be set.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::apps::{self, GoVersion, Variant};
use super::executable;

/// A folder that every user can read, with the launcher and a server in it.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        executable::copy(env!("CARGO_BIN_EXE_go-auto-launch"), dir.path().join("launcher"));
        let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
        executable::copy(app, dir.path().join("app"));
        Self { dir }
    }

    /// The same, with file capabilities on the launcher.
    pub(crate) fn with_capabilities(capabilities: &str) -> Self {
        let folder = Self::new();
        let set = Command::new("setcap").arg(capabilities).arg(folder.launcher()).status();
        assert!(set.is_ok_and(|status| status.success()), "needs setcap, and a file system with attributes");
        folder
    }

    pub(crate) fn launcher(&self) -> PathBuf {
        self.dir.path().join("launcher")
    }

    pub(crate) fn app(&self) -> PathBuf {
        self.dir.path().join("app")
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}
