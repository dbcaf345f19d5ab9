//! Programs for arm64: what is observed of them, and where they are made to write.

use std::path::Path;

use go_auto_launch::probes::plan::PlannedDetour;

use super::*;

/// What is observed of a program for amd64 is observed of the same one for arm64: one instruction at each site; and it is made to write in the
/// same functions.
#[track_caller]
fn assert_same(amd64: &Path, arm64: &Path) -> Plan {
    assert_same_but(amd64, arm64, |_function, _meaning| false)
}

/// The same but for probes that differ, by their function and what a hit means.
#[track_caller]
fn assert_same_but(amd64: &Path, arm64: &Path, differs: impl Fn(&str, &str) -> bool) -> Plan {
    let [amd64, arm64] = [amd64, arm64].map(|path| {
        let file = std::fs::read(path).unwrap();
        let plan = plan(&GoBinary::parse(&file).unwrap(), &Detours, &[], 0);
        assert!(matches!(plan.runtime, Some(Ok(_))), "{:?}", plan.runtime);
        plan
    });
    assert!(
        arm64.sites().all(|(_, site)| site.patch.as_ref().is_some_and(|window| window.bytes.len() == 4 && window.stack == 0))
    );
    assert!(arm64.detours().all(|detour| detour.place.bytes.len() == 4));
    let names = |plan: &Plan| {
        let all = plan.probes().map(|probe| (probe.function.clone(), probe.event.meaning));
        all.filter(|(function, meaning)| !differs(function, meaning)).collect::<Vec<_>>()
    };
    let written = |plan: &Plan| {
        let of = |PlannedDetour { function, site, moment, .. }: &PlannedDetour| (function.clone(), *site, *moment);
        plan.detours().map(of).collect::<Vec<_>>()
    };
    assert!(!names(&arm64).is_empty());
    assert_eq!(names(&amd64), names(&arm64));
    assert_eq!(written(&amd64), written(&arm64));
    assert_eq!(left_out(&amd64), left_out(&arm64));
    arm64
}

#[test]
fn servers_have_the_same_sites() {
    let build = |variant| apps::build("http_server", GoVersion::GO_1_27, variant);
    assert_same(&build(Variant::Stripped), &build(Variant::Arm64Stripped));
}

/// Each with both HTTP/2 clients.
#[test]
fn clients_write_in_the_same_functions() {
    for &version in GoVersion::sampled() {
        let build = |variant| apps::build("http_client", version, variant);
        let plan = assert_same(&build(Variant::Stripped), &build(Variant::Arm64Stripped));
        // WriteField and writeHeaders of both, and the buffer's Write.
        assert_eq!(plan.detours().count(), 5, "{version:?}");
    }
}

/// Of a library the newest version with the newest Go; in a complete run all versions, each with the oldest and the newest Go: each Go has
/// to compile its standard library for arm64 first.
fn of_library(app: &str, library: &str, differs: impl Fn(&str, &str) -> bool, check: impl Fn(&Plan)) {
    let mut files = ModuleFile::of(app, library);
    if !apps::tests_all() {
        files.drain(..files.len() - 1);
    }
    for file in files {
        let versions = file.go_versions();
        let first = if apps::tests_all() { 0 } else { versions.len() - 1 };
        for &version in &versions[first..] {
            let build = |variant| apps::build_with(app, version, variant, &file);
            check(&assert_same_but(&build(Variant::Stripped), &build(Variant::Arm64Stripped), &differs));
        }
    }
}

#[test]
fn clients_of_the_library_write_in_the_same_functions() {
    of_library("xnet_http2", "net", |_function, _meaning| false, |plan| assert!(plan.detours().count() >= 3));
}

#[test]
fn calls_by_grpc_write_in_the_same_functions() {
    // That the function which begins a call has returned is told elsewhere on amd64 (`instrumentations/grpc/returns.rs`).
    let differs = |function: &str, meaning: &str| {
        let is_return = function == "google.golang.org/grpc.newClientStream" && meaning.starts_with("an operation ends");
        is_return || ["a call goes on as a stream", "a call has failed"].contains(&meaning)
    };
    of_library("grpc", "grpc", differs, |plan| {
        let functions: Vec<&str> = plan.detours().map(|detour| detour.function.as_str()).collect();
        assert!(functions.contains(&"golang.org/x/net/http2.(*Framer).WriteHeaders"), "{functions:?}");
    });
}
