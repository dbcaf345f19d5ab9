//! `google.golang.org/grpc`: a SERVER span for each call that is served, a CLIENT span for each that is made, of every kind, until its
//! status is known; and the context in its metadata.
//!
//! A server handles a call in one function, whatever its kind. A client begins each call, of whatever kind, in `newClientStream`, and
//! ends it in `(*clientStream).finish`, unless there has never been a stream: then the former returns the error. Interceptors are around
//! both: a call that one makes again is another call.

mod inject;
mod returns;
mod span;
mod target;

use opentelemetry::trace::SpanKind;

use crate::probes::facts::Facts;
use crate::probes::fields::FieldReader;
use crate::probes::library::{
    ANNOTATION, Annotation, CLOSE, Close, ErrorType, LIBRARY, Library, OPERATION, Operation, Protocol, RESUME, Resume,
};
use crate::probes::plan::{Instrumentation, Layout, LeftOut, Planned};
use bpf::config::ReadOnlyData as _;
use bpf::config::grpc::CarrierConfig;

/// The catalog entry of servers.
pub static SERVER_INSTRUMENTATION: Instrumentation = Instrumentation::table(&SERVER);
/// The catalog entry of clients.
pub static CLIENT_INSTRUMENTATION: Instrumentation = Instrumentation::table(&CLIENT);

const PACKAGE: &str = "google.golang.org/grpc";
const TESTED: &str = "1.30 to 1.85";

/// Interceptors and handlers of statistics, old and new.
const WRAPPERS: &[&str] = &["go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"];

static SERVER: Library = Library {
    name: "google.golang.org/grpc/server",
    description: "calls that servers of gRPC handle, of every kind",
    tested_versions: TESTED,
    package: PACKAGE,
    wrappers: WRAPPERS,
    operations: &[Operation {
        functions: &[
            // 1.69 and newer.
            "func (s *Server) handleStream(t transport.ServerTransport, stream *transport.ServerStream)",
            // 1.60 to 1.68.
            "func (s *Server) handleStream(t transport.ServerTransport, stream *transport.Stream)",
            // Older ones.
            "func (s *Server) handleStream(t transport.ServerTransport, stream *transport.Stream, trInfo *traceInfo)",
        ],
        context: "stream.ctx",
        carrier: METADATA,
        start: &[
            ("method", "stream.method"),
            (span::PEER_ADDRESS, SERVED_ADDRESS),
            (span::PEER_PORT, SERVED_PORT),
            (span::REMOTE, HANDLED),
        ],
        kind: SpanKind::Server,
        span: span::served,
        ..OPERATION
    }],
    annotations: &[
        status(&[
            "func (t *http2Server) writeStatus(s *ServerStream, st *google.golang.org/grpc/internal/status.Status) error",
            "func (t *http2Server) WriteStatus(s *Stream, st *google.golang.org/grpc/internal/status.Status) error",
        ]),
        status(&[
            "func (t *serverHandlerTransport) writeStatus(s *ServerStream, st *google.golang.org/grpc/internal/status.Status) error",
            "func (ht *serverHandlerTransport) WriteStatus(s *Stream, st *google.golang.org/grpc/internal/status.Status) error",
        ]),
    ],
    protocol: Some(&Protocol { functions: &[], types: &[METADATA_TYPE], plan: extracted }),
    ..LIBRARY
};

/// The first of these is the status of the call; of one that was given up, there may be another.
const fn status(functions: &'static [&'static str]) -> Annotation {
    Annotation {
        package: "/internal/transport",
        functions,
        captures: &[("code", "st.s.Code"), ("message", "st.s.Message")],
        span: span::status,
        ..ANNOTATION
    }
}

/// The metadata of a call: among the first contexts of its stream. What taps and stats handlers add may come before.
const METADATA: &str = "stream.ctx.(*context.valueCtx).val.(google.golang.org/grpc/metadata.MD) \
    | stream.ctx.(*context.valueCtx).Context.(*context.valueCtx).val.(google.golang.org/grpc/metadata.MD) \
    | stream.ctx.(*context.valueCtx).Context.(*context.valueCtx).Context.(*context.valueCtx).val.(google.golang.org/grpc/metadata.MD) \
    | stream.ctx.(*context.valueCtx).Context.(*context.valueCtx).Context.(*context.valueCtx).Context.(*context.valueCtx)\
      .val.(google.golang.org/grpc/metadata.MD)";
