//! What the API's own spans ("Auto SDK": go.opentelemetry.io/auto/sdk 1.1.0 and 1.2.1, and trace/auto.go of go.opentelemetry.io/otel 1.33 to
//! 1.47) say otherwise than the SDK does, of which nothing that comes later could tell; each with its reason.

use std::ops::RangeFrom;

use super::normal::{Attributes, Normal, Part, Spans};
use super::support::server::is_by_bpf;

/// A reason, and what it makes of what the SDK has said. Minor versions of the API are those that it is so with.
type Difference = (&'static str, RangeFrom<u32>, fn(&mut Spans));

pub(crate) const DIFFERENCES: &[Difference] = &[
    (
        "an attribute without a key is one like others; a value of no type is dropped, and at the start not counted",
        33..,
        |spans| {
            for (path, dropped) in [("invalid attributes at the start", 0), ("invalid attributes set", 1)] {
                let Attributes { values, dropped: counted } = &mut of(spans, path).attributes;
                values.insert(String::new(), "StringValue(\"without a key\")".to_owned());
                // Since 1.44 it is a value for the SDK.
                values.remove("without a value");
                *counted = dropped;
            }
        },
    ),
    ("JSON has no such numbers: encoding/json fails, and with it the whole span", 33.., |spans| {
        for path in ["not a number", "infinite"] {
            spans.remove(path).unwrap();
        }
    }),
    ("the last status counts, and not the highest", 33.., |spans| {
        say(spans, "status ok then error", "Error \"second\"");
        say(spans, "status error then unset", "Unset");
        say(spans, "status ok then unset", "Unset");
    }),
    ("a code that is none changes the description alone; of the SDK's the exporter knows nothing", 33.., |spans| {
        say(spans, "status that is no status", "Error \"seventh\"");
    }),
    ("a link that leads nowhere is a link, without attributes too", 33.., |spans| {
        let nowhere = || Part { what: "- \"\" 0".to_owned(), attributes: Attributes::default() };
        of(spans, "links to nowhere").links.insert(0, nowhere());
        of(spans, "links added to nowhere").links.insert(0, nowhere());
    }),
    ("the attributes of a scope are not read", 33.., |spans| {
        for span in spans.values_mut() {
            span.of_scope = Attributes::default();
        }
    }),
    ("a scope without a name is not given one", 33.., |spans| {
        of(spans, "scoped / of a scope without a name").scope[0].clear();
    }),
    ("trace.WithNewRoot is not looked at", 33.., |spans| {
        let span = spans.remove("new root").unwrap();
        spans.insert("outer / inner / new root".to_owned(), span);
    }),
    ("a panic that passes the end is no event", 33.., |spans| {
        let event = of(spans, "panicked").events.pop().unwrap();
        assert!(event.what.starts_with("\"exception\""), "{event:?}");
    }),
    ("the span that is none has a provider of spans, and not one that does nothing", 36.., |spans| {
        let scope = ["example.test/nothing", "", ""].map(str::to_owned);
        let bare = of(spans, "kind unspecified0").clone();
        spans.insert("by the provider of no span".to_owned(), Normal { scope: scope.clone(), ..bare });
        // That one is of trace/auto.go, which knows the newer types.
        if let Some(newer) = spans.get("newer types").cloned() {
            let mut newer = Normal { scope, ..newer };
            // The model of spans has none of these: they are text, as OpenTelemetry says of what knows no others.
            for (key, text) in [
                ("bytes", "AAH/"),
                ("bytes.empty", ""),
                ("map", r#"{"a":"b","within":{"c":1.0}}"#),
                ("slice", r#"[1,"two",[true]]"#),
            ] {
                let value = newer.attributes.values.get_mut(key);
                *value.unwrap_or_else(|| panic!("the SDK has not said {key}")) = format!("StringValue({text:?})");
            }
            spans.insert("newer types by the other tracer".to_owned(), newer);
        }
    }),
    ("go.opentelemetry.io/auto/sdk has not heard of the types that attributes have since 1.44", 33.., |spans| {
        if let Some(span) = spans.get_mut("newer types") {
            span.attributes.values.retain(|key, _| key == "old");
        }
    }),
];

fn of<'a>(spans: &'a mut Spans, path: &str) -> &'a mut Normal {
    spans.get_mut(path).unwrap_or_else(|| panic!("the SDK has not said {path}"))
}

fn say(spans: &mut Spans, path: &str, status: &str) {
    status.clone_into(&mut of(spans, path).status);
}

/// What is expected of the launcher where the SDK has said this.
pub(crate) fn expected(mut spans: Spans, minor: u32) -> Spans {
    for (.., differ) in DIFFERENCES.iter().filter(|(_, versions, _)| versions.contains(&minor)) {
        differ(&mut spans);
    }
    if is_by_bpf() {
        // No detour has room where that provider is asked for, as `--check` says.
        spans.retain(|_, span| span.scope[0] != "example.test/nothing");
    }
    spans
}

/// What is not as expected.
pub(crate) fn compare(expected: &Spans, got: &Spans) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, span) in expected {
        match got.get(path).map(|got| span.unlike(got)) {
            Some(unlike) if unlike.is_empty() => {}
            Some(unlike) => wrong.push(format!("{path}:\n{}", unlike.join("\n"))),
            None => wrong.push(format!("{path}: missing")),
        }
    }
    wrong.extend(got.keys().filter(|path| !expected.contains_key(*path)).map(|path| format!("{path}: not expected")));
    wrong
}
