//! Routes of requests, in the syntax of any router: which of several counts, and what one within another is as a whole. Pure.

use std::borrow::Cow;

use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

/// The route of a request is this: it gets the attribute and the name.
pub fn set(span: &mut SpanData, route: String) {
    // A method has no blank, and a name without a route nothing behind it.
    let method = span.name.split(' ').next().unwrap_or_default();
    span.name = Cow::Owned([method, " ", &route].concat());
    match span.attributes.iter_mut().find(|attribute| attribute.key.as_str() == semconv::HTTP_ROUTE) {
        Some(attribute) => attribute.value = Value::from(route),
        None => span.attributes.push(KeyValue::new(semconv::HTTP_ROUTE, route)),
    }
}

/// The request has no route; the one that it had.
pub fn forget(span: &mut SpanData) -> Option<String> {
    let route = of(span)?.to_owned();
    span.attributes.retain(|attribute| attribute.key.as_str() != semconv::HTTP_ROUTE);
    let method = span.name.split(' ').next().unwrap_or_default().to_owned();
    span.name = Cow::Owned(method);
    Some(route)
}

/// One more router has found a route. The innermost counts, but for one that says nothing ([`is_catch_all`]).
pub fn found(span: &mut SpanData, route: &str, is_inner: bool) {
    if route.is_empty() {
        return;
    }
    let counts = match of(span) {
        None => true,
        Some(known) => match (is_catch_all(known), is_catch_all(route)) {
            (true, false) => true,
            (false, true) => false,
            (true, true) | (false, false) => is_inner,
        },
    };
    if counts {
        set(span, route.to_owned());
    }
}

/// The route of a request, as far as one is known.
#[must_use]
pub fn of(span: &SpanData) -> Option<&str> {
    text(span, semconv::HTTP_ROUTE)
}

/// The path of a request, as it came.
#[must_use]
pub fn path(span: &SpanData) -> &str {
    text(span, semconv::URL_PATH).unwrap_or_default()
}

fn text<'s>(span: &'s SpanData, name: &str) -> Option<&'s str> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key.as_str() == name)?;
    if let Value::String(text) = &attribute.value { Some(text.as_str()) } else { None }
}

/// Whether a route stands for every path: `/`, below which everything is, `/*`, `/*path`, `/{path...}`, `/{path:.*}`.
#[must_use]
pub fn is_catch_all(route: &str) -> bool {
    let segment = route.strip_prefix('/').unwrap_or(route);
    segment.is_empty() || Segment::of(segment, true) == Segment::Rest
}

/// What a route within another is as a whole, for a request with this path: where what lies before it was cut off (`http.StripPrefix`),
/// that is put back. One that stands for every path says less than that around it.
#[must_use]
pub fn within<'r>(around: &'r str, inner: &'r str, path: &str) -> Cow<'r, str> {
    if is_catch_all(inner) {
        return Cow::Borrowed(if is_catch_all(around) { inner } else { around });
    }
    // What is cut off is a constant.
    let is_literal = |segment: &&str| matches!(Segment::of(segment, false), Segment::Literal(_)) && !segment.is_empty();
    let before: Vec<&str> = segments(around).take_while(is_literal).collect();
    let goes_on = segments(around).count() > before.len();
    if before.is_empty() || !goes_on || before.iter().copied().eq(segments(inner).take(before.len())) {
        return Cow::Borrowed(inner);
    }
    let parts: Vec<&str> = segments(path).collect();
    let is_cut_off = parts.starts_with(&before) && matches(inner, parts.get(before.len()..).unwrap_or_default());
    if is_cut_off { Cow::Owned(format!("/{}{inner}", before.join("/"))) } else { Cow::Borrowed(inner) }
}

/// What stands between slashes.
fn segments(route: &str) -> impl Iterator<Item = &str> {
    route.strip_prefix('/').unwrap_or(route).split('/')
}

/// A segment of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment<'r> {
    /// This text.
    Literal(&'r str),
    /// One segment of a path.
    One,
    /// All that comes.
    Rest,
    /// Nothing more.
    End,
}

impl<'r> Segment<'r> {
    fn of(segment: &'r str, is_last: bool) -> Self {
        let pattern = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let takes_all = |pattern: &str| pattern.ends_with("...") || pattern.ends_with(":.*") || pattern.ends_with(":.+");
        match pattern {
            Some("$") => Self::End,
            Some(pattern) if takes_all(pattern) => Self::Rest,
            Some(_) => Self::One,
            None if segment.starts_with('*') => Self::Rest,
            // Below that.
            None if segment.is_empty() && is_last => Self::Rest,
            None if segment.contains(['{', ':', '*']) => Self::One,
            None => Self::Literal(segment),
        }
    }
}

