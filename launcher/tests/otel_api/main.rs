//! Spans that a program makes by OpenTelemetry's API alone, without the SDK: they are as with the SDK, within those that the launcher makes
//! by itself, and these can be added to. From go.opentelemetry.io/otel 1.33 on; before, nothing comes of such calls.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod differences;
mod normal;
mod served;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use opentelemetry_proto::tonic::trace::v1::ScopeSpans;
use support::apps::{self, ModuleFile, Variant, tests_all};
use support::receiver::Receiver;
use support::server::{launcher, sending_to};

use normal::{Spans, normal};

/// A program, and what it is.
struct Build {
    app: PathBuf,
    what: String,
    /// The minor version of the API.
    minor: u32,
}

impl Build {
    /// Whether its version of the API has spans without an SDK.
    fn has_spans(&self) -> bool {
        self.minor >= 33
    }
}

/// The oldest version, the first that has spans, and the newest, each with the oldest Go that it allows, the newest with the newest; with
/// `TEST_ALL` all of them, with both.
fn builds() -> Vec<Build> {
    let files = ModuleFile::of("otel_api", "otel-v");
    let last = files.len() - 1;
    let mut builds = Vec::new();
    for (number, file) in files.iter().enumerate() {
        let all = file.go_versions();
        let versions = if tests_all() {
            &all[..]
        } else if number == last {
            &all[1..]
        } else {
            &all[..1]
        };
        let minor = file.version()[1];
        if !tests_all() && minor != 33 && ![0, last].contains(&number) {
            continue;
        }
        for version in versions {
            let app = if number == last {
                apps::build_tagged("otel_api", *version, Variant::Stripped, "newest", Some(file))
            } else {
                apps::build_with("otel_api", *version, Variant::Stripped, file)
            };
            builds.push(Build { app, what: format!("{file:?} {version:?}"), minor });
        }
    }
    builds
}

/// The newest.
fn newest() -> Build {
    builds().pop().unwrap()
}

/// What a run has left: its spans, and what it has printed besides.
struct Ran {
    spans: Spans,
    printed: Vec<String>,
    stderr: String,
}

/// Runs the program to its end; lines of spans are those that its own SDK prints.
fn run(command: &mut Command) -> (Vec<ScopeSpans>, Vec<String>, String) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{:?}: {stderr}", output.status);
    let (mut spans, mut printed) = (Vec::new(), Vec::new());
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        match line.strip_prefix("span ") {
            Some(json) => spans.push(serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))),
            None => printed.push(line.to_owned()),
        }
    }
    (spans, printed, stderr)
}

fn by_the_sdk(app: &Path) -> Ran {
    let (spans, printed, stderr) = run(Command::new(app).env("WITH_SDK", "1"));
    Ran { spans: normal(spans), printed, stderr }
}

fn by_the_launcher(app: &Path, environment: &[(&str, &str)]) -> Ran {
    let receiver = Receiver::start();
    let mut command = launcher();
    sending_to(&mut command, &receiver);
    let (own, printed, stderr) = run(command.envs(environment.iter().copied()).arg("--").arg(app));
    assert!(own.is_empty(), "the program has an SDK");
    let requests = receiver.requests().into_iter().flat_map(|request| request.resource_spans);
    Ran { spans: normal(requests.flat_map(|one| one.scope_spans)), printed, stderr }
}

/// What a program that writes ids into its logs knows: those that the spans have.
fn correlates(ran: &Ran, what: &str) {
    let mut found = 0;
    for line in &ran.printed {
        let Some(line) = line.strip_prefix("correlated ") else { continue };
        let [recording, sampled, same, span, trace, name] = line.rsplitn(6, ' ').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        assert_eq!(same, "true", "{what}: {line}");
        if name == "nothing" {
            assert_eq!((recording, sampled), ("false", "false"), "{what}: {line}");
            continue;
        }
        assert_eq!((recording, sampled), ("true", "true"), "{what}: {line}");
        let own = ran.spans.iter().find(|(path, _)| path.rsplit(" / ").next() == Some(name));
        assert_eq!(own.unwrap().1.ids, [trace, span].map(str::to_owned), "{what}: {line}");
        found += 1;
    }
    assert_eq!(found, 3, "{what}: {:?}", ran.printed);
}

#[test]
fn all_calls_are_as_with_the_sdk() {
    for build in builds() {
        let Build { app, what, minor } = &build;
        let with = by_the_sdk(app);
        correlates(&with, what);
        assert!(with.spans.len() > 120, "{what}: {:?}", with.spans.keys());
        let without = by_the_launcher(app, &[]);
        if !build.has_spans() {
            assert!(without.spans.is_empty(), "{what}: {:?}", without.spans.keys());
            assert_eq!(without.printed.len(), with.printed.len(), "{what}: {}", without.stderr);
            continue;
        }
        let wrong = differences::compare(&differences::expected(with.spans, *minor), &without.spans);
        assert!(wrong.is_empty(), "{what}:\n{}\n{}", wrong.join("\n"), without.stderr);
        correlates(&without, what);
        let lost = "spans are lost: of what was reported, 2 could not be encoded by the program's OpenTelemetry API, as an attribute is NaN";
        assert!(without.stderr.contains(lost), "{what}: {}", without.stderr);
    }
}

/// Variables that set limits hold for these spans as for the SDK's.
#[test]
fn limits_of_the_environment() {
    let Build { app, what, .. } = newest();
    let limits = [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "3"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "2"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "4"),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "5"),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "6"),
    ];
    let (with, ..) = run(Command::new(&app).env("WITH_SDK", "1").envs(limits));
    let with = normal(with);
    let without = by_the_launcher(&app, &limits);
    for path in ["300 attributes", "200 events", "200 links", "200 links at the start", "300 attributes at the start"] {
        let unlike = with[path].unlike(&without.spans[path]);
        assert!(unlike.is_empty(), "{what} {path}: {}", unlike.join("\n"));
    }
}

/// What is not sampled is not sent, and says so.
#[test]
fn what_is_not_sampled() {
    let Build { app, what, .. } = newest();
    let ran = by_the_launcher(&app, &[("OTEL_TRACES_SAMPLER", "always_off")]);
    assert!(ran.spans.is_empty(), "{what}: {:?}", ran.spans.keys());
    let outer = ran.printed.iter().find(|line| line.starts_with("correlated outer ")).unwrap();
    assert!(outer.ends_with(" true false false"), "{what}: {outer}");
    let ids: Vec<&str> = outer.split(' ').skip(2).take(2).collect();
    assert!(ids.iter().all(|id| id.bytes().any(|byte| byte != b'0')), "{what}: {outer}");
}
