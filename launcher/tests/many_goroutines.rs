//! More requests at once than goroutines are remembered: spans are lost, and counted; none is another one's.
//!
//! Needs root, as the probes do.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bpf::missed::Missed;
use bpf::records::http_server::text as server_text;
use go_auto_launch::binary::GoBinary;
use go_auto_launch::engine::Records as _;
use go_auto_launch::engine::bpf::attach::BpfAttached;
use go_auto_launch::engine::bpf::{Uprobes, attach};
use go_auto_launch::events::decode::{Record, decode};
use go_auto_launch::instrumentations::CATALOG;
use go_auto_launch::kernel::UprobeKind;
use go_auto_launch::probes::plan::{Circumstances, Plan};
use support::apps::{self, GoVersion, Variant};
use support::load;
use support::plain::{Plain, everything};
use support::sink::Sink;

/// What is remembered, and how many connections there are.
const REMEMBERED: u32 = 8;
const CONNECTIONS: usize = 32;
const REQUESTS: usize = 40_000;

/// A request has its number in its trace id and in its query, and asks for a status that depends on it.
fn status(number: usize) -> u32 {
    200 + u32::try_from(number % 97).unwrap()
}

#[derive(Default)]
struct Seen {
    /// Numbers of the requests, by span id.
    open: HashMap<[u8; 8], usize>,
    starts: usize,
    ends: usize,
}

impl Seen {
    fn take(&mut self, record: &Record<'_>) {
        match record {
            Record::HttpServerStart(start) => {
                self.starts += 1;
                let query = String::from_utf8(start.texts[server_text::QUERY].0.to_vec()).unwrap();
                let number: usize = query.rsplit('=').next().unwrap().parse().unwrap();
                assert_eq!(u128::from_be_bytes(start.span.trace_id), number as u128 + 1, "another one's trace");
                assert_eq!(self.open.insert(start.span.span_id, number), None, "two spans with one id");
            }
            Record::HttpServerEnd(end) => {
                self.ends += 1;
                let number = self.open.remove(&end.head.span_id);
                let number = number.unwrap_or_else(|| panic!("an end without a start, or a second one"));
                assert_eq!(end.head.status, status(number), "another one's end");
            }
            other @ (Record::HttpServerUnfinished(_)
            | Record::HttpServerPanic(_)
            | Record::HttpClientStart(_)
            | Record::HttpClientEnd(_)
            | Record::OperationStart(_)
            | Record::OperationEvent(_)
            | Record::EncodedSpan(_)
            | Record::SpanCall(_)
            | Record::Superseded(_)) => panic!("{other:?}"),
        }
    }

    fn drain(&mut self, attached: &mut BpfAttached) {
        while attached.records.next(&mut |item| self.take(&decode(item).unwrap())) {}
    }
}

/// Probes on a running process, that remember [`REMEMBERED`] goroutines.
fn with_few_goroutines(app: &Path, server: &Plain) -> BpfAttached {
    let file = std::fs::read(app).unwrap();
    let circumstances = Circumstances { load_bias: Some(0), ..Circumstances::default() };
    let mut plan = Plan::new(CATALOG, &GoBinary::parse(&file).unwrap(), &Uprobes, circumstances).unwrap();
    plan.goroutines = Some(REMEMBERED);
    attach(&plan, &everything(), UprobeKind::Multi, app, server.pid()).unwrap()
}

#[test]
fn what_is_forgotten_is_nobody_elses() {
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    let server = Plain::start(&app, &["-addr", "127.0.0.1:0"], 1);
    let address = server.addresses[0];
    let mut attached = with_few_goroutines(&app, &server);
    let (done, mut seen) = (AtomicBool::new(false), Seen::default());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            load::each(address, CONNECTIONS, REQUESTS, |client, number| {
                let parent = ("traceparent".to_owned(), format!("00-{:032x}-{:016x}-01", number + 1, number + 1));
                let path = format!("/status?code={}&us=200&n={number}", status(number));
                assert_eq!(client.send("GET", &path, &[parent], "").map(u32::from), Some(status(number)));
            });
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            seen.drain(&mut attached);
            std::thread::yield_now();
        }
    });
    seen.drain(&mut attached);
    // Nearly all are forgotten while their handlers sleep.
    assert!(seen.ends < seen.starts && seen.starts > REQUESTS / 2, "{} starts, {} ends", seen.starts, seen.ends);
    let evicted = attached.records.missed().unwrap()[Missed::Evicted as usize];
    let lost = (seen.starts - seen.ends) as u64;
    assert!(evicted >= lost, "{lost} ends of {} are missing, {evicted} were counted", seen.starts);
}

/// The same of requests that are made for those that are served.
#[test]
fn ends_of_round_trips_are_counted_too() {
    let app = apps::build("parentage", GoVersion::GO_1_27, Variant::Stripped);
    let sink = Sink::start();
    let server = Plain::start(&app, &[&sink.url], 1);
    let address = server.addresses[0];
    let mut attached = with_few_goroutines(&app, &server);
    let done = AtomicBool::new(false);
    let (mut starts, mut ends) = (0_u64, 0_u64);
    let mut drain = |attached: &mut BpfAttached| {
        while attached.records.next(&mut |item| match decode(item).unwrap() {
            Record::HttpServerStart(_) | Record::HttpClientStart(_) => starts += 1,
            Record::HttpServerEnd(_) | Record::HttpClientEnd(_) => ends += 1,
            other @ (Record::HttpServerUnfinished(_)
            | Record::HttpServerPanic(_)
            | Record::OperationStart(_)
            | Record::OperationEvent(_)
            | Record::EncodedSpan(_)
            | Record::SpanCall(_)
            | Record::Superseded(_)) => panic!("{other:?}"),
        }) {}
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            load::each(address, CONNECTIONS, 8_000, |client, number| {
                assert_eq!(client.send("GET", &format!("/mess/ok?id={number}"), &[], ""), Some(200));
            });
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            drain(&mut attached);
            std::thread::yield_now();
        }
    });
    drain(&mut attached);
    let missed = attached.records.missed().unwrap();
    let evicted = missed[Missed::Evicted as usize];
    assert!(ends < starts, "{starts} starts, {ends} ends");
    assert!(evicted >= starts - ends, "{} ends of {starts} are missing: {missed:?}", starts - ends);
    sink.end();
}
