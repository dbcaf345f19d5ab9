//! What is observed: a point of a function that is passed exactly once for each event.

use serde::Serialize;

use super::site::Site;

/// One observation.
#[derive(Clone, Debug, Serialize)]
pub struct Probe {
    /// The function that is observed.
    pub function: String,
    /// What it means that the point is passed.
    #[serde(flatten)]
    pub event: Event,
    /// Which point of the function.
    pub point: Point,
    /// Where the engine observes it.
    pub sites: Vec<Site>,
}

/// What is told to a probe's body.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Event {
    /// For people.
    #[serde(rename = "event")]
    pub meaning: &'static str,
    /// How often that is.
    pub when: When,
    /// Which body runs.
    pub body: Body,
    /// What it gets as [`bpf::config::Cookie::event`].
    #[serde(skip)]
    pub number: u32,
}

/// When a probe is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// An operation begins.
    Start,
    /// A request is written, and the trace context injected.
    Inject,
    /// An operation ends.
    End,
    /// An object ends with which an operation goes on.
    Close,
    /// Something is known of an operation.
    Annotate,
    /// A mux has found a request's route. The probe is taken away where it is not needed.
    Route,
    /// A `go` statement is executed, whoever's.
    GoStatement,
    /// A connection ends, or an operation by a panic.
    Connection,
    /// A goroutine panics, or ends by `runtime.Goexit`.
    Panic,
    /// The program calls the OpenTelemetry API.
    Api,
    /// The process ends.
    Exit,
}

impl When {
    /// Whether each operation has it.
    #[must_use]
    pub const fn is_of_each_operation(self) -> bool {
        match self {
            Self::Start | Self::Inject | Self::End => true,
            Self::Close
            | Self::Annotate
            | Self::Panic
            | Self::Route
            | Self::GoStatement
            | Self::Connection
            | Self::Api
            | Self::Exit => false,
        }
    }
}

impl std::fmt::Display for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Inject => "inject",
            Self::End => "end",
            Self::Close => "1 where an operation's object ends",
            Self::Annotate => "1 where more is known of an operation",
            Self::Panic => "1 for each panic",
            Self::Route => "1 where only a mux knows the route",
            Self::GoStatement => "1 for each go statement",
            Self::Connection => "1 for each connection",
            Self::Api => "1 for each call",
            Self::Exit => "1 as the process ends",
        })
    }
}

/// A body of `bpf/src`, which an engine runs where the event happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// `net_http_server::any`.
    HttpServer,
    /// `net_http_server::start_http2_request`: requests in which no mux can note a route, for the `*http.Request` that it would do so
    /// in is not known.
    Http2Request,
    /// `net_http_server::route`.
    HttpRoute,
    /// `net_http_client::any`.
    HttpClient,
    /// `operations::any`.
    Operations,
    /// `operations::annotate`.
    Annotations,
    /// `creators::created`.
    NewGoroutine,
    /// `operations::served`.
    ServedOperations,
    /// `grpc_client::any`.
    GrpcClient,
    /// `fasthttp_server::any`.
    FasthttpServer,
    /// The same, of `hertz`.
    HertzServer,
    /// `otel_api::any`.
    OtelApi,
    /// `otel_api::call`.
    OtelApiCalls,
}

impl Body {
    /// Whether it is told the number of an operation's recipe.
    #[must_use]
    pub const fn is_of_tables(self) -> bool {
        match self {
            Self::Operations | Self::ServedOperations | Self::Annotations => true,
            Self::HttpServer
            | Self::Http2Request
            | Self::HttpRoute
            | Self::HttpClient
            | Self::NewGoroutine
            | Self::GrpcClient
            | Self::FasthttpServer
            | Self::HertzServer
            | Self::OtelApi
            | Self::OtelApiCalls => false,
        }
    }
}

/// A point of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// Its start, where all arguments are in their places; once for each call.
    Entry,
    /// A direct call within it, where the arguments of what is called are in their places.
    Call,
    /// Each of its ends, where its results are known.
    End,
    /// Its start, of a function that does not return, such as `runtime.exit`: perhaps more than once.
    Exit,
}

/// Layouts that the probes' bodies read by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// [`bpf::config::http_server::HttpServerConfig`].
    HttpServer,
    /// [`bpf::config::http_client::HttpClientConfig`].
    HttpClient,
    /// [`bpf::config::parents::ParentsConfig`].
    Parents,
    /// [`bpf::config::grpc::CarrierConfig`].
    Carrier,
    /// [`bpf::config::grpc::GrpcClientConfig`].
    GrpcClient,
    /// [`bpf::config::fasthttp_server::FasthttpServerConfig`].
    FasthttpServer,
    /// The same, of `hertz`.
    HertzServer,
    /// [`bpf::config::otel_api::OtelApiConfig`].
    OtelApi,
}
