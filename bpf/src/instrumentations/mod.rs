//! The probe bodies, one file per instrumented side of a library, named as in the launcher.

pub mod fasthttp_server;
pub mod grpc_client;
pub mod net_http_client;
pub mod net_http_server;
pub mod operations;
pub mod otel_api;
mod serving;
mod text;
