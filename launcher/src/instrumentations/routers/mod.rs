//! Routers of servers: no spans of their own, but the route of the request that is served, in the router's own syntax.
//!
//! Each is a table of one annotation. What they tell is about the goroutine that serves, never about a request that is passed on: a
//! middleware may have made another one of it. A router that takes its context from a pool is looked at where it puts it back: once for each
//! request, with all that was found.

mod beego;
mod chi;
mod echo;
mod fiber;
mod gin;
mod go_zero;
mod gorilla_mux;
mod grpc_gateway;
mod httprouter;

use opentelemetry_sdk::trace::SpanData;

use super::routes;
use crate::captured::Captured;
use crate::probes::library::{ANNOTATION, About, Annotation, Moment};
use crate::probes::plan::Instrumentation;

/// The catalog entry of beego, which changed its path.
pub static BEEGO: Instrumentation = Instrumentation::table(&beego::TABLE);
/// The same.
pub static BEEGO_2: Instrumentation = Instrumentation::table(&beego::TABLE_2);
/// That of gin.
pub static GIN: Instrumentation = Instrumentation::table(&gin::TABLE);
/// Those of chi, which changed its path twice.
pub static CHI: Instrumentation = Instrumentation::table(&chi::TABLE);
/// The same.
pub static CHI_5: Instrumentation = Instrumentation::table(&chi::TABLE_5);
/// Those of echo.
pub static ECHO: Instrumentation = Instrumentation::table(&echo::TABLE);
/// The same.
pub static ECHO_4: Instrumentation = Instrumentation::table(&echo::TABLE_4);
/// The same.
pub static ECHO_5: Instrumentation = Instrumentation::table(&echo::TABLE_5);
/// Those of fiber, whose server is that of fasthttp.
pub static FIBER_2: Instrumentation = Instrumentation::table(&fiber::TABLE_2);
/// The same.
pub static FIBER_3: Instrumentation = Instrumentation::table(&fiber::TABLE_3);
/// That of go-zero.
pub static GO_ZERO: Instrumentation = Instrumentation::table(&go_zero::TABLE);
/// That of gorilla/mux.
pub static GORILLA_MUX: Instrumentation = Instrumentation::table(&gorilla_mux::TABLE);
/// That of httprouter.
pub static HTTPROUTER: Instrumentation = Instrumentation::table(&httprouter::TABLE);
/// That of grpc-gateway.
pub static GRPC_GATEWAY_2: Instrumentation = Instrumentation::table(&grpc_gateway::TABLE_2);

/// Of the request that is served, `route` is captured.
const OF_REQUEST: Annotation = Annotation { about: About::Served, span: route, ..ANNOTATION };

/// Where a context is put back.
///
/// match-go: 1.18..: sync.(*Pool).Put(p, x)
const PUTS_BACK: Moment = Moment::Calls("sync", "func (p *Pool) Put(x any)");

/// A route as it was captured; empty where the router has found none.
fn route(captured: &Captured<'_>, span: &mut SpanData) {
    routes::found(span, captured.text("route").unwrap_or_default(), captured.is_inner);
}

/// The same, unless it is the request's path: that string, which is at `path at` or `raw path at`, not one that is equal.
fn route_unless_path(captured: &Captured<'_>, span: &mut SpanData) {
    let at = captured.integer("at");
    let is_path = |name| at.is_some() && captured.integer(name) == at;
    if !is_path("path at") && !is_path("raw path at") {
        route(captured, span);
    }
}
