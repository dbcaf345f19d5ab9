//! `github.com/twitchtv/twirp`: the SERVER span of the request that `net/http` serves becomes that of the call.
//!
//! What is generated for a service notes the HTTP status of each answer in the call's context, once, by a function of the library, and asks
//! for that of an error by another one, as whoever makes an error does, too. A client's call is the request that `net/http` sends: there is
//! no function of the library that all of them pass.

use std::borrow::Cow;

use opentelemetry_sdk::trace::SpanData;

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
                ("key 1", "ctx.(*context.valueCtx).key.(github.com/twitchtv/twirp/internal/contextkeys.contextKey)"),
                (
                    "key 2",
                    "ctx.(*context.valueCtx).Context.(*context.valueCtx)\
                        .key.(github.com/twitchtv/twirp/internal/contextkeys.contextKey)",
                ),
                (
                    "key 3",
                    "ctx.(*context.valueCtx).Context.(*context.valueCtx).Context.(*context.valueCtx)\
                        .key.(github.com/twitchtv/twirp/internal/contextkeys.contextKey)",
                ),
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

/// `contextkeys.MethodNameKey` (`internal/contextkeys/keys.go`): what is generated notes a method when the path has named it.
const METHOD_NAME_KEY: i64 = 1;

/// An error is made, or answered with, by a service or a client on its goroutine: the last counts, once something is answered.
fn failed(captured: &Captured<'_>, span: &mut SpanData) {
    rpc::hear(span, captured.text("code").unwrap_or_default().to_owned());
}

/// A call is answered with an HTTP status. One whose path named no method is a request.
fn answered(captured: &Captured<'_>, span: &mut SpanData) {
    let code = rpc::forget_heard(span);
    if !["key 1", "key 2", "key 3"].iter().any(|name| captured.integer(name) == Some(METHOD_NAME_KEY)) {
        return;
    }
    let Some(procedure) = procedure(routes::path(span)).map(str::to_owned) else {
        return;
    };
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
