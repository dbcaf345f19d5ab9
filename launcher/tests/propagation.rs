//! What is injected besides the span: `tracestate` and `baggage` of the request it is made for, and the
//! decision of the sampler. Seen by a server that answers with the headers it has received.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use support::apps::GoVersion;
use support::front::{Front, LIBRARIES};
use support::server::launcher;
use support::traces::hexadecimal;

const PARENT: (&str, &str) = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

/// What comes with a request, what the handler sets itself, and what is sent of `Tracestate` and `Baggage`.
struct Case<'a> {
    incoming: &'a [(&'a str, &'a str)],
    own: &'a [(&'a str, &'a str)],
    tracestate: &'a [&'a str],
    baggage: &'a [&'a str],
}

/// Requests on one connection, one after the other: nothing of one is seen in another.
fn propagated(cases: &[Case<'_>]) {
    for &version in GoVersion::sampled() {
        let front = Front::start(version, launcher());
        for library in LIBRARIES {
            let mut client = front.client();
            for (number, case) in cases.iter().enumerate() {
                let sent = client.via(library, case.incoming, case.own);
                let expected = [("Tracestate", case.tracestate), ("Baggage", case.baggage)];
                for (name, values) in expected {
                    assert_eq!(sent.values(name), values, "{version:?} {library} case {number}: {name}");
                }
                assert_eq!(sent.values("Traceparent").len(), 1, "{version:?} {library} case {number}: {sent:?}");
            }
        }
        front.end();
    }
}

/// They are propagated as they came, once, and only by the request they came with.
#[test]
fn tracestate_and_baggage() {
    let state = "vendor=opaque,other@system=1";
    let baggage = "userId=alice,serverNode=DF%2028;meta=1 , isProduction=false";
    let none = || Case { incoming: &[], own: &[], tracestate: &[], baggage: &[] };
    let too_many = (0..33).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join(",");
    let (later, not_later) = (PARENT.1.replacen("00", "cc", 1) + "-x", PARENT.1.replacen("00", "cc", 1) + ".x");
    let unknown = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01";
    propagated(&[
        none(),
        Case { incoming: &[PARENT, ("tracestate", state)], own: &[], tracestate: &[state], baggage: &[] },
        none(),
        Case { incoming: &[("baggage", baggage)], own: &[], tracestate: &[], baggage: &[baggage] },
        none(),
        Case {
            incoming: &[("Baggage", baggage), PARENT, ("TraceState", state)],
            own: &[],
            tracestate: &[state],
            baggage: &[baggage],
        },
        // What the grammars forbid goes no further; a later version may go on behind a dash.
        Case { incoming: &[PARENT, ("tracestate", "Vendor=1")], own: &[], tracestate: &[], baggage: &[] },
        Case { incoming: &[PARENT, ("tracestate", "vendor=1,other")], own: &[], tracestate: &[], baggage: &[] },
        Case { incoming: &[PARENT, ("tracestate", &too_many)], own: &[], tracestate: &[], baggage: &[] },
        Case { incoming: &[("traceparent", &not_later), ("tracestate", state)], own: &[], tracestate: &[], baggage: &[] },
        Case { incoming: &[("traceparent", &later), ("tracestate", state)], own: &[], tracestate: &[state], baggage: &[] },
        Case { incoming: &[PARENT], own: &[], tracestate: &[], baggage: &[] },
        // It belongs to a traceparent, and is nothing without a valid one.
        Case { incoming: &[("tracestate", state)], own: &[], tracestate: &[], baggage: &[] },
        Case { incoming: &[("traceparent", unknown), ("tracestate", state)], own: &[], tracestate: &[], baggage: &[] },
        none(),
    ]);
}

/// What the program sets itself is sent, and nothing of the same name besides it, in whatever letters it writes the name.
#[test]
fn the_programs_own() {
    let incoming: &[(&str, &str)] = &[PARENT, ("tracestate", "vendor=theirs"), ("baggage", "key=theirs")];
    let own = "00-11112222333344445555666677778888-0123456789abcdef-01";
    propagated(&[
        Case { incoming, own: &[("Baggage", "key=own")], tracestate: &["vendor=theirs"], baggage: &["key=own"] },
        Case { incoming, own: &[("baggage", "key=own")], tracestate: &["vendor=theirs"], baggage: &["key=own"] },
        Case { incoming, own: &[("Tracestate", "vendor=own")], tracestate: &["vendor=own"], baggage: &["key=theirs"] },
        Case { incoming, own: &[("tracestate", "vendor=own")], tracestate: &["vendor=own"], baggage: &["key=theirs"] },
        Case {
            incoming,
            own: &[("Tracestate", "vendor=own"), ("Baggage", "key=own")],
            tracestate: &["vendor=own"],
            baggage: &["key=own"],
        },
        // In a trace of the program's own, the state of the other trace means nothing.
        Case { incoming, own: &[("Traceparent", own)], tracestate: &[], baggage: &["key=theirs"] },
        Case { incoming, own: &[("traceparent", own)], tracestate: &[], baggage: &["key=theirs"] },
        Case { incoming, own: &[], tracestate: &["vendor=theirs"], baggage: &["key=theirs"] },
    ]);
}

/// Several lines of one header are one list (RFC 9110 §5.3), and sent on in one.
#[test]
fn several_lines() {
    let (members, lines) = ("key=value,other=1", "a=1,,b=2");
    propagated(&[
        Case {
            incoming: &[PARENT, ("tracestate", "vendor=opaque"), ("tracestate", "other=1,third=x")],
            own: &[],
            tracestate: &["vendor=opaque,other=1,third=x"],
            baggage: &[],
        },
        Case { incoming: &[("baggage", "key=value"), ("baggage", "other=1")], own: &[], tracestate: &[], baggage: &[members] },
        Case {
            incoming: &[("baggage", "a=1"), ("baggage", ""), ("Baggage", "b=2")],
            own: &[],
            tracestate: &[],
            baggage: &[lines],
        },
        // Of the whole list the grammar forbids the second line.
        Case {
            incoming: &[PARENT, ("tracestate", "vendor=1"), ("tracestate", "other")],
            own: &[],
            tracestate: &[],
            baggage: &[],
        },
        Case { incoming: &[], own: &[], tracestate: &[], baggage: &[] },
    ]);
}

/// The same of requests that come by HTTP/2.
#[test]
fn from_http2() {
    let headers = [PARENT, ("tracestate", "vendor=opaque"), ("baggage", "key=value")];
    for &version in GoVersion::sampled() {
        let front = Front::start(version, launcher());
        for library in LIBRARIES {
            let sent = front.by_http2(library, &headers);
            let values = ["Tracestate", "Baggage"].map(|name| sent.values(name).join("|"));
            assert_eq!(values, ["vendor=opaque", "key=value"], "{version:?} {library}");
            let bare = front.by_http2(library, &[]);
            assert!(bare.values("Tracestate").is_empty() && bare.values("Baggage").is_empty(), "{version:?} {library}");
        }
        front.end();
    }
}

/// Up to 512 and 1,024 bytes; longer ones are left out as a whole.
#[test]
fn the_longest_ones() {
    // A value of 256 bytes is the longest that the grammar allows.
    let [state, too_long] = [512, 513].map(|length| format!("vendor={},other={}", "s".repeat(256), "s".repeat(length - 270)));
    let [baggage, too_much] = [1_024, 1_025].map(|length| format!("key={}", "b".repeat(length - 4)));
    let (longest, longer) = (state.as_str(), too_long.as_str());
    let (most, more) = (baggage.as_str(), too_much.as_str());
    propagated(&[
        Case {
            incoming: &[PARENT, ("tracestate", longest), ("baggage", most)],
            own: &[],
            tracestate: &[longest],
            baggage: &[most],
        },
        Case { incoming: &[PARENT, ("tracestate", longer), ("baggage", most)], own: &[], tracestate: &[], baggage: &[most] },
        Case { incoming: &[PARENT, ("tracestate", longest), ("baggage", more)], own: &[], tracestate: &[longest], baggage: &[] },
        Case {
            incoming: &[PARENT, ("tracestate", "a=1"), ("baggage", "b=2")],
            own: &[],
            tracestate: &["a=1"],
            baggage: &["b=2"],
        },
    ]);
}

/// The one traceparent of each request is that of its client span, or the program's own.
#[test]
fn the_traceparent_is_that_of_the_span() {
    let own = "00-11112222333344445555666677778888-0123456789abcdef-01";
    for &version in GoVersion::sampled() {
        let front = Front::start(version, launcher());
        let mut sent = Vec::new();
        for library in LIBRARIES {
            let mut client = front.client();
            for _ in 0..20 {
                sent.extend(client.via(library, &[PARENT], &[]).values("Traceparent").iter().cloned());
                for name in ["Traceparent", "traceparent"] {
                    assert_eq!(
                        client.via(library, &[PARENT], &[(name, own)]).values("Traceparent"),
                        [own],
                        "{version:?} {library}"
                    );
                }
            }
        }
        let left = front.end();
        let mut spans: Vec<String> = left
            .spans
            .iter()
            .filter(|span| span.kind() == SpanKind::Client && hexadecimal(&span.parent_span_id) != "0123456789abcdef")
            .map(|span| format!("00-{}-{}-01", hexadecimal(&span.trace_id), hexadecimal(&span.span_id)))
            .collect();
        spans.sort();
        sent.sort();
        assert_eq!(sent, spans, "{version:?}: {}", left.stderr);
        assert_eq!(sent.len(), 60, "{version:?}");
    }
}

/// What is not recorded is propagated as that, in the same trace.
#[test]
fn unsampled() {
    let flags = |flag: &str| format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flag}");
    for &version in GoVersion::sampled() {
        for (sampler, flag) in [("always_off", "01"), ("always_off", "00"), ("parentbased_always_on", "00")] {
            let mut command = launcher();
            command.env("OTEL_TRACES_SAMPLER", sampler);
            let front = Front::start(version, command);
            let mut found = BTreeMap::new();
            for library in LIBRARIES {
                let sent = front.client().via(library, &[("traceparent", &flags(flag))], &[]);
                let values = sent.values("Traceparent");
                let is_right = |value: &String| {
                    value.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-")
                        && value.ends_with("-00")
                        && *value != flags("00")
                        && value.len() == 55
                };
                found.insert(library, values.len() == 1 && values.iter().all(is_right));
            }
            let left = front.end();
            assert_eq!(found, LIBRARIES.map(|library| (library, true)).into(), "{version:?} {sampler} {flag}");
            assert_eq!(left.spans.len(), 0, "{version:?} {sampler} {flag}: {}", left.stderr);
        }
    }
}
