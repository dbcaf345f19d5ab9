//! `github.com/labstack/echo`: the route of a request is in its context.

use super::{OF_REQUEST, PUTS_BACK, route_unless_path};
use crate::probes::library::{Annotation, LIBRARY, Library};

/// The table of version 3.
pub(super) static TABLE: Library = Library {
    name: "github.com/labstack/echo",
    description: "routes of echo 3",
    tested_versions: "3.3",
    package: "github.com/labstack/echo",
    annotations: ANNOTATIONS,
    ..LIBRARY
};

/// The table of version 4.
pub(super) static TABLE_4: Library = Library {
    name: "github.com/labstack/echo/v4",
    description: "routes of echo 4",
    tested_versions: "4.1 to 4.16",
    package: "github.com/labstack/echo/v4",
    annotations: ANNOTATIONS,
    ..LIBRARY
};

/// The table of version 5.
pub(super) static TABLE_5: Library = Library {
    name: "github.com/labstack/echo/v5",
    description: "routes of echo 5",
    tested_versions: "5.3 to 5.4",
    package: "github.com/labstack/echo/v5",
    annotations: &[Annotation {
        functions: &["func (e *Echo) serveHTTP(w http.ResponseWriter, r *http.Request)"],
        moment: PUTS_BACK,
        captures: &[("route", "x.(*Context).path")],
        ..OF_REQUEST
    }],
    ..LIBRARY
};

const ANNOTATIONS: &[Annotation] = &[Annotation {
    functions: &["func (e *Echo) ServeHTTP(w http.ResponseWriter, r *http.Request)"],
    moment: PUTS_BACK,
    captures: &[
        ("route", "x.(*context).path"),
        ("at", "unsafe.StringData(x.(*context).path)"),
        ("path at", "unsafe.StringData(x.(*context).request.URL.Path)"),
        ("raw path at", "unsafe.StringData(x.(*context).request.URL.RawPath)"),
    ],
    // Up to version 4.9 what is not found has its own path in place of a route.
    span: route_unless_path,
    ..OF_REQUEST
}];
