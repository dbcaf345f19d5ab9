//! What stays in the launcher's maps of what programs have said by the OpenTelemetry API: nothing.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::BTreeMap;

use bpf::slots::{Bucket, WAYS};
use bpf::trace::goroutine::Goroutine;
use bpf::trace::stand_in::TABLE;
use nix::unistd::Pid;
use support::apps::{self, ModuleFile, Variant, tests_all};
use support::by_hand::{ASKED, builds};
use support::server::{Server, bpf_launcher};
use support::until::seen;
use support::{load, maps};

/// Maps in which nothing is of what is over. (Entries of goroutines and their frames stay: they are bounded, and one is used again.)
const EMPTY: [&str; 4] = ["CONTEXTS", "INJECTIONS", "EXTRACTED", "OBJECTS"];

fn word(value: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(value[at..at + 8].try_into().unwrap())
}

/// What is left of anything, by what it is.
fn left(launcher: Pid) -> BTreeMap<&'static str, usize> {
    let entries = maps::entries(launcher);
    let mut left: BTreeMap<_, _> = EMPTY.iter().map(|name| (*name, entries[*name])).collect();
    let buckets = maps::values(launcher, "SLOTS");
    let slots = buckets.iter().flat_map(|bucket| (0..WAYS).map(|way| word(bucket, std::mem::offset_of!(Bucket, tags) + way * 8)));
    left.insert("slots", slots.filter(|tag| *tag != 0).count());
    let waiting = maps::values(launcher, "WAITING").concat();
    left.insert("requests that wait to be written", waiting.iter().filter(|byte| **byte != 0).count());
    let goroutines = maps::values(launcher, "GOROUTINES");
    left.insert("open operations", goroutines.iter().filter(|one| word(one, Goroutine::OPEN_AT) != 0).count());
    // Their memory stays until it is used again; what is being made is used by nobody.
    let stand_ins = maps::values(launcher, "STAND_INS");
    let all = stand_ins.iter().take(usize::try_from(TABLE).unwrap());
    left.insert("unfinished stand-ins", all.filter(|one| word(one, 24) != 0).count());
    left.retain(|_, count| *count != 0);
    left
}

/// Everything that `tests/apps/otel_api` serves and that has an end.
const PATHS: [&str; 7] = ["/order", "/enrich", "/by-another", "/pooled", "/shared", "/deep", "/ends"];

#[test]
fn nothing_is_left_without_an_sdk() {
    let requests = if tests_all() { 40_000 } else { 10_000 };
    let files = ModuleFile::of("otel_api", "otel-v");
    let file = files.last().unwrap();
    let app = apps::build_with("otel_api", file.go_versions()[1], Variant::Stripped, file);
    let mut command = bpf_launcher();
    command.env("SERVE", "1");
    let server = Server::start_with(command, &app, &[], 1);
    load::send(server.addresses[0], 32, requests, |number| format!("{}?id={number}", PATHS[number % PATHS.len()]));
    seen("nothing", || left(server.pid()), BTreeMap::is_empty);
    let ended = server.end();
    assert!(ended.status.success(), "{}", ended.stderr);
    // For all of them the ring has no room, as nobody waits for the launcher.
    assert!(ended.spans.len() > requests / 2, "{} spans: {}", ended.spans.len(), ended.stderr);
}

#[test]
fn nothing_is_left_of_wrappers() {
    let requests = if tests_all() { 10_000 } else { 2_000 };
    let [_, (app, _)] = builds();
    for provider in ["sdk", "none", "noop"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = bpf_launcher();
        command.env("PROVIDER", provider).env("SPANS", folder.path().join("spans"));
        let server = Server::start_with(command, &app, &[], ASKED.len());
        for (address, path) in ASKED {
            load::send(server.addresses[address], 32, requests, |_| path.to_owned());
        }
        seen(provider, || left(server.pid()), BTreeMap::is_empty);
        let ended = server.end();
        assert!(ended.status.success(), "{provider}: {}", ended.stderr);
    }
}

/// The texts of requests that have come, and of those that were sent with baggage of the program's.
#[test]
fn nothing_is_left_of_baggage() {
    let requests = if tests_all() { 20_000 } else { 4_000 };
    let file = ModuleFile::named("otel_baggage", "newest");
    let [_, go] = file.go_versions();
    let app = apps::build_tagged("otel_baggage", go, Variant::Stripped, "newest", Some(&file));
    let server = Server::start_with(bpf_launcher(), &app, &[], 3);
    load::each(server.addresses[0], 32, requests, |client, number| {
        let set = ["nothing", "more", "other", "long"][number / 4 % 4];
        let path = match number % 4 {
            3 if number % 32 == 3 => format!("/retried?do={set}"),
            3 => format!("/refused?do={set}"),
            protocol => format!("/sent?do={set}&to={}&path=came", ["http1", "http2", "grpc"][protocol]),
        };
        assert_eq!(client.send("GET", &path, &[("Baggage".to_owned(), "tenant=a".to_owned())], ""), Some(200), "{path}");
    });
    seen("baggage", || left(server.pid()), BTreeMap::is_empty);
    let ended = server.end();
    assert!(ended.status.success(), "{}", ended.stderr);
}