/// Whether a route stands for a path of these segments.
fn matches(route: &str, path: &[&str]) -> bool {
    let mut path = path.iter();
    let mut route = segments(route).peekable();
    while let Some(segment) = route.next() {
        let is_so = match Segment::of(segment, route.peek().is_none()) {
            Segment::Rest => return true,
            Segment::End => return path.all(|rest| rest.is_empty()),
            Segment::One => path.next().is_some(),
            Segment::Literal(text) => path.next() == Some(&text),
        };
        if !is_so {
            return false;
        }
    }
    path.next().is_none()
}

#[cfg(test)]
mod tests {
    use bytemuck::Zeroable as _;
    use opentelemetry::trace::{SpanKind, TraceState};

    use super::*;
    use crate::instrumentations::http;

    fn span(name: &'static str, path: &'static str) -> SpanData {
        let identity = bpf::records::SpanIdentity::zeroed();
        let open = http::open_span(SpanKind::Server, &identity, TraceState::default(), std::time::SystemTime::UNIX_EPOCH);
        SpanData { name: name.into(), attributes: vec![KeyValue::new(semconv::URL_PATH, path)], ..open }
    }

    #[test]
    fn a_route_is_attribute_and_name() {
        let mut span = span("GET", "/a/7");
        set(&mut span, "/a/{id}".to_owned());
        assert_eq!((&*span.name, of(&span), path(&span)), ("GET /a/{id}", Some("/a/{id}"), "/a/7"));
        set(&mut span, "/a/:id".to_owned());
        assert_eq!((&*span.name, of(&span), span.attributes.len()), ("GET /a/:id", Some("/a/:id"), 2));
    }

    #[test]
    fn a_route_is_forgotten() {
        let mut span = span("GET", "/a/7");
        assert_eq!(forget(&mut span), None);
        set(&mut span, "/a/{id}".to_owned());
        assert_eq!(forget(&mut span).as_deref(), Some("/a/{id}"));
        assert_eq!((&*span.name, of(&span), span.attributes.len()), ("GET", None, 1));
    }

    #[test]
    fn the_innermost_counts_unless_it_says_nothing() {
        for (routes, expected) in [
            (&[("/a/:id", true), ("/b", true)][..], "/b"),
            (&[("/a/:id", true), ("/b", false)], "/a/:id"),
            (&[("/a/:id", true), ("/*any", true)], "/a/:id"),
            (&[("/*any", true), ("/a", false)], "/a"),
            (&[("/", true), ("/{rest...}", true)], "/{rest...}"),
            (&[("/a", true), ("", true)], "/a"),
        ] {
            let mut span = span("GET", "/a/7");
            for (route, is_inner) in routes {
                found(&mut span, route, *is_inner);
            }
            assert_eq!(of(&span), Some(expected), "{routes:?}");
        }
    }

    #[test]
    fn routes_that_stand_for_every_path() {
        for route in ["/", "", "/*", "*", "/*path", "/{path...}", "/{path:.*}", "/{any:.+}"] {
            assert!(is_catch_all(route), "{route}");
        }
        for route in ["/a", "/:id", "/{id}", "/{$}", "/a/*", "/{id:[0-9]+}"] {
            assert!(!is_catch_all(route), "{route}");
        }
    }

    #[test]
    fn what_was_cut_off_is_put_back() {
        for (around, inner, path, whole) in [
            ("/strip/", "/u/{id}", "/strip/u/5", "/strip/u/{id}"),
            ("/strip/", "/u/", "/strip/u/5/6", "/strip/u/"),
            ("/a/b/", "/c", "/a/b/c", "/a/b/c"),
            ("/api/", "/users/:id", "/api/users/7", "/api/users/:id"),
            ("/api/{rest...}", "/x", "/api/x", "/api/x"),
            ("/strip/", "/{$}", "/strip/", "/strip/{$}"),
            // It was not cut off.
            ("/api/", "/api/u/", "/api/u/5", "/api/u/"),
            ("/api/", "/{tenant}/u/{id}", "/api/u/5", "/{tenant}/u/{id}"),
            ("/api/", "/elsewhere", "/api/old", "/elsewhere"),
            ("/{tenant}/", "/u/{id}", "/a/u/5", "/u/{id}"),
            ("/", "/u/{id}", "/u/5", "/u/{id}"),
            ("/exact", "/u/{id}", "/exact", "/u/{id}"),
            // What says nothing.
            ("/strip/", "/", "/strip/x", "/strip/"),
            ("/", "/*any", "/x", "/*any"),
        ] {
            assert_eq!(within(around, inner, path), whole, "{around} {inner}");
        }
    }
}
