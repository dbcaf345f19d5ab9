//! `github.com/zeromicro/go-zero`: its middleware for traces makes attributes of each request, with the route, by a function of the semantic
//! conventions of OpenTelemetry, whether a tracer is there or not.

use super::{OF_REQUEST, route_unless_path};
use crate::probes::library::{Annotation, LIBRARY, Library};

/// The table.
pub(super) static TABLE: Library = Library {
    name: "github.com/zeromicro/go-zero",
    description: "routes of go-zero, where its middleware for traces is on",
    tested_versions: "1.5 to 1.10",
    package: "go.opentelemetry.io/otel",
    beside: "github.com/zeromicro/go-zero/rest/handler.TraceHandler",
    annotations: &[Annotation {
        package: "/semconv/internal",
        functions: &[
            "func (sc *SemanticConventions) HTTPServerAttributesFromHTTPRequest(serverName, route string, request *http.Request) []attribute.KeyValue",
        ],
        captures: &[("route", "route"), ("at", "unsafe.StringData(route)"), ("path at", "unsafe.StringData(request.URL.Path)")],
        // What is not found has its own path in place of a route.
        span: route_unless_path,
        ..OF_REQUEST
    }],
    ..LIBRARY
};
