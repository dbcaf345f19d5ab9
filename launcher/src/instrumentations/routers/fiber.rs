//! `github.com/gofiber/fiber`: the route of a request is in its context, the last one that was found. Middlewares have routes too, which only
//! they use.

use opentelemetry_sdk::trace::SpanData;

use super::OF_REQUEST;
use crate::captured::{Captured, Value};
use crate::instrumentations::routes;
use crate::probes::library::{Annotation, LIBRARY, Library, Moment};

/// The table of version 2. Each middleware asks for the next route within the function that has asked for its own: what that returns to the
/// first is the last. Then the context is put back, without its route.
pub(super) static TABLE_2: Library = Library {
    name: "github.com/gofiber/fiber/v2",
    description: "routes of fiber 2",
    tested_versions: "2.26 to 2.52",
    package: "github.com/gofiber/fiber/v2",
    annotations: &[Annotation {
        functions: &["func (app *App) next(c *Ctx) (bool, error)", "func (app *App) next(c *Ctx) (match bool, err error)"],
        moment: Moment::ReturnsTo("func (app *App) handler(rctx *fasthttp.RequestCtx)"),
        ..ROUTE
    }],
    ..LIBRARY
};

/// The table of version 3, in which a function is called that puts back what a context holds.
pub(super) static TABLE_3: Library = Library {
    name: "github.com/gofiber/fiber/v3",
    description: "routes of fiber 3",
    tested_versions: "3.0 to 3.1",
    package: "github.com/gofiber/fiber/v3",
    annotations: &[Annotation { functions: &["func (c *DefaultCtx) release()"], ..ROUTE }],
    ..LIBRARY
};

const ROUTE: Annotation =
    Annotation { captures: &[("route", "c.route.Path"), ("is a middleware's", "c.route.use")], span, ..OF_REQUEST };

fn span(captured: &Captured<'_>, span: &mut SpanData) {
    if captured.get("is a middleware's") == Some(&Value::Bool(false)) {
        routes::found(span, captured.text("route").unwrap_or_default(), captured.is_inner);
    }
}
