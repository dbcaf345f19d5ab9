//! `connectrpc.com/connect`, by whichever of its protocols: the SERVER span of the request that `net/http` serves becomes that of the call,
//! and each call of a client has one CLIENT span, whose request is a round trip of `net/http`.
//!
//! A server makes a connection of each request that it understands, and ends each by closing that with the error, or nil. A client makes a
//! `duplexHTTPCall` for each call, of whatever kind, which it sends on a goroutine of its own or not. The error that ends a call is what
//! `Receive` returns; who does not wait for it closes the response.

mod span;

use opentelemetry::trace::SpanKind;

use crate::probes::library::{ANNOTATION, About, Annotation, ErrorType, LIBRARY, Library, OPERATION, Operation, RESUME, Resume};
use crate::probes::plan::Instrumentation;

/// The catalog entry of servers.
pub static SERVER_INSTRUMENTATION: Instrumentation = Instrumentation::table(&SERVER);
/// The catalog entry of clients.
pub static CLIENT_INSTRUMENTATION: Instrumentation = Instrumentation::table(&CLIENT);

const PACKAGE: &str = "connectrpc.com/connect";
const TESTED: &str = "1.11 to 1.21";

static SERVER: Library = Library {
    name: "connectrpc.com/connect/server",
    description: "calls that handlers of Connect serve, by any of its protocols",
    tested_versions: TESTED,
    package: PACKAGE,
    wrappers: &["connectrpc.com/otelconnect"],
    annotations: &[
        begins(&[
            "func (h *connectHandler) NewConn(responseWriter http.ResponseWriter, request *http.Request) (handlerConnCloser, bool)",
        ]),
        begins(&[
            "func (h *grpcHandler) NewConn(responseWriter http.ResponseWriter, request *http.Request) (handlerConnCloser, bool)",
        ]),
        Annotation {
            functions: &["func (hc *errorTranslatingHandlerConnCloser) Close(err error) error"],
            about: About::Served,
            error: "err",
            span: span::failed,
            ..ANNOTATION
        },
    ],
    errors: ERRORS,
    ..LIBRARY
};

/// A call begins, whose request was understood.
const fn begins(functions: &'static [&'static str]) -> Annotation {
    Annotation {
        functions,
        about: About::Served,
        captures: &[("procedure", "h.Spec.Procedure")],
        span: span::served,
        ..ANNOTATION
    }
}

static CLIENT: Library = Library {
    name: "connectrpc.com/connect/client",
    description: "calls by clients of Connect, by any of its protocols",
    tested_versions: TESTED,
    package: PACKAGE,
    wrappers: &["connectrpc.com/otelconnect"],
    operations: &[Operation {
        functions: &[
            "func newDuplexHTTPCall(ctx context.Context, httpClient HTTPClient, url *url.URL, spec Spec, header http.Header) *duplexHTTPCall",
        ],
        context: "ctx",
        by_http: true,
        start: &[("procedure", "spec.Procedure"), ("scheme", "url.Scheme"), ("host", "url.Host")],
        object: "result0",
        lasts: true,
        kind: SpanKind::Client,
        span: span::called,
        ..OPERATION
    }],
    resumes: &[
        Resume { functions: &["func (d *duplexHTTPCall) makeRequest()"], object: "d", ..RESUME },
        Resume {
            functions: &["func (cc *errorTranslatingClientConn) Receive(msg any) error"],
            object: CALL,
            error: "result0",
            ..RESUME
        },
        // It waits for the round trip.
        Resume {
            functions: &["func (cc *errorTranslatingClientConn) CloseResponse() error"],
            object: CALL,
            object_type: "*duplexHTTPCall",
            // Of a request that has failed; up to 1.15 it is called `err`.
            error: "object.responseErr | object.err",
            ends: true,
            ..RESUME
        },
    ],
    errors: ERRORS,
    ..LIBRARY
};

/// The call of a connection.
const CALL: &str = "cc.streamingClientConn.(*connectUnaryClientConn).duplexCall \
    | cc.streamingClientConn.(*connectStreamingClientConn).duplexCall \
    | cc.streamingClientConn.(*grpcClientConn).duplexCall";

const ERRORS: &[ErrorType] = &[ErrorType {
    type_name: "*connectrpc.com/connect.Error",
    captures: &[
        ("code", ".code"),
        (span::IS_SENT, ".wireErr"),
        ("message", ".err.(*errors.errorString).s"),
        ("message", ".err.(*fmt.wrapError).msg"),
        (span::INNERMOST, ".err.(*errors.errorString).s"),
        (span::INNERMOST, ".err.(*fmt.wrapError).err.(*errors.errorString).s"),
    ],
    cause: "",
}];
