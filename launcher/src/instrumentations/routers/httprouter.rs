//! `github.com/julienschmidt/httprouter`: a route is nowhere noted. But the values of its parameters are parts of the path, so that these
//! say where the parameters are, and what lies between them is the route's own text.

use std::fmt::Write as _;

use opentelemetry_sdk::trace::SpanData;

use super::OF_REQUEST;
use crate::captured::Captured;
use crate::instrumentations::routes;
use crate::probes::library::{Annotation, LIBRARY, Library, Moment};

/// The table.
pub(super) static TABLE: Library = Library {
    name: "github.com/julienschmidt/httprouter",
    description: "routes of httprouter",
    tested_versions: "1.2 to 1.3",
    package: "github.com/julienschmidt/httprouter",
    annotations: &[Annotation {
        functions: &["func (n *node) getValue(path string) (handle Handle, p Params, tsr bool)"],
        moment: Moment::End,
        only: "handle != nil",
        captures: &[
            ("path", "unsafe.StringData(served.URL.Path)"),
            ("key", "p[:7].Key"),
            ("at", "unsafe.StringData(p[:7].Value)"),
            ("length", "len(p[:7].Value)"),
        ],
        span,
        ..OF_REQUEST
    }],
    ..LIBRARY
};

fn span(captured: &Captured<'_>, span: &mut SpanData) {
    let parameters = captured.texts("key").zip(captured.integers("at")).zip(captured.integers("length"));
    let parameters = parameters.map(|((key, at), length)| Parameter { key, at, length });
    let Some(path_at) = captured.integer("path") else {
        return;
    };
    if let Some(route) = route(routes::path(span), path_at, parameters) {
        routes::found(span, &route, captured.is_inner);
    }
}

/// A parameter: its name, and where its value is.
#[derive(Clone, Copy, Debug)]
struct Parameter<'p> {
    key: &'p str,
    at: i64,
    length: i64,
}

/// The path, which lies at `path_at`, with names of parameters in the place of their values.
fn route<'p>(path: &str, path_at: i64, parameters: impl Iterator<Item = Parameter<'p>>) -> Option<String> {
    let (mut route, mut done) = (String::new(), 0);
    for Parameter { key, at, length } in parameters {
        let begin = usize::try_from(at.checked_sub(path_at)?).ok()?;
        let end = begin.checked_add(usize::try_from(length).ok()?)?;
        let value = path.get(begin..end)?;
        route.push_str(path.get(done..begin)?);
        // All that is left begins with a slash; a parameter has none.
        let sign = if value.starts_with('/') { "/*" } else { ":" };
        write!(route, "{sign}{key}").ok()?;
        done = end;
    }
    route.push_str(path.get(done..)?);
    Some(route)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(path: &str, parameters: &[(&str, i64, i64)]) -> Option<String> {
        route(path, 1_000, parameters.iter().map(|&(key, at, length)| Parameter { key, at: 1_000 + at, length }))
    }

    #[test]
    fn names_take_the_place_of_values() {
        assert_eq!(with("/u/7/x/8", &[("id", 3, 1), ("y", 7, 1)]).as_deref(), Some("/u/:id/x/:y"));
        assert_eq!(with("/a/a", &[("x", 3, 1)]).as_deref(), Some("/a/:x"));
        assert_eq!(with("/files/a/b", &[("path", 6, 4)]).as_deref(), Some("/files/*path"));
        assert_eq!(with("/static", &[]).as_deref(), Some("/static"));
        // Not of this path.
        assert_eq!(with("/a", &[("x", 5_000, 1)]), None);
        assert_eq!(with("/a", &[("x", -7, 1)]), None);
        assert_eq!(with("/a", &[("x", 1, 9)]), None);
    }
}
