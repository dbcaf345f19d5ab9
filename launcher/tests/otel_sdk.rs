//! Programs that are instrumented by hand: with the SDK, with nothing registered, and with a provider that does nothing. What they and the
//! launcher export together has each operation once, in one trace.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::path::Path;

use opentelemetry_proto::tonic::trace::v1::Span;
use support::by_hand::{ASKED, WITH_WORK, WITHOUT_WORK, builds, own, trees};
use support::plain::Plain;
use support::server::{Left, Server, get, is_by_bpf, launcher};

/// The program under the launcher, with each request made; its own spans, and the launcher's.
fn run(app: &Path, environment: &[(&str, &str)]) -> (Vec<Span>, Vec<Span>, String) {
    asked(&ASKED, app, environment)
}

/// The same with these requests.
fn asked(asked: &[(usize, &str)], app: &Path, environment: &[(&str, &str)]) -> (Vec<Span>, Vec<Span>, String) {
    let mut command = launcher();
    command.envs(environment.iter().copied());
    let server = Server::start_with(command, app, &[], 3);
    for &(address, path) in asked {
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

/// A statement whose driver makes a request by otelhttp: the SDK's span is of the request, and not of the statement. Where the context has a
/// span of the SDK, that is the parent of the SDK's; else ours is.
#[test]
fn a_request_within_a_statement() {
    for (app, has_spans) in builds() {
        for (path, address, with_sdk) in [
            ("/remote", 0, "http Server (db Client, http Client (http Server))"),
            ("/plain/remote", 2, "http Server (db Client (http Client (http Server)))"),
        ] {
            let one = |environment: &[(&str, &str)]| {
                let (own, spans, stderr) = asked(&[(address, path)], &app, environment);
                let what = format!("{} {path}: {own:#?} {stderr}", app.display());
                let together: Vec<Span> = own.into_iter().chain(spans).collect();
                trees(&together, &what)
            };
            // Where nothing of the program reads a remote span, the SDK's have no parent of ours.
            if has_spans || address == 0 {
                assert_eq!(one(&[("PROVIDER", "sdk")]), [with_sdk], "{} {path}", app.display());
            }
            for provider in ["none", "noop"] {
                let expected = "http Server (db Client (http Client (http Server)))";
                assert_eq!(one(&[("PROVIDER", provider)]), [expected], "{} {path} {provider}", app.display());
            }
        }
    }
}

/// A function of the user's within the SDK's span of a request is no request.
#[test]
fn a_function_within_a_request() {
    for (app, _) in builds() {
        let functions = ("GO_AUTO_LAUNCH_SPANS", "main.means.work(ctx context.Context) error");
        let (own, spans, stderr) = asked(&ASKED[..1], &app, &[("PROVIDER", "sdk"), functions]);
        let what = format!("{}: {own:#?} {stderr}", app.display());
        let together: Vec<Span> = own.into_iter().chain(spans).collect();
        let expected = WITH_WORK.replacen('(', "(Internal, ", 1);
        assert_eq!(trees(&together, &what), [expected], "{what}");
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

/// The requests by which the program exports its spans itself are no traces.
#[test]
fn with_an_exporter_of_its_own() {
    for (app, _) in builds() {
        let mut command = launcher();
        command.env("PROVIDER", "otlp");
        let server = Server::start_with(command, &app, &[], 3);
        assert_eq!(get(server.addresses[0], "/work"), 200);
        let receiver = server.receiver.clone();
        let Left { spans, stderr, .. } = server.end();
        let what = format!("{}: {spans:#?} {stderr}", app.display());
        // What receives them has no parent that nobody knows: BPF does not look.
        let parents = receiver.parents();
        assert!(
            !parents.is_empty() && (is_by_bpf() || parents.iter().all(|parent| parent.ends_with("-00"))),
            "{parents:?} {what}"
        );
        // What could not be sent by gRPC.
        assert!(stderr.contains("connection refused"), "{what}");
        assert_eq!(trees(&spans, &what), [WITH_WORK], "{what}");
    }
}

/// The variable that turns the SDK off does so with the launcher.
#[test]
fn with_all_disabled() {
    let [_, (app, _)] = builds();
    let (own, spans, stderr) = run(&app, &[("PROVIDER", "sdk"), ("OTEL_SDK_DISABLED", "true")]);
    assert!(own.is_empty() && spans.is_empty(), "{own:#?} {spans:#?} {stderr}");
}
