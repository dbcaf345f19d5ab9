//! Programs that are instrumented by hand: with the SDK, with nothing registered, and with a provider that does nothing. What they and the
//! launcher export together has each operation once, in one trace.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::trace::v1::Span;
use support::apps::{self, GoVersion, ModuleFile, Variant};
use support::plain::Plain;
use support::server::{Left, Server, get, launcher};
use support::traces::{by_trace, is_child, orphans};

/// Of which address what is asked for: that with otelhttp, that of gin with otelgin, and that without wrappers.
const ASKED: [(usize, &str); 3] = [(0, "/work"), (1, "/work"), (2, "/plain/work")];

/// What is done for each, within a span of the program's own, which is there where it has a provider, and where the API has spans itself.
const WITH_WORK: &str = "http Server (Internal (db Client, http Client (http Server), rpc Client (rpc Server)))";
const WITHOUT_WORK: &str = "http Server (db Client, http Client (http Server), rpc Client (rpc Server))";

/// The oldest versions, with go.opentelemetry.io/otel 1.28, which has no spans without an SDK, and the newest, which has.
fn builds() -> [(PathBuf, bool); 2] {
    let newest = ModuleFile::named("otel_sdk", "newest");
    let [_, go] = newest.go_versions();
    [
        (apps::build("otel_sdk", GoVersion::GO_1_21, Variant::Stripped), false),
        (apps::build_with("otel_sdk", go, Variant::Stripped, &newest), true),
    ]
}

/// What the program's own SDK has printed.
fn own(stdout: &str) -> Vec<Span> {
    let lines = stdout.lines().filter_map(|line| line.strip_prefix("span "));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// A span with those within it: of what it is by the names of its attributes, and its kind.
fn tree(root: &Span, all: &[&Span]) -> String {
    let has = |prefix: &str| root.attributes.iter().any(|attribute| attribute.key.starts_with(prefix));
    let of = ["rpc.", "db.", "http."].into_iter().find(|prefix| has(prefix));
    let own = format!("{} {:?}", of.unwrap_or_default().trim_end_matches('.'), root.kind());
    let mut within: Vec<String> = all.iter().filter(|span| is_child(span, root)).map(|span| tree(span, all)).collect();
    within.sort();
    let within = if within.is_empty() { String::new() } else { format!(" ({})", within.join(", ")) };
    format!("{}{within}", own.trim_start())
}

/// The traces: one for each request, in which all have their parents.
fn trees(spans: &[Span], what: &str) -> Vec<String> {
    assert_eq!(orphans(spans).len(), 0, "{what}: {spans:#?}");
    let traces = by_trace(spans);
    let trees = traces.into_values().map(|all| {
        let roots = all.iter().filter(|span| span.parent_span_id.is_empty());
        let trees: Vec<String> = roots.map(|root| tree(root, &all)).collect();
        trees.join(" and ")
    });
    trees.collect()
}

/// The program under the launcher, with each request made; its own spans, and the launcher's.
fn run(app: &Path, environment: &[(&str, &str)]) -> (Vec<Span>, Vec<Span>, String) {
    let mut command = launcher();
    command.envs(environment.iter().copied());
    let server = Server::start_with(command, app, &[], 3);
    for (address, path) in ASKED {
        assert_eq!(get(server.addresses[address], path), 200, "{path}");
    }
    let Left { spans, stdout, stderr, .. } = server.end();
    (own(&stdout), spans, stderr)
}

/// The wrappers have each operation once themselves: without the launcher, where there are wrappers.
#[test]
fn the_programs_own_spans() {
    for (app, _) in builds() {
        let plain = Plain::start(Path::new("env"), &["PROVIDER=sdk", app.to_str().unwrap()], 3);
        for (address, path) in ASKED {
            assert_eq!(get(plain.addresses[address], path), 200, "{path}");
        }
        let mut trees = trees(&own(&plain.end()), "alone");
        trees.sort();
        assert_eq!(trees, ["Internal", WITH_WORK, WITH_WORK], "{}", app.display());
    }
}

#[test]
fn with_the_sdk() {
    for (app, _) in builds() {
        let (own, spans, stderr) = run(&app, &[("PROVIDER", "sdk")]);
        let what = format!("{}: {own:#?} {stderr}", app.display());
        assert!(own.len() > 2 * 7, "{what}");
        let together: Vec<Span> = own.into_iter().chain(spans).collect();
        assert_eq!(trees(&together, &what), [WITH_WORK; 3], "{what}");
    }
}

/// The wrappers' spans are the API's own, if it has any.
#[test]
fn with_nothing_registered() {
    for (app, has_spans) in builds() {
        let (own, spans, stderr) = run(&app, &[("PROVIDER", "none")]);
        let what = format!("{}: {stderr}", app.display());
        assert!(own.is_empty(), "{what}");
        assert_eq!(trees(&spans, &what), [if has_spans { WITH_WORK } else { WITHOUT_WORK }; 3], "{what}");
    }
}

/// Who registers a provider that does nothing wants no spans of the program's own.
#[test]
fn with_a_provider_that_does_nothing() {
    for (app, _) in builds() {
        let (own, spans, stderr) = run(&app, &[("PROVIDER", "noop")]);
        let what = format!("{}: {stderr}", app.display());
        assert!(own.is_empty(), "{what}");
        assert_eq!(trees(&spans, &what), [WITHOUT_WORK; 3], "{what}");
    }
}

/// The variable that turns the SDK off does so with the launcher.
#[test]
fn with_all_disabled() {
    let [_, (app, _)] = builds();
    let (own, spans, stderr) = run(&app, &[("PROVIDER", "sdk"), ("OTEL_SDK_DISABLED", "true")]);
    assert!(own.is_empty() && spans.is_empty(), "{own:#?} {spans:#?} {stderr}");
}
