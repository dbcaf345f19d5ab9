//! Which HTTP methods are known: they become `http.request.method` as they are, any other `_OTHER`.
//!
//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>, the notes on `http.request.method`.

use std::borrow::Cow;
use std::ffi::OsString;

use super::reader::{Reader, is_token};

/// The methods of RFC 9110, PATCH of RFC 5789, and QUERY.
const DEFAULT: [&str; 10] = ["GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "QUERY"];

/// The known methods, case-sensitive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownMethods {
    /// The user's, which replace the usual ones.
    listed: Option<Vec<String>>,
}

impl KnownMethods {
    pub(super) fn read<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Self {
        let listed = reader.list("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", |name| is_token(name).then(|| name.to_owned()));
        Self { listed }
    }

    /// The known method that `method` is; `None` for any other. An empty method means GET (`http.Request.Method`).
    #[must_use]
    pub fn known(&self, method: &str) -> Option<Cow<'static, str>> {
        let method = if method.is_empty() { "GET" } else { method };
        match &self.listed {
            None => DEFAULT.into_iter().find(|known| *known == method).map(Cow::Borrowed),
            Some(listed) => listed.iter().any(|known| known == method).then(|| Cow::Owned(method.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_case_sensitive() {
        let methods = KnownMethods::default();
        assert_eq!(methods.known("GET").unwrap(), "GET");
        assert_eq!(methods.known("QUERY").unwrap(), "QUERY");
        assert_eq!(methods.known("").unwrap(), "GET");
        assert_eq!(methods.known("get"), None);
        assert_eq!(methods.known("PROPFIND"), None);
    }

    #[test]
    fn a_list_replaces_the_usual_ones() {
        let environment = |_name: &str| Some(OsString::from(" GET ,PROPFIND, query,B@D,GET"));
        let typed = crate::command_line::CommandLine::default();
        let mut reader = Reader::new(&typed, &environment);
        let methods = KnownMethods::read(&mut reader);
        assert_eq!(reader.problems.len(), 1, "{:?}", reader.problems);
        for (method, known) in [("GET", true), ("", true), ("PROPFIND", true), ("query", true), ("QUERY", false), ("POST", false)]
        {
            assert_eq!(methods.known(method).is_some(), known, "{method}");
        }
        assert_eq!(methods.known("PROPFIND").unwrap(), "PROPFIND");
    }
}
