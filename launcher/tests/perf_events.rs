//! The fallback for kernels before 6.10: the same probes as perf events, one for each site.
//!
//! Needs root, as perf-event uprobes do (`CAP_SYS_ADMIN` on kernels with the fix of CVE-2025-38466).

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use bpf::config::{SamplerSetting, Setting};
use go_auto_launch::binary::GoBinary;
use go_auto_launch::events::decode::{Record, decode};
use go_auto_launch::instrumentations::CATALOG;
use go_auto_launch::kernel::UprobeKind;
use go_auto_launch::probes::attach::attach;
use go_auto_launch::probes::plan::{Circumstances, Plan};
use support::apps::{self, GoVersion, Variant};
use support::server::Client;

#[test]
fn perf_events_report_the_same() {
    const REQUESTS: usize = 50;
    let app = apps::build("http_server", GoVersion::GO_1_26, Variant::Stripped);
    let mut server = Command::new(&app).args(["-addr", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening ").unwrap().parse().unwrap();

    let file = std::fs::read(&app).unwrap();
    let plan =
        Plan::new(CATALOG, &GoBinary::parse(&file).unwrap(), Circumstances { load_bias: Some(0), ..Circumstances::default() })
            .unwrap();
    let everything =
        SamplerSetting { parent_based: Setting::new(0), propagators: Setting::new(1), threshold: Setting::new(1 << 63) };
    let pid = server.id().try_into().unwrap();
    let mut attached = attach(&plan, &everything, UprobeKind::PerfEvent, &app, pid).unwrap();

    let mut client = Client::connect(address);
    for _ in 0..REQUESTS {
        assert_eq!(client.send("GET", "/hello", &[], ""), Some(200));
    }
    let (mut starts, mut ends) = (0, 0);
    while let Some(item) = attached.records.next() {
        match decode(&item).unwrap() {
            Record::HttpServerStart(_) => starts += 1,
            Record::HttpServerEnd(end) => {
                assert_eq!(end.status, 200);
                ends += 1;
            }
            other @ (Record::HttpServerUnfinished(_)
            | Record::HttpServerPanic(_)
            | Record::HttpClientStart(_)
            | Record::HttpClientEnd(_)) => panic!("{other:?}"),
        }
    }
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!((starts, ends), (REQUESTS, REQUESTS));
}
