//! `github.com/gorilla/mux`: the request gets the route that was found, whose template is that of all routers around too. A route by host
//! or method alone has none.

use super::OF_REQUEST;
use crate::probes::library::{Annotation, LIBRARY, Library, Moment};

/// The table.
pub(super) static TABLE: Library = Library {
    name: "github.com/gorilla/mux",
    description: "routes of gorilla/mux, and of what is built on it (kratos)",
    tested_versions: "1.7 to 1.8",
    package: "github.com/gorilla/mux",
    annotations: &[
        Annotation {
            functions: &["func requestWithRoute(r *http.Request, route *Route) *http.Request"],
            captures: &[("route", "route.regexp.path.template")],
            ..OF_REQUEST
        },
        // Up to 1.7 one function notes the route and the variables.
        Annotation {
            functions: &["func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request)"],
            moment: Moment::Calls(
                "github.com/gorilla/mux",
                "func contextSet(r *http.Request, key, val interface{}) *http.Request",
            ),
            captures: &[("route", "val.(*Route).regexp.path.template")],
            ..OF_REQUEST
        },
    ],
    ..LIBRARY
};
