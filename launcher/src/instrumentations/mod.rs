//! The catalog: one file per instrumented side of a library.
//!
//! Such a file says which functions and fields it needs, where its probes go, and how its records become spans.
//! The probe bodies are in the `bpf` package, under the same name.

pub mod connect;
pub mod database;
pub mod database_sql;
pub mod drpc;
pub mod exports;
pub mod fasthttp_server;
pub mod grpc;
pub mod hertz_server;
pub mod http;
pub mod identity;
pub mod net_http_client;
pub mod net_http_server;
pub mod otel_api;
pub mod peer;
pub mod pgx;
pub mod routers;
pub mod routes;
pub mod rpc;
pub mod twirp;

use crate::probes::plan::Instrumentation;

/// All instrumentations, in the order in which `--check` lists them.
pub static CATALOG: &[&Instrumentation] = &[
    &net_http_server::INSTRUMENTATION,
    &net_http_client::INSTRUMENTATION,
    &fasthttp_server::INSTRUMENTATION,
    &hertz_server::INSTRUMENTATION,
    &database_sql::INSTRUMENTATION,
    &pgx::INSTRUMENTATION_5,
    &pgx::INSTRUMENTATION_4,
    &grpc::SERVER_INSTRUMENTATION,
    &grpc::CLIENT_INSTRUMENTATION,
    &connect::SERVER_INSTRUMENTATION,
    &connect::CLIENT_INSTRUMENTATION,
    &twirp::INSTRUMENTATION,
    &drpc::SERVER_INSTRUMENTATION,
    &drpc::CLIENT_INSTRUMENTATION,
    &otel_api::INSTRUMENTATION,
    &routers::GIN,
    &routers::CHI_5,
    &routers::CHI,
    &routers::ECHO_5,
    &routers::ECHO_4,
    &routers::ECHO,
    &routers::FIBER_3,
    &routers::FIBER_2,
    &routers::BEEGO_2,
    &routers::BEEGO,
    &routers::GO_ZERO,
    &routers::GORILLA_MUX,
    &routers::HTTPROUTER,
    &routers::GRPC_GATEWAY_2,
];
