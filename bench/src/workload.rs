//! What is measured: the programs under test, how they are asked, and what a request of each is.

use std::net::SocketAddr;

use crate::load::{self, Load, Served};
use crate::outgoing;
use crate::sink::Sink;
use crate::subject::Mode;

pub(crate) use self::table::WORKLOADS;

mod table;

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
    /// What it is measured for.
    pub(crate) kind: Kind,
    /// The functions of its own that have spans, as `--span` names them.
    pub(crate) functions: &'static [&'static str],
    /// Starts in each round and mode that serve nothing: only their delays count.
    pub(crate) starts: u32,
    /// What the fixed rate is divided by, for two cores to sustain it.
    divisor: u32,
    pub(crate) modes: &'static [Mode],
}

/// What a workload is measured for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// What a request costs a server.
    Server,
    /// What requests cost that a program sends.
    Outgoing,
    /// What operations of tables cost: how many there are in what is counted as a request, and the most microseconds of each; at the
    /// fixed rate alone where nothing could export what comes of more.
    Operations { count: u32, most: f64, is_paced: bool },
    /// What calls of the OpenTelemetry API cost, beside the request in which there are so many, and the most microseconds of each;
    /// where there are none, no probe of theirs is hit.
    Api { count: u32, most: f64 },
    /// What calls cost of which both sides are the program's.
    Calls,
    /// What the tables take at the start.
    Catalog,
}

/// Who begins, and where the sink is asked.
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// The load generator asks the program, which may ask the sink.
    FromOutside,
    /// The same, and its argument says what it does for that.
    Serving(&'static str),
    /// The program sends by itself, HTTP/1.
    Plain,
    /// The same, HTTP/2 over TLS.
    Secure,
    /// The program does by itself what its argument says.
    ByItself(&'static str),
}

impl Workload {
    /// Has requests made until the load's duration is over.
    pub(crate) fn ask(&self, address: SocketAddr, load: Load) -> anyhow::Result<Served> {
        match self.asked {
            Asked::FromOutside | Asked::Serving(_) => load::run(address, load),
            Asked::Plain | Asked::Secure | Asked::ByItself(_) => outgoing::run(address, load),
        }
    }

    /// The program's argument: where the sink is asked.
    pub(crate) fn argument<'a>(&self, sink: &'a Sink) -> &'a str {
        match self.asked {
            Asked::FromOutside | Asked::Plain => &sink.plain,
            Asked::Secure => &sink.secure,
            Asked::Serving(what) | Asked::ByItself(what) => what,
        }
    }

    /// Whether it is asked at the fixed rate alone.
    pub(crate) fn is_paced(&self) -> bool {
        matches!(self.kind, Kind::Operations { is_paced: true, .. } | Kind::Api { .. })
    }

    /// The fixed rate of this workload.
    pub(crate) fn rate(&self, rate: u32) -> u32 {
        (rate / self.divisor).max(1)
    }
}
