//! `github.com/twitchtv/twirp`: the SERVER span of the request that `net/http` serves becomes that of the call.
//!
//! What is generated for a service notes the HTTP status of each answer in the call's context, once, by a function of the library, and asks
//! for that of an error by another one, as whoever makes an error does, too. A client's call is the request that `net/http` sends: there is
//! no function of the library that all of them pass.

use std::borrow::Cow;

use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use super::{routes, rpc};
use crate::captured::Captured;
use crate::probes::library::{ANNOTATION, About, Annotation, LIBRARY, Library};
use crate::probes::plan::Instrumentation;

/// The catalog entry.
pub static INSTRUMENTATION: Instrumentation = Instrumentation::table(&TABLE);

const SYSTEM: &str = "twirp";

static TABLE: Library = Library {
    name: "github.com/twitchtv/twirp",
    description: "calls that services of Twirp handle",
    tested_versions: "5.12 to 8.1",
    package: "github.com/twitchtv/twirp",
    annotations: &[
        Annotation {
            functions: &["func ServerHTTPStatusFromErrorCode(code ErrorCode) int"],
            about: About::Served,
            captures: &[("code", "code")],
            span: failed,
            ..ANNOTATION
        },
        Annotation {
            package: "/ctxsetters",
            functions: &["func WithStatusCode(ctx context.Context, code int) context.Context"],
            about: About::Served,
            captures: &[
                ("status", "code"),
                // What hooks add comes before the method's name.
                ("value", "ctx.(*context.valueCtx).val.(string)"),
                ("value 2", "ctx.(*context.valueCtx).Context.(*context.valueCtx).val.(string)"),
                ("value 3", "ctx.(*context.valueCtx).Context.(*context.valueCtx).Context.(*context.valueCtx).val.(string)"),
            ],
            span: answered,
            ..ANNOTATION
        },
    ],
    ..LIBRARY
};

/// The codes that are the server's fault (`errors.go`, `ServerHTTPStatusFromErrorCode`; the conventions for RPC).
const SERVERS_FAULT: [&str; 7] =
    ["unknown", "deadline_exceeded", "unimplemented", "internal", "unavailable", "data_loss", "dataloss"];

/// An error is made, or answered with: the last counts.
fn failed(captured: &Captured<'_>, span: &mut SpanData) {
    forget(span);
    let code = captured.text("code").unwrap_or_default().to_owned();
    span.attributes.push(opentelemetry::KeyValue::new(semconv::RPC_RESPONSE_STATUS_CODE, code));
}

/// The code that was last heard of, which is taken away.
fn forget(span: &mut SpanData) -> Option<String> {
    let at = span.attributes.iter().position(|attribute| attribute.key.as_str() == semconv::RPC_RESPONSE_STATUS_CODE)?;
    Some(span.attributes.swap_remove(at).value.to_string())
}

/// A call is answered with an HTTP status. One whose path named no method is a request.
fn answered(captured: &Captured<'_>, span: &mut SpanData) {
    let code = forget(span);
    let Some(procedure) = procedure(routes::path(span)).map(str::to_owned) else {
        return;
    };
    let method = procedure.rsplit('/').next();
    if !["value", "value 2", "value 3"].iter().any(|name| captured.text(name) == method) {
        return;
    }
    rpc::name(span, SYSTEM, &procedure);
    if captured.integer("status") == Some(200) {
        return;
    }
    let code = code.unwrap_or_default();
    let is_error = SERVERS_FAULT.contains(&&*code);
    rpc::add_status(Cow::Owned(code), is_error, "", span);
}

/// The last two segments of a path: `package.Service/Method` (`parseTwirpPath`, in generated code).
fn procedure(path: &str) -> Option<&str> {
    let method = path.rfind('/')?;
    let service = path.get(..method)?.rfind('/')?;
    path.get(service + 1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_procedure_is_the_end_of_a_path() {
        assert_eq!(procedure("/twirp/a.B/C"), Some("a.B/C"));
        assert_eq!(procedure("/a.B/C"), Some("a.B/C"));
        assert_eq!(procedure("/C"), None);
        assert_eq!(procedure(""), None);
    }
}
