//! Baggage by OpenTelemetry's API: what came with a request is in the contexts of the program, and what the program sets goes with what it
//! sends, by HTTP/1, HTTP/2 and gRPC.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::path::{Path, PathBuf};

use support::apps::{self, GoVersion, ModuleFile, Variant, tests_all};
use support::load;
use support::server::{Client, Left, Server, launcher};

/// What comes with a request.
const CAME: &str = "tenant=a%20b;p=1,user=7";
const PROTOCOLS: [&str; 3] = ["http1", "http2", "grpc"];

/// The oldest versions, the newest, and the newest without what parses baggage.
struct Builds {
    oldest: PathBuf,
    newest: PathBuf,
    without_parse: PathBuf,
}

fn builds() -> Builds {
    let file = ModuleFile::named("otel_baggage", "newest");
    let [_, go] = file.go_versions();
    let newest = |tags: &str| apps::build_tagged("otel_baggage", go, Variant::Stripped, tags, Some(&file));
    Builds {
        oldest: apps::build("otel_baggage", GoVersion::GO_1_21, Variant::Stripped),
        newest: newest("newest"),
        without_parse: newest("newest,without_parse"),
    }
}

/// The members, in one order: a map has them in any.
fn sorted(baggage: &str) -> Vec<&str> {
    let mut members: Vec<&str> = baggage.split(',').filter(|member| !member.is_empty()).collect();
    members.sort_unstable();
    members
}

fn asked(client: &mut Client, path: &str, came: &[&str]) -> String {
    let headers: Vec<_> = came.iter().map(|line| ("Baggage".to_owned(), (*line).to_owned())).collect();
    assert_eq!(client.send("GET", path, &headers, ""), Some(200), "{path}");
    String::from_utf8(client.body.clone()).unwrap()
}

/// Asks a program for each of these paths, with baggage and without, and compares the answers.
fn answers(app: &Path, expected: &[(String, &str, &str)]) {
    let server = Server::start_with(launcher(), app, &[], 3);
    let mut client = Client::connect(server.addresses[0]);
    for (path, with, without) in expected {
        for (came, expected) in [(&[CAME][..], with), (&[], without)] {
            let answer = asked(&mut client, path, came);
            assert_eq!(sorted(&answer), sorted(expected), "{} {path} {came:?}", app.display());
        }
    }
    drop(client);
    let Left { status, stderr, .. } = server.end();
    assert!(status.success(), "{status:?} {stderr}");
}

/// A request that is sent with what was set.
fn sent(set: &str, protocol: &str, path: &str) -> String {
    format!("/sent?do={set}&to={protocol}&path={path}")
}

#[test]
fn what_came_is_in_the_context() {
    let Builds { oldest, newest, without_parse } = builds();
    let mut expected = vec![
        ("/seen".to_owned(), CAME, ""),
        // Its handler may change the headers meanwhile.
        ("/seen?by=another".to_owned(), "", ""),
        // What the program has set, in whatever way, stays.
        ("/seen?do=other".to_owned(), "own=1", "own=1"),
        ("/seen?do=none".to_owned(), "", ""),
        ("/seen?do=merged".to_owned(), "own=1", "own=1"),
    ];
    // What is passed on is in the next one's contexts, too.
    expected.extend(PROTOCOLS.map(|protocol| (sent("nothing", protocol, "seen"), CAME, "")));
    answers(&oldest, &expected);
    answers(&newest, &expected);
    answers(&without_parse, &[("/seen".to_owned(), "", ""), (sent("nothing", "grpc", "seen"), "", "")]);
}

#[test]
fn what_is_set_goes_out() {
    let Builds { oldest, newest, .. } = builds();
    let together = format!("{CAME},own=1");
    let mut expected = Vec::new();
    for protocol in PROTOCOLS {
        expected.extend([
            (sent("nothing", protocol, "came"), CAME, ""),
            (sent("more", protocol, "came"), &*together, "own=1"),
            (sent("other", protocol, "came"), "own=1", "own=1"),
            (sent("none", protocol, "came"), "", ""),
            (sent("all", protocol, "came"), ALL, ALL),
            (sent("forbidden", protocol, "came"), "own=1,with=4", "own=1,with=4"),
            // What its method would say is not known.
            (sent("merged", protocol, "came"), CAME, ""),
            (sent("long", protocol, "came"), "", ""),
        ]);
    }
    answers(&oldest, &expected);
    answers(&newest, &expected);
}

