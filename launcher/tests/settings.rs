//! What may change while the program runs: the sampler, and what is switched off. And what operations leave that are not sampled.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use bpf::config::{Settings, instrumentation};
use bpf::shared::Shared;
use bpf::trace::operation::kind;
use go_auto_launch::binary::GoBinary;
use go_auto_launch::engine::bpf::attach::BpfAttached;
use go_auto_launch::engine::bpf::{Uprobes, attach};
use go_auto_launch::engine::{Probes as _, Records as _};
use go_auto_launch::events::decode::{Record, decode};
use go_auto_launch::instrumentations::CATALOG;
use go_auto_launch::kernel::UprobeKind;
use go_auto_launch::probes::plan::{Circumstances, Plan};
use support::apps::{self, GoVersion, Variant};
use support::plain::{Plain, everything};
use support::server::{Client, Server, launcher};

const REQUESTS: u64 = 40;

/// Starts and ends that have been reported since the last look.
fn reported(attached: &mut BpfAttached) -> (u64, u64) {
    let (mut starts, mut ends) = (0, 0);
    while attached.records.next(&mut |item| match decode(item).unwrap() {
        Record::HttpServerStart(_) => starts += 1,
        Record::HttpServerEnd(_) => ends += 1,
        other @ (Record::HttpServerUnfinished(_)
        | Record::HttpServerPanic(_)
        | Record::HttpClientStart(_)
        | Record::HttpClientEnd(_)
        | Record::OperationStart(_)
        | Record::OperationEvent(_)
        | Record::EncodedSpan(_)
        | Record::SpanCall(_)
        | Record::Superseded(_)) => panic!("{other:?}"),
    }) {}
    (starts, ends)
}

#[test]
fn settings_change_from_one_request_to_the_next() {
    let app = apps::build("http_server", GoVersion::GO_1_27, Variant::Stripped);
    let server = Plain::start(&app, &["-addr", "127.0.0.1:0"], 1);
    let file = std::fs::read(&app).unwrap();
    let circumstances = Circumstances { load_bias: Some(0), ..Circumstances::default() };
    let plan = Plan::new(CATALOG, &GoBinary::parse(&file).unwrap(), &Uprobes, circumstances).unwrap();
    let mut attached = attach(&plan, &everything(), UprobeKind::Multi, &app, server.pid()).unwrap();
    let mut client = Client::connect(server.addresses[0]);
    let mut send = || (0..REQUESTS).for_each(|_| assert_eq!(client.send("GET", "/hello", &[], ""), Some(200)));
    send();
    assert_eq!(reported(&mut attached), (REQUESTS, REQUESTS));

    let set = |attached: &mut BpfAttached, off: u32, threshold: u64| {
        let settings = Settings { parent_based: Shared::new(0), off: Shared::new(off), threshold: Shared::new(threshold) };
        attached.probes.set(&settings).unwrap();
    };
    set(&mut attached, 0, 0);
    send();
    assert_eq!(reported(&mut attached), (0, 0), "nothing is sampled");
    let unsampled = attached.records.unsampled().unwrap();
    assert_eq!(unsampled[kind::HTTP1_SERVER as usize].counts.iter().sum::<u64>(), REQUESTS);
    assert!(unsampled[kind::HTTP1_SERVER as usize].sum >= REQUESTS * 1_000, "each takes a microsecond or more: {unsampled:?}");
    set(&mut attached, instrumentation::HTTP_SERVER, 1 << 63);
    send();
    assert_eq!(reported(&mut attached), (0, 0), "servers are switched off");
    set(&mut attached, instrumentation::HTTP_CLIENT, 1 << 63);
    send();
    assert_eq!(reported(&mut attached), (REQUESTS, REQUESTS), "clients are switched off, and servers are not");
    let unsampled = attached.records.unsampled().unwrap();
    assert_eq!(unsampled.iter().flat_map(|durations| durations.counts).sum::<u64>(), REQUESTS, "{unsampled:?}");
}

#[test]
fn what_was_not_sampled_is_counted() {
    let mut command = launcher();
    command.arg("--verbose").env("OTEL_TRACES_SAMPLER", "always_off");
    let app = apps::build("http_server", GoVersion::GO_1_21, Variant::Stripped);
    let server = Server::start_with(command, &app, &["-addr", "127.0.0.1:0"], 1);
    let mut client = Client::connect(server.addresses[0]);
    for _ in 0..REQUESTS {
        assert_eq!(client.send("GET", "/hello", &[], ""), Some(200));
    }
    let left = server.end();
    assert!(left.spans.is_empty());
    let said = format!("not sampled: {REQUESTS} HTTP/1 requests served (");
    assert!(left.stderr.lines().any(|line| line.contains(&said)), "{}", left.stderr);
}
