//! The headers of B3, alone and beside those of W3C, and headers that are malformed.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::HashMap;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags};
use support::apps::GoVersion;
use support::front::{Front, LIBRARIES, Sent};
use support::server::launcher;
use support::traces::{hexadecimal, is_child};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SHORT_TRACE: &str = "a3ce929d0e0e4736";
const LONG_OF_SHORT: &str = "0000000000000000a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

type Headers = Vec<(&'static str, String)>;

/// Where a request's headers place its server span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placed {
    /// Under the span [`SPAN`] of this trace.
    Under(&'static str),
    /// There, but not recorded.
    Unrecorded(&'static str),
    /// Not recorded, in a trace of its own.
    UnrecordedRoot,
    /// A root.
    Root,
}

/// One request through the service, by one library.
fn once(version: GoVersion, propagators: &str, library: &str, headers: &Headers) -> (Sent, Vec<Span>) {
    let mut command = launcher();
    command.env("OTEL_PROPAGATORS", propagators);
    let front = Front::start(version, command);
    let incoming: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let sent = front.client().via(library, &incoming, &[]);
    (sent, front.end().spans)
}

/// The trace and span ids, and the sampling state, that a request has been sent with. Each is well-formed.
fn extracted(sent: &Sent, propagator: &str) -> (String, String, String) {
    let one = |name: &str| {
        let [value] = sent.values(name) else { panic!("{name} stands once: {sent:?}") };
        value.clone()
    };
    let extracted = match propagator {
        "b3" => {
            let value = one("B3");
            let parts: Vec<&str> = value.split('-').collect();
            let [trace, span, sampled] = parts[..] else { panic!("{value}") };
            (trace.to_owned(), span.to_owned(), sampled.to_owned())
        }
        "b3multi" => (one("X-B3-Traceid"), one("X-B3-Spanid"), one("X-B3-Sampled")),
        _ => {
            let value = one("Traceparent");
            let parts: Vec<&str> = value.split('-').collect();
            let ["00", trace, span, flags] = parts[..] else { panic!("{value}") };
            (trace.to_owned(), span.to_owned(), flags.strip_prefix('0').unwrap().to_owned())
        }
    };
    let is_hexadecimal = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    assert_eq!((extracted.0.len(), extracted.1.len()), (32, 16), "{extracted:?}");
    assert!(is_hexadecimal(&extracted.0) && is_hexadecimal(&extracted.1), "{extracted:?}");
    extracted
}

/// The server span is placed as it should be, the client span is its child, and exactly the propagators' headers carry it.
fn check(version: GoVersion, propagators: &str, headers: &Headers, placed: Placed, library: &str) {
    let what = format!("{version:?} {propagators} {library} {headers:?}");
    let (sent, spans) = once(version, propagators, library, headers);
    let by_kind: HashMap<SpanKind, &Span> = spans.iter().map(|span| (span.kind(), span)).collect();
    let listed: Vec<&str> = propagators.split(',').filter(|name| *name != "baggage").collect();
    for (propagator, name) in [("tracecontext", "Traceparent"), ("b3", "B3"), ("b3multi", "X-B3-Traceid")] {
        assert_eq!(sent.values(name).len(), usize::from(listed.contains(&propagator)), "{what}: {name} {sent:?}");
    }
    let extracted: Vec<_> = listed.iter().map(|propagator| extracted(&sent, propagator)).collect();
    for (trace, span, sampled) in extracted {
        match placed {
            Placed::Under(_) | Placed::Root => {
                assert_eq!(spans.len(), 2, "{what}");
                let (server, client) = (by_kind[&SpanKind::Server], by_kind[&SpanKind::Client]);
                assert!(is_child(client, server), "{what}: {spans:#?}");
                assert_eq!((trace, span), (hexadecimal(&client.trace_id), hexadecimal(&client.span_id)), "{what}");
                // A debug trace may be propagated as one.
                assert!(sampled == "1" || sampled == "d", "{what}: {sampled}");
                let parent = (hexadecimal(&server.trace_id), hexadecimal(&server.parent_span_id));
                if let Placed::Under(expected) = placed {
                    assert_eq!(parent, (expected.to_owned(), SPAN.to_owned()), "{what}");
                    assert_ne!(server.flags & SpanFlags::ContextIsRemoteMask as u32, 0, "{what}: the parent is remote");
                } else {
                    assert_eq!(parent.1, "", "{what}");
                    assert!(![TRACE, LONG_OF_SHORT].contains(&parent.0.as_str()), "{what}");
                }
            }
            Placed::Unrecorded(expected) => assert_eq!((trace.as_str(), sampled.as_str()), (expected, "0"), "{what}"),
            Placed::UnrecordedRoot => assert_eq!(sampled, "0", "{what}"),
        }
        assert!(matches!(placed, Placed::Under(_) | Placed::Root) || spans.is_empty(), "{what}: {spans:#?}");
    }
}

fn single(value: &str) -> Headers {
    vec![("b3", value.to_owned())]
}

fn multi(trace: &str, span: &str, more: &[(&'static str, &str)]) -> Headers {
    let ids = [("X-B3-TraceId", trace.to_owned()), ("X-B3-SpanId", span.to_owned())];
    ids.into_iter().chain(more.iter().map(|(name, value)| (*name, (*value).to_owned()))).collect()
}

fn traceparent(value: &str) -> Headers {
    vec![("traceparent", value.to_owned())]
}

/// Each case with one version of Go; the first of them with all versions and libraries.
fn cases(propagators: &str, cases: &[(Headers, Placed)]) {
    for (number, (headers, placed)) in cases.iter().enumerate() {
        if number == 0 {
            for &version in GoVersion::sampled() {
                for library in LIBRARIES {
                    check(version, propagators, headers, *placed, library);
                }
            }
        } else {
            let versions = GoVersion::sampled();
            check(versions[number % versions.len()], propagators, headers, *placed, "http1");
        }
    }
}

#[test]
fn one_header() {
    cases(
        "b3",
        &[
            (single(&format!("{TRACE}-{SPAN}-1")), Placed::Under(TRACE)),
            (single(&format!("{TRACE}-{SPAN}-d")), Placed::Under(TRACE)),
            (single(&format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90")), Placed::Under(TRACE)),
            (single(&format!("{SHORT_TRACE}-{SPAN}-1")), Placed::Under(LONG_OF_SHORT)),
            (single(&format!("{SHORT_TRACE}-{SPAN}-1-05e3ac9a4f6e3b90")), Placed::Under(LONG_OF_SHORT)),
            (single(&format!("{TRACE}-{SPAN}-0")), Placed::Unrecorded(TRACE)),
            (single(&format!("{SHORT_TRACE}-{SPAN}-0")), Placed::Unrecorded(LONG_OF_SHORT)),
            (single("0"), Placed::UnrecordedRoot),
            (Vec::new(), Placed::Root),
            // Not listed.
            (traceparent(&format!("00-{TRACE}-{SPAN}-01")), Placed::Root),
        ],
    );
}

#[test]
fn several_headers() {
    let sampled = |value| [("X-B3-Sampled", value)];
    cases(
        "b3multi",
        &[
            (multi(TRACE, SPAN, &sampled("1")), Placed::Under(TRACE)),
            (multi(TRACE, SPAN, &[("X-B3-Flags", "1")]), Placed::Under(TRACE)),
            (multi(TRACE, SPAN, &[("X-B3-Sampled", "1"), ("X-B3-ParentSpanId", "05e3ac9a4f6e3b90")]), Placed::Under(TRACE)),
            (multi(SHORT_TRACE, SPAN, &sampled("1")), Placed::Under(LONG_OF_SHORT)),
            (multi(TRACE, SPAN, &sampled("0")), Placed::Unrecorded(TRACE)),
            (vec![("X-B3-Sampled", "0".to_owned())], Placed::UnrecordedRoot),
            (Vec::new(), Placed::Root),
        ],
    );
}

/// Whichever of the listed ones comes is the parent, and all of them are sent.
#[test]
fn beside_the_headers_of_w3c() {
    cases(
        "tracecontext,baggage,b3",
        &[
            (single(&format!("{TRACE}-{SPAN}-1")), Placed::Under(TRACE)),
            (traceparent(&format!("00-{TRACE}-{SPAN}-01")), Placed::Under(TRACE)),
            (traceparent(&format!("00-{TRACE}-{SPAN}-00")), Placed::Unrecorded(TRACE)),
            (single(&format!("{TRACE}-{SPAN}-0")), Placed::Unrecorded(TRACE)),
        ],
    );
}

/// What is malformed is not there.
#[test]
fn malformed_traceparent() {
    let (zero_trace, zero_span, upper) = ("0".repeat(32), "0".repeat(16), TRACE.to_uppercase());
    let values = [
        String::new(),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{TRACE}-{SPAN}-0"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-more"),
        format!("00-{upper}-{SPAN}-01"),
        format!("00-{}g-{SPAN}-01", &TRACE[1..]),
        format!("00-{zero_trace}-{SPAN}-01"),
        format!("00-{TRACE}-{zero_span}-01"),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("00_{TRACE}_{SPAN}_01"),
        format!("00-{TRACE}-{SPAN}-0x"),
        format!("00-{TRACE}-{SPAN}01-01"),
    ];
    all_are_roots("tracecontext,baggage", &values.map(|value| traceparent(&value)));
}

#[test]
fn malformed_b3() {
    let (zero_trace, zero_span) = ("0".repeat(32), "0".repeat(16));
    let values = [
        String::new(),
        TRACE.to_owned(),
        format!("{TRACE}-"),
        format!("{TRACE}-{SPAN}-x"),
        format!("{TRACE}-{SPAN}-11"),
        format!("{TRACE}{SPAN}-1"),
        format!("{}-{SPAN}-1", &TRACE[1..]),
        format!("0{TRACE}-{SPAN}-1"),
        format!("{TRACE}-{}-1", &SPAN[1..]),
        format!("{}g-{SPAN}-1", &TRACE[1..]),
        format!("{TRACE}-{}g-1", &SPAN[1..]),
        format!("{zero_trace}-{SPAN}-1"),
        format!("{TRACE}-{zero_span}-1"),
        format!("{TRACE}-{SPAN}-1-05e3ac9a4f6e3b90-more"),
        format!("{TRACE}_{SPAN}_1"),
    ];
    all_are_roots("b3", &values.map(|value| single(&value)));
}

#[test]
fn malformed_b3multi() {
    let on = [("X-B3-Sampled", "1")];
    let only = |name, value: &str| vec![(name, value.to_owned()), (on[0].0, on[0].1.to_owned())];
    let values = [
        multi("", SPAN, &on),
        multi(TRACE, "", &on),
        multi(&TRACE[1..], SPAN, &on),
        multi(TRACE, &SPAN[1..], &on),
        multi(&format!("{}g", &TRACE[1..]), SPAN, &on),
        multi(&"0".repeat(32), SPAN, &on),
        multi(TRACE, &"0".repeat(16), &on),
        only("X-B3-TraceId", TRACE),
        only("X-B3-SpanId", SPAN),
    ];
    all_are_roots("b3multi", &values);
}

/// All in one run for each version: the server spans are roots, and each request carries its own trace.
fn all_are_roots(propagators: &str, malformed: &[Headers]) {
    for &version in GoVersion::sampled() {
        let mut command = launcher();
        command.env("OTEL_PROPAGATORS", propagators);
        let front = Front::start(version, command);
        let mut client = front.client();
        for headers in malformed {
            let incoming: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let (trace, ..) = extracted(&client.via("http1", &incoming, &[]), propagators);
            assert!(!trace.ends_with(SHORT_TRACE), "{version:?} {propagators} {headers:?}: injected as {trace}");
        }
        let left = front.end();
        let servers: Vec<&Span> = left.spans.iter().filter(|span| span.kind() == SpanKind::Server).collect();
        assert_eq!(servers.len(), malformed.len(), "{version:?} {propagators}: {}", left.stderr);
        assert!(servers.iter().all(|span| span.parent_span_id.is_empty()), "{version:?} {propagators}: {servers:#?}");
    }
}
