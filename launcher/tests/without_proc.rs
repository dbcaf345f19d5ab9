//! Where there is no /proc (some sandboxes and chroots): what runs is known from its stack only. Needs root (unshare).

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::path::Path;
use std::process::Command;

use support::apps::{self, GoVersion, Variant};
use support::executable;
use support::server::launcher;

/// The program's status, and what the launcher said.
fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", "umount -l /proc && exec \"$@\"", "sh"]);
    command.arg(launcher().get_program()).args(["--console", "--"]).args(arguments);
    let output = command.current_dir(directory).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_file_of_the_same_name_in_another_directory_is_not_taken_for_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("sub");
    std::fs::create_dir(&below).unwrap();
    let copy = |name: &str, to: &Path| {
        executable::copy(apps::build(name, GoVersion::GO_1_26, Variant::Stripped), to);
    };
    copy("short", &folder.path().join("app"));
    copy("plain", &below.join("app"));
    let (status, said) = run(folder.path(), &["sh", "-c", "exec ./app"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("tracing ") && said.contains("/work"), "{said}");
    let (status, said) = run(folder.path(), &["sh", "-c", "cd sub; exec ./app"]);
    assert_eq!(status, Some(3), "{said}");
    assert!(!said.contains("tracing "), "{said}");
    assert!(said.contains("app is not what runs"), "{said}");
}

#[test]
fn a_script_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("entry");
    let app = apps::build("short", GoVersion::GO_1_26, Variant::Stripped);
    executable::write(&script, format!("#!/bin/sh\nexec {}\n", app.display()));
    let (status, said) = run(folder.path(), &["./entry"]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("tracing ") && said.contains("/work"), "{said}");
}
