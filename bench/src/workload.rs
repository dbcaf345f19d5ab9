//! What is measured: the programs under test, how they are asked, and what a request of each is.

use std::net::SocketAddr;

use crate::load::{self, Load, Served};
use crate::outgoing;
use crate::sink::Sink;
use crate::subject::Mode;

/// One of them.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// What it does, for the report.
    pub(crate) description: &'static str,
    /// Its folder below `bench/apps`.
    pub(crate) app: &'static str,
    asked: Asked,
    /// The requests that it sends for each that is counted.
    pub(crate) outgoing: u64,
    /// Spans of each request that is counted.
    pub(crate) spans: u64,
    /// Starts in each round and mode that serve nothing: only their delays count.
    pub(crate) starts: u32,
    /// What the fixed rate is divided by, for two cores to sustain it.
    divisor: u32,
    pub(crate) modes: &'static [Mode],
}

/// Who begins, and where the sink is asked.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// The load generator asks the program, which may ask the sink.
    FromOutside,
    /// The program sends by itself, HTTP/1.
    Plain,
    /// The same, HTTP/2 over TLS.
    Secure,
}

const SAMPLED: &[Mode] = &[Mode::Bare, Mode::Traced, Mode::Sdk];
const ALL_MODES: &[Mode] = &[Mode::Bare, Mode::Traced, Mode::Unsampled, Mode::Sdk];

/// All of them; the goals of a server are those of the first.
pub(crate) static WORKLOADS: [Workload; 4] = [
    Workload {
        name: "server",
        description: "A small JSON server; per request",
        app: "server",
        asked: Asked::FromOutside,
        outgoing: 0,
        spans: 1,
        starts: 5,
        divisor: 1,
        modes: SAMPLED,
    },
    Workload {
        name: "client",
        description: "Requests to a sink by `net/http`, HTTP/1; per outgoing request",
        app: "client",
        asked: Asked::Plain,
        outgoing: 1,
        spans: 1,
        starts: 0,
        divisor: 1,
        modes: ALL_MODES,
    },
    Workload {
        name: "client-http2",
        description: "The same over TLS with HTTP/2, for which all share one connection; per outgoing request",
        app: "client",
        asked: Asked::Secure,
        outgoing: 1,
        spans: 1,
        starts: 0,
        divisor: 2,
        modes: ALL_MODES,
    },
    Workload {
        name: "fan-out",
        description: "A server that makes two requests to the sink at the same time for each that it gets; per incoming request",
        app: "fan_out",
        asked: Asked::FromOutside,
        outgoing: 2,
        spans: 3,
        starts: 0,
        divisor: 5,
        modes: SAMPLED,
    },
];

impl Workload {
    /// Has requests made until the load's duration is over.
    pub(crate) fn ask(&self, address: SocketAddr, load: Load) -> anyhow::Result<Served> {
        match self.asked {
            Asked::FromOutside => load::run(address, load),
            Asked::Plain | Asked::Secure => outgoing::run(address, load),
        }
    }

    /// The program's argument: where the sink is asked.
    pub(crate) fn argument<'a>(&self, sink: &'a Sink) -> &'a str {
        match self.asked {
            Asked::FromOutside | Asked::Plain => &sink.plain,
            Asked::Secure => &sink.secure,
        }
    }

    /// The fixed rate of this workload.
    pub(crate) fn rate(&self, rate: u32) -> u32 {
        (rate / self.divisor).max(1)
    }
}
