//! `tests/apps/otel_sdk`, which is instrumented by hand, and what comes of it.

use std::path::PathBuf;

use opentelemetry_proto::tonic::trace::v1::Span;

use super::apps::{self, GoVersion, ModuleFile, Variant};
use super::traces::{by_trace, hexadecimal, is_child, orphans};

/// Of which address what is asked for: that with otelhttp, that of gin with otelgin, and that without wrappers.
pub(crate) const ASKED: [(usize, &str); 3] = [(0, "/work"), (1, "/work"), (2, "/plain/work")];

/// What is done for each, within a span of the program's own, which is there where it has a provider, and where the API has spans itself.
pub(crate) const WITH_WORK: &str = "http Server (Internal (db Client, http Client (http Server), rpc Client (rpc Server)))";
pub(crate) const WITHOUT_WORK: &str = "http Server (db Client, http Client (http Server), rpc Client (rpc Server))";

/// The oldest versions, with go.opentelemetry.io/otel 1.28, which has no spans without an SDK, and the newest, which has.
pub(crate) fn builds() -> [(PathBuf, bool); 2] {
    let newest = ModuleFile::named("otel_sdk", "newest");
    let [_, go] = newest.go_versions();
    [
        (apps::build("otel_sdk", GoVersion::GO_1_21, Variant::Stripped), false),
        (apps::build_with("otel_sdk", go, Variant::Stripped, &newest), true),
    ]
}

/// What the program's own SDK has printed.
pub(crate) fn own(stdout: &str) -> Vec<Span> {
    let lines = stdout.lines().filter_map(|line| line.strip_prefix("span "));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Of what a span is by the names of its attributes, and its kind.
fn operation(span: &Span) -> String {
    let has = |prefix: &str| span.attributes.iter().any(|attribute| attribute.key.starts_with(prefix));
    let of = ["rpc.", "db.", "http."].into_iter().find(|prefix| has(prefix));
    format!("{} {:?}", of.unwrap_or_default().trim_end_matches('.'), span.kind()).trim_start().to_owned()
}

/// A span with those within it, each as `name` says.
pub(crate) fn tree(root: &Span, all: &[&Span], name: &impl Fn(&Span) -> String) -> String {
    let mut within: Vec<String> = all.iter().filter(|span| is_child(span, root)).map(|span| tree(span, all, name)).collect();
    within.sort();
    let within = if within.is_empty() { String::new() } else { format!(" ({})", within.join(", ")) };
    format!("{}{within}", name(root))
}

fn line(span: &Span) -> String {
    let [own, parent] = [&span.span_id, &span.parent_span_id].map(|id| hexadecimal(id));
    format!("{own} within {parent}: {} {} {:?}\n", operation(span), span.name, span.attributes)
}

/// The traces: one for each request, in which all have their parents.
pub(crate) fn trees(spans: &[Span], what: &str) -> Vec<String> {
    let (orphans, traces) = (orphans(spans), by_trace(spans));
    let around = orphans.first().map(|orphan| traces[&*orphan.trace_id].iter().map(|span| line(span)).collect::<String>());
    assert_eq!(orphans.len(), 0, "{what}: {}", around.unwrap_or_default());
    let trees = traces.into_values().map(|all| {
        let roots = all.iter().filter(|span| span.parent_span_id.is_empty());
        let trees: Vec<String> = roots.map(|root| tree(root, &all, &operation)).collect();
        trees.join(" and ")
    });
    trees.collect()
}