/// All members of `tests/apps/otel_baggage/set.go`.
const ALL: &str = "empty=,!#$%&'*+-.^_`|~09azAZ=odd,encoded=%20%09%2C%3B%5C%22%25/=%C3%A9%E6%97%A5%7F,one=1;alone,\
    three=3;alone;full=a%20value%2C%20%22quoted%22%3B%20100%25;empty=,a=,b=b,c=cc,d=ddd,e=eeee,f=fffff,g=gggggg,h=hhhhhhh,i=iiiiiiii,\
    j=jjjjjjjjj,k=kkkkkkkkkk,l=lllllllllll,m=mmmmmmmmmmmm,n=nnnnnnnnnnnnn,o=oooooooooooooo,p=ppppppppppppppp";

/// A program that cannot have what came in its contexts does not take it away by what it sets.
#[test]
fn what_the_program_cannot_see_is_passed_on() {
    let together = format!("{CAME},own=1");
    let expected = PROTOCOLS.map(|protocol| (sent("other", protocol, "came"), &*together, "own=1"));
    answers(&builds().without_parse, &expected);
}

/// Each attempt of a call has it, although the function that has begun the call has returned.
#[test]
fn attempts_of_a_call() {
    let Builds { oldest, newest, .. } = builds();
    for app in [oldest, newest] {
        let server = Server::start_with(launcher(), &app, &[], 3);
        let mut client = Client::connect(server.addresses[0]);
        for _ in 0..20 {
            assert_eq!(asked(&mut client, "/retried?do=other", &[CAME]), "own=1 own=1 own=1", "{}", app.display());
        }
        drop(client);
        server.end();
    }
}

/// Where nothing is looked at of the API, what came is passed on as without it.
#[test]
fn switched_off() {
    for (name, value) in
        [("GO_AUTO_LAUNCH_SDK", "off"), ("GO_AUTO_LAUNCH_SDK", "only-auto"), ("OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS", "otel")]
    {
        let mut command = launcher();
        command.env(name, value);
        let server = Server::start_with(command, &builds().newest, &[], 3);
        let mut client = Client::connect(server.addresses[0]);
        assert_eq!(asked(&mut client, "/seen", &[CAME]), "", "{name}={value}");
        assert_eq!(asked(&mut client, &sent("other", "http1", "came"), &[CAME]), CAME, "{name}={value}");
        drop(client);
        server.end();
    }
}

/// Several lines are passed on in one; the program gets none of them rather than some.
#[test]
fn several_lines() {
    let server = Server::start_with(launcher(), &builds().newest, &[], 3);
    let mut client = Client::connect(server.addresses[0]);
    assert_eq!(asked(&mut client, "/seen", &["a=1", "b=2"]), "");
    assert_eq!(asked(&mut client, &sent("nothing", "http1", "came"), &["a=1", "b=2"]), "a=1,b=2");
    drop(client);
    server.end();
}

/// Each request has its own, also while garbage is collected without a pause and Go looks for what it has freed too early.
#[test]
fn each_has_its_own() {
    let requests = if tests_all() { 10_000 } else { 2_000 };
    let Builds { oldest, newest, .. } = builds();
    for (app, environment) in [(&oldest, ("GODEBUG", "gccheckmark=1")), (&newest, ("GODEBUG", "clobberfree=1"))] {
        let mut command = launcher();
        command.env("STRESS", "1").env("GOGC", "1").envs([environment]);
        let server = Server::start_with(command, app, &[], 3);
        load::each(server.addresses[0], 16, requests, |client, number| {
            let came = format!("user={number},text=%41{}", "b".repeat(number % 97));
            let seen = came.replace("%41", "A");
            let answer = match number % 3 {
                0 => asked(client, "/seen", &[&came]),
                1 => asked(client, &sent("more", "grpc", "seen"), &[&came]).replace(",own=1", "").replace("own=1,", ""),
                _ => asked(client, &sent("nothing", "http2", "seen"), &[&came]),
            };
            assert_eq!(sorted(&answer), sorted(&seen), "{}", app.display());
        });
        let Left { status, stderr, .. } = server.end();
        assert!(status.success() && !stderr.contains("lost"), "{}: {status:?} {stderr}", app.display());
    }
}
