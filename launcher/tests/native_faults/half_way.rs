//! A placement that fails half-way: the program's code is as in the file, nothing of the launcher is mapped, and the program runs, with BPF where
//! that may be.

use std::path::Path;

use nix::unistd::Pid;

use crate::driving::{all_have_spans, drive, is_quiet, planting, start};
use crate::process::{mappings, placed, read};
use crate::support::apps::{self, GoVersion, Variant};

/// Enough for all kinds of requests.
const REQUESTS: usize = 64;

/// Whether the program's code is that of its file.
fn is_as_in_the_file(program: Pid, app: &Path) -> bool {
    let file = std::fs::read(app).unwrap();
    let mut code = mappings(program);
    code.retain(|mapping| mapping.access.contains('x') && mapping.path == app.to_str().unwrap());
    assert!(!code.is_empty());
    code.iter().all(|mapping| {
        let found = read(program, mapping.begin, mapping.end - mapping.begin);
        let offset = usize::try_from(mapping.offset).unwrap();
        let there = &file[offset..file.len().min(offset + found.len())];
        found[..there.len()] == *there
    })
}

fn is_undone(variant: Variant) {
    let app = apps::build("stress", GoVersion::GO_1_27, variant);
    let app = app.canonicalize().unwrap();
    let mut fails = 0;
    for patch in 0.. {
        let server = start(planting(&format!("patch={patch}")), &app, &[]);
        drive(&server, 0..REQUESTS);
        let program = server.program();
        let has_failed = placed(program).is_empty();
        assert_eq!(is_as_in_the_file(program, &app), has_failed, "{patch}");
        let left = server.end();
        if !has_failed {
            all_have_spans(&left, REQUESTS);
            break;
        }
        assert!(left.status.success(), "{patch}: {}", left.stderr);
        assert_eq!(left.spans, [], "{patch}");
        let said: Vec<&str> = left.stderr.lines().collect();
        let [line] = said[..] else { panic!("{patch}: one line: {said:#?}") };
        assert!(line.contains("is not traced: the native engine cannot be used"), "{line}");
        fails += 1;
    }
    // The hook and the sites of a server.
    assert!(fails > 3, "{fails}");
}

#[test]
fn every_place_is_put_back() {
    is_undone(Variant::Stripped);
}

#[test]
fn in_a_position_independent_program_too() {
    is_undone(Variant::PieStripped);
}

#[test]
fn bpf_takes_over() {
    let app = apps::build("stress", GoVersion::GO_1_27, Variant::Stripped);
    let mut command = planting("patch=2");
    command.env_remove("GO_AUTO_LAUNCH_ENGINE");
    let server = start(command, &app, &[]);
    drive(&server, 0..REQUESTS);
    let left = server.end();
    is_quiet(&left);
    assert!(left.stderr.contains("BPF engine"), "{}", left.stderr);
    all_have_spans(&left, REQUESTS);
}