const METADATA_TYPE: &str = "google.golang.org/grpc/metadata.MD";

/// The other end of a server's connection: a field of its own up to 1.59.
const SERVED_ADDRESS: &str = "t.(*google.golang.org/grpc/internal/transport.http2Server).peer.Addr.(*net.TCPAddr).IP \
    | t.(*google.golang.org/grpc/internal/transport.http2Server).remoteAddr.(*net.TCPAddr).IP";
const SERVED_PORT: &str = "t.(*google.golang.org/grpc/internal/transport.http2Server).peer.Addr.(*net.TCPAddr).Port \
    | t.(*google.golang.org/grpc/internal/transport.http2Server).remoteAddr.(*net.TCPAddr).Port";

const HANDLED: &str = "t.(*google.golang.org/grpc/internal/transport.serverHandlerTransport).req.RemoteAddr";

/// How the metadata of a call is read.
fn extracted(facts: &Facts<'_>) -> Result<Planned, LeftOut> {
    let mut fields = FieldReader::new(&facts.layouts);
    let config = CarrierConfig { map: fields.string_map(METADATA_TYPE)? };
    let layouts = vec![(Layout::Carrier, config.as_bytes().to_vec())];
    Ok(Planned { layouts, fields: fields.sources, ..Planned::default() })
}

static CLIENT: Library = Library {
    name: "google.golang.org/grpc/client",
    description: "calls by clients of gRPC, of every kind",
    tested_versions: TESTED,
    package: PACKAGE,
    wrappers: WRAPPERS,
    operations: &[Operation {
        functions: &[
            "func newClientStream(ctx context.Context, desc *StreamDesc, cc *ClientConn, method string, opts ...CallOption) (_ ClientStream, err error)",
        ],
        context: "ctx",
        injects: true,
        start: &[("method", "method"), ("target", "cc.target")],
        error: "err",
        object: "result0.(*clientStreamWrapper).ClientStream.(*clientStream) | result0.(*clientStream)",
        open: "result0.(*clientStreamWrapper).ClientStream.(*clientStream).finished | result0.(*clientStream).finished == 0",
        lasts: true,
        returns: Some(returns::probes),
        kind: SpanKind::Client,
        span: span::called,
        ..OPERATION
    }],
    closes: &[Close {
        function: "func (cs *clientStream) finish(err error)",
        object: "cs",
        // The first time; that may be while it begins, where its context ends.
        only: "cs.finished == 0",
        error: "err",
        captures: &[(span::PEER_ADDRESS, CALLED_ADDRESS), (span::PEER_PORT, CALLED_PORT), ("retries", "cs.numRetries")],
        ..CLOSE
    }],
    // Attempts of a call that has failed are made again on the goroutine of whoever sees it fail.
    resumes: &[Resume {
        functions: &[
            "func (cs *clientStream) retryLocked(attempt *csAttempt, lastErr error) error",
            // Up to 1.45.
            "func (cs *clientStream) retryLocked(lastErr error) error",
        ],
        object: "cs",
        ..RESUME
    }],
    errors: &[ErrorType {
        type_name: "*google.golang.org/grpc/internal/status.Error",
        captures: &[
            ("code", ".s.s.Code"),
            ("message", ".s.s.Message"),
            // Up to 1.39.
            ("code", ".e.Code"),
            ("message", ".e.Message"),
        ],
        cause: "",
    }],
    protocol: Some(&inject::PROTOCOL),
    ..LIBRARY
};

/// The other end of the connection of the last attempt; the field was called `t` before.
const CALLED_ADDRESS: &str = "cs.attempt.t.(*google.golang.org/grpc/internal/transport.http2Client).remoteAddr.(*net.TCPAddr).IP \
    | cs.attempt.transport.(*google.golang.org/grpc/internal/transport.http2Client).remoteAddr.(*net.TCPAddr).IP";
const CALLED_PORT: &str = "cs.attempt.t.(*google.golang.org/grpc/internal/transport.http2Client).remoteAddr.(*net.TCPAddr).Port \
    | cs.attempt.transport.(*google.golang.org/grpc/internal/transport.http2Client).remoteAddr.(*net.TCPAddr).Port";
