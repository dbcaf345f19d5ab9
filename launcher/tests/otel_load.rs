//! Many requests at the same time to programs that use the OpenTelemetry API, by hand with an SDK and without one: each operation has one span,
//! in the trace of its request, and what is said of a span is said of no other.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use support::apps::{self, GoVersion, ModuleFile, Variant, tests_all};
use support::by_hand::{self, ASKED, WITH_WORK, WITHOUT_WORK, own, tree, trees};
use support::load;
use support::receiver::Attributes as _;
use support::server::{Left, Server, launcher};
use support::traces::by_trace;

/// How many, of which each has some spans.
fn requests() -> usize {
    if tests_all() { 10_000 } else { 3_000 }
}

/// The traces by what they are, and how many there are of each.
fn counted(trees: Vec<String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for tree in trees {
        *counts.entry(tree).or_default() += 1;
    }
    counts
}

/// Both exports together have each operation of each request once, in one trace.
fn by_hand(provider: &str) {
    for (app, has_spans) in by_hand::builds() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("spans");
        let mut command = launcher();
        command.env("PROVIDER", provider).env("SPANS", &file);
        let server = Server::start_with(command, &app, &[], ASKED.len());
        std::thread::scope(|scope| {
            for (address, path) in ASKED {
                let address = server.addresses[address];
                scope.spawn(move || load::send(address, 11, requests().div_ceil(ASKED.len()), |_| path.to_owned()));
            }
        });
        let Left { status, spans, stderr, .. } = server.end();
        let what = format!("{}: {stderr}", app.display());
        assert!(status.success() && !stderr.contains("lost"), "{what}");
        let printed = own(&std::fs::read_to_string(file).unwrap_or_default());
        assert_eq!(printed.is_empty(), provider != "sdk", "{what}");
        let together: Vec<Span> = printed.into_iter().chain(spans).collect();
        let expected = if provider == "sdk" || provider == "none" && has_spans { WITH_WORK } else { WITHOUT_WORK };
        let all = requests().div_ceil(ASKED.len()) * ASKED.len();
        assert_eq!(counted(trees(&together, &what)), [(expected.to_owned(), all)].into(), "{what}");
    }
}

#[test]
fn with_the_sdk() {
    by_hand("sdk");
}

#[test]
fn with_nothing_registered() {
    by_hand("none");
}

#[test]
fn with_a_provider_that_does_nothing() {
    by_hand("noop");
}

/// What is asked of `tests/apps/otel_api`, and the traces that come of it.
const TRACES: [(&str, &str); 7] = [
    ("/order", "/order (process.order (client (/stock)))"),
    ("/enrich", "/enrich"),
    ("/by-another", "/by-another"),
    ("/pooled", "/pooled (pooled)"),
    ("/shared", "/shared"),
    ("/deep", "/deep (deep (at the bottom), deep elsewhere (at the bottom))"),
    ("/ends", "/ends (ended after the response, ended twice, started after the response)"),
];

/// The one that they all are children of.
const CALLER: [u8; 8] = 0xaa_u64.to_be_bytes();
const STATE: &str = "vendor=a,other=b";

/// The first version of the API that has spans without an SDK, and the newest.
fn apps_without_sdk(variant: Variant) -> Vec<PathBuf> {
    let all = ModuleFile::of("otel_api", "otel-v");
    let [first, newest] = [all.iter().find(|file| file.version()[1] == 33), all.last()].map(Option::unwrap);
    let build = |file: &ModuleFile, go: GoVersion| apps::build_with("otel_api", go, variant, file);
    vec![build(first, first.go_versions()[0]), build(newest, newest.go_versions()[1])]
}

