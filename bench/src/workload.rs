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

const SAMPLED: &[Mode] = &[Mode::Bare, Mode::Traced, Mode::Bpf, Mode::Sdk];
const ALL_MODES: &[Mode] = &[Mode::Bare, Mode::Traced, Mode::Bpf, Mode::Unsampled, Mode::Sdk];
const WITHOUT_SDK: &[Mode] = &[Mode::Bare, Mode::Traced];
const OF_API: &[Mode] = &[Mode::Bare, Mode::Traced, Mode::HttpAlone, Mode::Bpf, Mode::Sdk];
const CATALOG: &[Mode] = &[Mode::Bare, Mode::Traced, Mode::HttpAlone];

/// The functions of `bench/apps/function`, that which is called first.
const FUNCTIONS: [&str; 20] = [
    "main.Place(ctx context.Context, order *order) error",
    "main.Accept(ctx context.Context, order *order) error",
    "main.Bill(ctx context.Context, order *order) error",
    "main.Cancel(ctx context.Context, order *order) error",
    "main.Check(ctx context.Context, order *order) error",
    "main.Confirm(ctx context.Context, order *order) error",
    "main.Count(ctx context.Context, order *order) error",
    "main.Deliver(ctx context.Context, order *order) error",
    "main.Find(ctx context.Context, order *order) error",
    "main.Hold(ctx context.Context, order *order) error",
    "main.List(ctx context.Context, order *order) error",
    "main.Move(ctx context.Context, order *order) error",
    "main.Pack(ctx context.Context, order *order) error",
    "main.Pay(ctx context.Context, order *order) error",
    "main.Price(ctx context.Context, order *order) error",
    "main.Refund(ctx context.Context, order *order) error",
    "main.Release(ctx context.Context, order *order) error",
    "main.Return(ctx context.Context, order *order) error",
    "main.Ship(ctx context.Context, order *order) error",
    "main.Weigh(ctx context.Context, order *order) error",
];

/// All of them.
pub(crate) static WORKLOADS: [Workload; 14] = [
    Workload {
        name: "server",
        description: "A small JSON server; per request",
        app: "server",
        asked: Asked::FromOutside,
        outgoing: 0,
        spans: 1,
        kind: Kind::Server,
        functions: &[],
        starts: 5,
        divisor: 1,
        modes: ALL_MODES,
    },
    Workload {
        name: "client",
        description: "Requests to a sink by `net/http`, HTTP/1; per outgoing request",
        app: "client",
        asked: Asked::Plain,
        outgoing: 1,
        spans: 1,
        kind: Kind::Outgoing,
        functions: &[],
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
        kind: Kind::Outgoing,
        functions: &[],
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
        kind: Kind::Outgoing,
        functions: &[],
        starts: 0,
        divisor: 5,
        modes: SAMPLED,
    },
    Workload {
        name: "statement-exec",
        description: "An UPDATE by `database/sql` and `modernc.org/sqlite` in memory, a database for each connection; per statement",
        app: "statement",
        asked: Asked::ByItself("exec"),
        outgoing: 0,
        spans: 1,
        kind: Kind::Operations { count: 1, most: 5.0, is_paced: false },
        functions: &[],
        starts: 0,
        divisor: 1,
        modes: SAMPLED,
    },
    Workload {
        name: "statement-query-row",
        description: "The same with a SELECT of one row; per statement",
        app: "statement",
        asked: Asked::ByItself("query-row"),
        outgoing: 0,
        spans: 1,
        kind: Kind::Operations { count: 1, most: 5.0, is_paced: false },
        functions: &[],
        starts: 0,
        divisor: 1,
        modes: SAMPLED,
    },
    Workload {
        name: "function",
        description: "20 functions are named by `--span`, of which one is called in a tight loop, with a few µs of work; per 20 calls",
        app: "function",
        asked: Asked::ByItself("Place"),
        outgoing: 0,
        spans: 20,
        kind: Kind::Operations { count: 20, most: 2.0, is_paced: true },
        functions: &FUNCTIONS,
        starts: 0,
        divisor: 4,
        modes: SAMPLED,
    },
    Workload {
        name: "function-unnamed",
        description: "The same, but it is one that is not named; per 20 calls",
        app: "function",
        asked: Asked::ByItself("Place"),
        outgoing: 0,
        spans: 0,
        kind: Kind::Operations { count: 20, most: 0.1, is_paced: true },
        functions: FUNCTIONS.split_at(1).1,
        starts: 0,
        divisor: 4,
        modes: WITHOUT_SDK,
    },
    Workload {
        name: "go-statement",
        description: "Goroutines that do nothing, in a program with an HTTP server and a client; per 1,000 `go` statements",
        app: "goroutine",
        asked: Asked::ByItself(""),
        outgoing: 0,
        spans: 0,
        kind: Kind::Operations { count: 1_000, most: 0.02, is_paced: true },
        functions: &[],
        starts: 0,
        divisor: 10,
        modes: WITHOUT_SDK,
    },
    Workload {
        name: "grpc",
        description: "Unary calls by gRPC over TCP, 32 connections within one program, which is client and server; per call, both sides",
        app: "grpc",
        asked: Asked::ByItself("unary"),
        outgoing: 1,
        spans: 2,
        kind: Kind::Calls,
        functions: &[],
        starts: 0,
        divisor: 2,
        modes: SAMPLED,
    },
    Workload {
        name: "otel-api-span",
        description: "A server that starts 100 spans by the OpenTelemetry API for each request, sets two attributes of each, and ends it; per request",
        app: "api",
        asked: Asked::Serving("span"),
        outgoing: 0,
        spans: 101,
        kind: Kind::Api { count: 100, most: 5.0 },
        functions: &[],
        starts: 0,
        divisor: 100,
        modes: OF_API,
    },
    Workload {
        name: "otel-api-attribute",
        description: "A server that adds 100 attributes to the current span by the OpenTelemetry API for each request, one at a time; per request",
        app: "api",
        asked: Asked::Serving("attribute"),
        outgoing: 0,
        spans: 1,
        kind: Kind::Api { count: 100, most: 1.0 },
        functions: &[],
        starts: 0,
        divisor: 20,
        modes: OF_API,
    },
    Workload {
        name: "otel-api-unused",
        description: "The same server, which calls nothing of the API; per request",
        app: "api",
        asked: Asked::Serving("nothing"),
        outgoing: 0,
        spans: 1,
        kind: Kind::Api { count: 0, most: 0.0 },
        functions: &[],
        starts: 0,
        divisor: 10,
        modes: OF_API,
    },
    Workload {
        name: "catalog",
        description: "The small JSON server with `database/sql` and pgx in the program, traced with them and without; per request",
        app: "catalog",
        asked: Asked::FromOutside,
        outgoing: 0,
        spans: 1,
        kind: Kind::Catalog,
        functions: &[],
        starts: 10,
        divisor: 1,
        modes: CATALOG,
    },
];

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
