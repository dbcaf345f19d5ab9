//! `github.com/gin-gonic/gin`: the route of a request is in its context, and empty where none was found.

use super::{OF_REQUEST, PUTS_BACK};
use crate::probes::library::{Annotation, LIBRARY, Library};

/// The table.
pub(super) static TABLE: Library = Library {
    name: "github.com/gin-gonic/gin",
    description: "routes of gin",
    tested_versions: "1.7 to 1.12",
    package: "github.com/gin-gonic/gin",
    annotations: &[Annotation {
        functions: &["func (engine *Engine) ServeHTTP(w http.ResponseWriter, req *http.Request)"],
        moment: PUTS_BACK,
        captures: &[("route", "x.(*Context).fullPath")],
        ..OF_REQUEST
    }],
    ..LIBRARY
};
