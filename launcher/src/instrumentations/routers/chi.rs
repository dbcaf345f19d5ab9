//! `github.com/go-chi/chi`: each router that a request comes to adds the pattern that it has found; together they are the route.

use opentelemetry_sdk::trace::SpanData;

use super::{OF_REQUEST, PUTS_BACK};
use crate::captured::Captured;
use crate::instrumentations::routes;
use crate::probes::library::{Annotation, LIBRARY, Library};

/// The table of versions 1.5 and 4, which are at one path.
pub(super) static TABLE: Library = Library {
    name: "github.com/go-chi/chi",
    description: "routes of chi 4 and 1.5",
    tested_versions: "1.5, 4.0 to 4.1",
    package: "github.com/go-chi/chi",
    annotations: ANNOTATIONS,
    ..LIBRARY
};

/// The table of version 5.
pub(super) static TABLE_5: Library = Library {
    name: "github.com/go-chi/chi/v5",
    description: "routes of chi 5",
    tested_versions: "5.0 to 5.5",
    package: "github.com/go-chi/chi/v5",
    annotations: ANNOTATIONS,
    ..LIBRARY
};

/// The context is that of all routers within each other; the outermost puts it back.
const ANNOTATIONS: &[Annotation] = &[Annotation {
    functions: &["func (mx *Mux) ServeHTTP(w http.ResponseWriter, r *http.Request)"],
    moment: PUTS_BACK,
    captures: &[("pattern", "x.(*Context).RoutePatterns[:8]"), ("last", "x.(*Context).routePattern")],
    span,
    ..OF_REQUEST
}];

/// What the last router has found is empty where it has found none.
fn span(captured: &Captured<'_>, span: &mut SpanData) {
    if captured.text("last").is_some_and(|last| !last.is_empty()) {
        routes::found(span, &whole(captured.texts("pattern")), captured.is_inner);
    }
}

/// As `(*Context).RoutePattern` does it: where a router lies within another one, `/*` stands before what it has found.
fn whole<'p>(patterns: impl Iterator<Item = &'p str>) -> String {
    let mut route: String = patterns.collect();
    while route.contains("/*/") {
        route = route.replace("/*/", "/");
    }
    if route != "/" {
        let cut = route.strip_suffix("//").unwrap_or(&route);
        route.truncate(cut.strip_suffix('/').unwrap_or(cut).len());
    }
    route
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_routers_within_each_other() {
        for (patterns, route) in [
            (&["/pets/{id}"][..], "/pets/{id}"),
            (&["/api/*", "/m/*", "/deep/{x}/*"], "/api/m/deep/{x}/*"),
            (&["/api/*", "/"], "/api"),
            (&["/*", "/*", "/a"], "/a"),
            (&["/"], "/"),
            (&["/a//"], "/a"),
            (&["/h/*"], "/h/*"),
            (&[], ""),
        ] {
            assert_eq!(whole(patterns.iter().copied()), route, "{patterns:?}");
        }
    }
}