/// Has requests made of all kinds, whose numbers their traces have as ids.
fn each_has_its_own(mut command: Command, app: &Path, requests: usize) {
    command.env("SERVE", "1");
    let server = Server::start_with(command, app, &[], 1);
    load::each(server.addresses[0], 32, requests, |client, number| {
        let (path, _) = TRACES[number % TRACES.len()];
        let parent = format!("00-{:032x}-{:016x}-01", number + 1, u64::from_be_bytes(CALLER));
        let headers = [("traceparent", &*parent), ("tracestate", STATE)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(client.send("GET", &format!("{path}?id={number}"), &headers, ""), Some(200), "{path}");
        if ["/pooled", "/shared", "/deep", "/ends"].contains(&path) {
            assert_eq!(String::from_utf8_lossy(&client.body), number.to_string(), "{path}");
        }
    });
    let Left { status, spans, stderr, .. } = server.end();
    let what = format!("{}: {stderr}", app.display());
    assert!(status.success() && !stderr.contains("lost") && !stderr.contains("DATA RACE"), "{status:?} {what}");
    let traces = by_trace(&spans);
    let found = traces.iter().map(|(id, all)| {
        let number = usize::try_from(u128::from_be_bytes((*id).try_into().unwrap())).unwrap() - 1;
        for span in all {
            is_of(span, number, &what);
        }
        let roots = all.iter().filter(|span| span.parent_span_id == CALLER).map(|root| tree(root, all, &name));
        (number, roots.collect::<Vec<_>>().join(" and "))
    });
    let found: Vec<(usize, String)> = found.collect();
    for (number, tree) in &found {
        assert_eq!(tree, TRACES[number % TRACES.len()].1, "{what}");
    }
    let in_trees: usize = found.iter().map(|(_, tree)| tree.matches('(').count() + tree.matches(", ").count() + 1).sum();
    assert_eq!((found.len(), spans.len()), (requests, in_trees), "{what}");
}

fn name(span: &Span) -> String {
    match span.kind() {
        SpanKind::Server => span.text("url.path").unwrap(),
        SpanKind::Client => "client".to_owned(),
        SpanKind::Unspecified | SpanKind::Internal | SpanKind::Producer | SpanKind::Consumer => span.name.clone(),
    }
}

/// Holds that all that is said of a span is of the request with this number.
fn is_of(span: &Span, number: usize, what: &str) {
    let id = number.to_string();
    let what = || format!("{number} {what}: {span:#?}");
    let mut shared = 0;
    for key in span.attributes.iter().map(|attribute| &*attribute.key) {
        if ["id", "order.id", "at the start"].contains(&key) || key.starts_with("by.") {
            assert_eq!(span.text(key).as_deref(), Some(&*id), "{}", what());
            shared += usize::from(key.starts_with("by."));
        }
        assert!(!["late", "lost"].contains(&key), "{}", what());
    }
    assert_eq!(span.trace_state, STATE, "{}", what());
    match (span.kind(), &*span.name) {
        (SpanKind::Server, _) => {
            assert_eq!(span.text("url.query"), Some(format!("id={id}")), "{}", what());
            let path = span.text("url.path").unwrap();
            assert_eq!(span.text("order.id").is_some(), path != "/stock", "{}", what());
            assert_eq!(shared, if path == "/shared" { 96 } else { 0 }, "{}", what());
            assert_eq!(span.events.len(), if ["/enrich", "/by-another"].contains(&&*path) { 3 } else { 0 }, "{}", what());
        }
        (SpanKind::Client, _) => assert!(span.text("url.full").unwrap().ends_with(&format!("/stock?id={id}")), "{}", what()),
        (_, "process.order") => {}
        (_, "deep" | "deep elsewhere") => {
            let events: Vec<&str> = span.events.iter().map(|event| &*event.name).collect();
            assert_eq!((span.attributes.len(), events), (2, vec![&*id]), "{}", what());
        }
        _ => assert_eq!(span.attributes.len(), 1, "{}", what()),
    }
}

#[test]
fn without_an_sdk() {
    for app in apps_without_sdk(Variant::Stripped) {
        each_has_its_own(launcher(), &app, requests());
    }
}

/// Collections all the time, which check what they have marked and overwrite what they have freed; stacks that are written out and grow.
#[test]
fn under_stress() {
    for app in apps_without_sdk(Variant::Stripped) {
        for debug in ["clobberfree=1", "gcstoptheworld=1", "gccheckmark=1"] {
            let mut command = launcher();
            command.env("STRESS", "1").env("GOGC", "1").env("GODEBUG", debug);
            each_has_its_own(command, &app, requests() / 2);
        }
    }
}

/// The race detector knows of no writes but the program's own.
#[test]
fn with_the_race_detector() {
    let app = apps_without_sdk(Variant::Race).pop().unwrap();
    let mut command = launcher();
    command.env("STRESS", "1").env("GOGC", "1");
    each_has_its_own(command, &app, requests() / 2);
}
