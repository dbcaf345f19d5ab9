//! `storj.io/drpc`: a SERVER span for each call that is served, and a CLIENT span for each that is made.
//!
//! A server handles a call in one function, and says its error to the client by the stream. A client makes a call of one message each way
//! in `Invoke`; a stream lasts until it is terminated, by whichever side. Nothing is injected into its metadata, which is encoded before
//! anything is sent, and nothing extracted: it is a `map[string]string`.

use std::borrow::Cow;

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use super::rpc;
use crate::captured::{Captured, Failure};
use crate::probes::library::{ANNOTATION, Annotation, CLOSE, Close, ErrorType, LIBRARY, Library, OPERATION, Operation};
use crate::probes::plan::Instrumentation;

/// The catalog entry of servers.
pub static SERVER_INSTRUMENTATION: Instrumentation = Instrumentation::table(&SERVER);
/// The catalog entry of clients.
pub static CLIENT_INSTRUMENTATION: Instrumentation = Instrumentation::table(&CLIENT);

const PACKAGE: &str = "storj.io/drpc";
const TESTED: &str = "0.0.20 to 1.0";
const SYSTEM: &str = "drpc";

static SERVER: Library = Library {
    name: "storj.io/drpc/server",
    description: "calls that servers of DRPC handle",
    tested_versions: TESTED,
    package: PACKAGE,
    operations: &[Operation {
        package: "/drpcserver",
        functions: &["func (s *Server) handleRPC(stream *drpcstream.Stream, rpc string) (err error)"],
        // A struct with the context in it since 0.0.25.
        context: "stream.ctx.Context | stream.ctx",
        start: &[("procedure", "rpc")],
        kind: SpanKind::Server,
        span: served,
        ..OPERATION
    }],
    annotations: &[Annotation {
        package: "/drpcstream",
        functions: &["func (s *Stream) SendError(serr error) (err error)"],
        error: "serr",
        span: failed,
        ..ANNOTATION
    }],
    errors: ERRORS,
    ..LIBRARY
};

static CLIENT: Library = Library {
    name: "storj.io/drpc/client",
    description: "calls by clients of DRPC",
    tested_versions: TESTED,
    package: PACKAGE,
    operations: &[
        Operation {
            package: "/drpcconn",
            functions: &[
                "func (c *Conn) Invoke(ctx context.Context, rpc string, enc drpc.Encoding, in, out drpc.Message) (err error)",
            ],
            ..CALL
        },
        Operation {
            package: "/drpcconn",
            functions: &[
                "func (c *Conn) NewStream(ctx context.Context, rpc string, enc drpc.Encoding) (_ drpc.Stream, err error)",
            ],
            object: "result0.(*storj.io/drpc/drpcstream.Stream)",
            lasts: true,
            ..CALL
        },
    ],
    closes: &[Close {
        package: "/drpcstream",
        function: "func (s *Stream) terminate(err error)",
        object: "s",
        error: "err",
        ..CLOSE
    }],
    errors: ERRORS,
    ..LIBRARY
};

/// What all calls of clients have.
const CALL: Operation =
    Operation { context: "ctx", start: &[("procedure", "rpc")], error: "err", kind: SpanKind::Client, span: called, ..OPERATION };

const ERRORS: &[ErrorType] = &[
    ErrorType {
        type_name: "*storj.io/drpc/drpcerr.codeErr",
        captures: &[
            ("code", ".code"),
            ("message", ".err.(*github.com/zeebo/errs.errorT).err.(*errors.errorString).s"),
            ("message", ".err.(*errors.errorString).s"),
        ],
        cause: "",
    },
    ErrorType { type_name: "*github.com/zeebo/errs.errorT", captures: &[], cause: "err" },
];

/// How a stream ends well, that it was closed by one side or both (`drpcstream/stream.go`, `terminate`).
const ENDED_WELL: [&str; 2] = ["stream terminated by sending close", "stream terminated by both issuing close send"];
/// What stands before the quoted procedure in the errors by which a mux says that it has none of that name (`drpcmux/handle_rpc.go`): who calls may
/// call it anything.
const UNKNOWN: &str = "unknown rpc: ";

fn served(captured: &Captured<'_>, span: &mut SpanData) {
    let procedure = captured.text("procedure").unwrap_or_default();
    let is_unknown =
        matches!(&span.status, Status::Error { description } if description.ends_with(&format!("{UNKNOWN}{procedure:?}")));
    if is_unknown {
        span.attributes.push(KeyValue::new(semconv::RPC_METHOD, rpc::OTHER));
        rpc::name_unknown(span, SYSTEM, procedure);
    } else {
        rpc::name(span, SYSTEM, procedure);
    }
}

/// A server tells its client an error.
fn failed(captured: &Captured<'_>, span: &mut SpanData) {
    if let Some(failure) = captured.failure() {
        add_failure(captured, &failure, span);
    }
}

fn called(captured: &Captured<'_>, span: &mut SpanData) {
    rpc::name(span, SYSTEM, captured.text("procedure").unwrap_or_default());
    let ended_well =
        |failure: &Failure| failure.message.as_deref().is_some_and(|message| ENDED_WELL.iter().any(|how| message.ends_with(how)));
    if let Some(failure) = captured.failure().filter(|failure| !ended_well(failure)) {
        add_failure(captured, &failure, span);
    }
}

/// A code is any number that programs agree on; an error without one is named by its type.
fn add_failure(captured: &Captured<'_>, failure: &Failure, span: &mut SpanData) {
    let message = failure.message.as_deref().unwrap_or_default();
    match captured.integer("code") {
        Some(code) => rpc::add_status(Cow::Owned(code.to_string()), true, message, span),
        None => rpc::add_error(failure.type_name.clone(), message, span),
    }
}
