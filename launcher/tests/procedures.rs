//! Calls by Twirp and DRPC: the spans of both sides, in the oldest versions and the newest.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::path::PathBuf;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use support::apps::{self, GoVersion, ModuleFile, Variant, tests_all};
use support::receiver::Attributes as _;
use support::server::{Client, Left, Server, launcher};
use support::traces::is_child;

/// What is asked for; then the span of the client and that of the server, as [`line`] writes them.
type Case = (&'static str, &'static str, &'static str);

const TWIRP: &[Case] = &[
    ("/twirp?", "POST 200", "twirp twitch.twirp.example.Haberdasher/MakeHat"),
    ("/twirp?say=handled", "POST 200", "twirp twitch.twirp.example.Haberdasher/MakeHat"),
    ("/twirp?say=code%20not_found", "POST 404 !", "twirp twitch.twirp.example.Haberdasher/MakeHat not_found"),
    ("/twirp?say=code%20unavailable", "POST 503 !", "twirp twitch.twirp.example.Haberdasher/MakeHat unavailable !"),
    ("/twirp?say=other", "POST 500 !", "twirp twitch.twirp.example.Haberdasher/MakeHat internal !"),
    ("/twirp?say=unknown", "POST 404 !", "POST 404"),
    ("/twirp?say=named%20as%20its%20service", "POST 404 !", "POST 404"),
];

const DRPC: &[Case] = &[
    ("/drpc?", "drpc test.Echo/Unary", "drpc test.Echo/Unary"),
    ("/drpc?say=code%207", "drpc test.Echo/Unary 7 ! as was asked", "drpc test.Echo/Unary 7 ! as was asked"),
    (
        "/drpc?say=other",
        "drpc test.Echo/Unary *errors.errorString ! as was asked",
        "drpc test.Echo/Unary *errors.errorString ! as was asked",
    ),
    ("/stream?", "drpc test.Echo/Stream", "drpc test.Echo/Stream"),
    ("/stream?say=code%207", "drpc test.Echo/Stream 7 ! as was asked", "drpc test.Echo/Stream 7 ! as was asked"),
];

/// A span in a few words: its system and method, or what HTTP has of those, its code, and whether it is an error, with its message.
fn line(span: &Span) -> String {
    let status = span.status.clone().unwrap_or_default();
    let failed = if status.code() == StatusCode::Error { format!(" ! {}", status.message) } else { String::new() };
    let code = match span.text("rpc.system.name") {
        Some(system) => {
            assert_eq!(span.text("rpc.method"), Some(span.name.clone()));
            let code = span.text("rpc.response.status_code").or_else(|| span.text("error.type"));
            return format!("{system} {}{}{failed}", span.name, code.map(|code| format!(" {code}")).unwrap_or_default())
                .trim_end()
                .to_owned();
        }
        None => span.number("http.response.status_code").unwrap(),
    };
    format!("{} {code}{failed}", span.name).trim_end().to_owned()
}

fn builds() -> Vec<PathBuf> {
    let newest = ModuleFile::named("procedures", "newest");
    let [_, go] = newest.go_versions();
    let variants = if tests_all() { vec![Variant::Stripped, Variant::Default] } else { vec![Variant::Stripped] };
    let of_each = variants.into_iter().flat_map(|variant| {
        [apps::build("procedures", GoVersion::GO_1_21, variant), apps::build_with("procedures", go, variant, &newest)]
    });
    of_each.collect()
}

/// The spans of what was asked for, one after the other: those of the front, and of each the client's and the server's.
fn ask(app: &std::path::Path, paths: &[&str]) -> (Vec<[Span; 2]>, String) {
    let server = Server::start_with(launcher(), app, &[], 1);
    let mut client = Client::connect(server.addresses[0]);
    for path in paths {
        let parent = ("traceparent".to_owned(), "00-0000000000000000000000000000000b-00000000000000aa-01".to_owned());
        assert_eq!(client.send("GET", path, &[parent], ""), Some(200), "{path}");
    }
    let Left { mut spans, stderr, .. } = server.idle().end();
    spans.sort_by_key(|span| span.start_time_unix_nano);
    let is_front = |span: &Span| span.kind() == SpanKind::Server && span.parent_span_id == 0xaa_u64.to_be_bytes();
    let (fronts, rest): (Vec<Span>, Vec<Span>) = spans.into_iter().partition(is_front);
    let (clients, servers): (Vec<Span>, Vec<Span>) = rest.into_iter().partition(|span| span.kind() == SpanKind::Client);
    assert_eq!([fronts.len(), clients.len(), servers.len()], [paths.len(); 3], "{clients:#?} {servers:#?} {stderr}");
    assert!(fronts.iter().zip(&clients).all(|(front, client)| is_child(client, front)), "{fronts:#?} {clients:#?}");
    assert!(!stderr.contains("had no start") && !stderr.contains("lost"), "{stderr}");
    (clients.into_iter().zip(servers).map(Into::into).collect(), stderr)
}

#[test]
fn calls_by_twirp() {
    for app in builds() {
        let paths: Vec<&str> = TWIRP.iter().map(|(path, ..)| *path).collect();
        let (spans, stderr) = ask(&app, &paths);
        for ((path, by_client, by_server), [client, server]) in TWIRP.iter().zip(&spans) {
            assert_eq!((&*line(client), &*line(server)), (*by_client, *by_server), "{} {path} {stderr}", app.display());
            assert!(is_child(server, client), "{path}");
        }
    }
}

#[test]
fn calls_by_drpc() {
    for app in builds() {
        let paths: Vec<&str> = DRPC.iter().map(|(path, ..)| *path).collect();
        let (spans, stderr) = ask(&app, &paths);
        for ((path, by_client, by_server), [client, server]) in DRPC.iter().zip(&spans) {
            assert_eq!((&*line(client), &*line(server)), (*by_client, *by_server), "{} {path} {stderr}", app.display());
        }
    }
}

/// A method that there is not has no name of its own at the server, and a deadline that passes ends a call at once.
#[test]
fn calls_by_drpc_that_end_otherwise() {
    for app in builds() {
        let (spans, _) = ask(&app, &["/drpc?say=unknown", "/stream?say=late"]);
        let [[unknown, of_stranger], [late, _]] = &spans[..] else { panic!("{spans:#?}") };
        assert_eq!(unknown.name, "test.Echo/Anything");
        assert_eq!((&*of_stranger.name, of_stranger.text("rpc.method").as_deref()), ("drpc", Some("_OTHER")));
        assert_eq!(of_stranger.text("rpc.method_original").as_deref(), Some("test.Echo/Anything"));
        assert_eq!(late.text("error.type").as_deref(), Some("context.DeadlineExceeded"), "{late:#?}");
    }
}
