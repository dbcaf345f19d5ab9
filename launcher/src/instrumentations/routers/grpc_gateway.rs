//! `github.com/grpc-ecosystem/grpc-gateway`: the code that is generated for a method puts the name of that, and then the path's template, into the
//! context of the call that it makes.

use opentelemetry_sdk::trace::SpanData;

use super::OF_REQUEST;
use crate::captured::Captured;
use crate::instrumentations::routes;
use crate::probes::library::{Annotation, LIBRARY, Library, Moment};

/// The table of version 2.
pub(super) static TABLE_2: Library = Library {
    name: "github.com/grpc-ecosystem/grpc-gateway/v2",
    description: "routes of grpc-gateway 2",
    tested_versions: "2.5 to 2.33",
    package: "github.com/grpc-ecosystem/grpc-gateway/v2",
    annotations: &[Annotation {
        package: "/runtime",
        functions: &[
            "func annotateContext(ctx context.Context, mux *ServeMux, req *http.Request, rpcMethodName string, options ...AnnotateContextOption) (context.Context, google.golang.org/grpc/metadata.MD, error)",
        ],
        moment: Moment::End,
        captures: &[
            // With a deadline, or without.
            (
                "route",
                "result0.(*context.timerCtx).cancelCtx.Context.(*context.valueCtx).val.(string) \
                    | result0.(*context.valueCtx).val.(string)",
            ),
            (
                "method",
                "result0.(*context.timerCtx).cancelCtx.Context.(*context.valueCtx).Context.(*context.valueCtx).val.(string) \
                    | result0.(*context.valueCtx).Context.(*context.valueCtx).val.(string)",
            ),
        ],
        span,
        ..OF_REQUEST
    }],
    ..LIBRARY
};

/// Code that older versions have generated puts the method alone into the context: below that is whatever the request has brought.
fn span(captured: &Captured<'_>, span: &mut SpanData) {
    let is_method = |text: &str| text.strip_prefix('/').is_some_and(|rest| rest.split('/').count() == 2);
    if captured.text("method").is_some_and(is_method) {
        routes::found(span, captured.text("route").unwrap_or_default(), captured.is_inner);
    }
}
