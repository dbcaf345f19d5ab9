//! Parameters of what spans say: of which service, of which traces, of which libraries, and how much.

use super::values::{BOOLEAN, COUNT, GENERAL, PAIRS, TEXT};
use super::{Parameter, Takes, parameter};

pub(super) const SERVICE: &[Parameter] = &[
    parameter("OTEL_SERVICE_NAME", TEXT, "the program's name", "The service name of the spans")
        .flag("--service-name", Takes::One("NAME")),
    parameter("OTEL_SERVICE_VERSION", TEXT, "the program's module version", "The attribute service.version"),
    parameter("OTEL_DEPLOYMENT_ENVIRONMENT", TEXT, "none", "The attribute deployment.environment.name"),
    parameter("OTEL_RESOURCE_ATTRIBUTES", PAIRS, "none", "More attributes of the resource"),
];

pub(super) const SAMPLING: &[Parameter] = &[
    parameter(
        "OTEL_TRACES_SAMPLER",
        "always_on, always_off, traceidratio, or one of these with parentbased_ before it",
        "parentbased_always_on",
        "Which traces are recorded",
    ),
    parameter("OTEL_TRACES_SAMPLER_ARG", "a ratio between 0 and 1", "1", "The ratio of the traceidratio samplers"),
    parameter(
        "OTEL_PROPAGATORS",
        "a list of tracecontext, baggage, b3 and b3multi, or none",
        "tracecontext,baggage",
        "Which headers are extracted and injected",
    ),
];

pub(super) const TRACED: &[Parameter] = &[
    parameter("OTEL_SDK_DISABLED", BOOLEAN, "false", "Run the command untraced"),
    parameter(
        "OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS",
        "a list of names such as net/http or net/http/client",
        "none",
        "Instrumentations that are switched off; net/http is both of its own; names of others are ignored",
    ),
    parameter(
        "GO_AUTO_LAUNCH_SPANS",
        "declarations of functions, one per line, as main.(*Store).Place(ctx context.Context, o *Order) error; order.id=o.ID",
        "none",
        "Make a span of each call of a function",
    )
    .flag("--span", Takes::Several("DECLARATION"))
    .more("The line of Go that declares it; behind a semicolon attributes of its parameters and results. See docs/spans.md"),
    parameter(
        "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
        "a list of methods such as GET,POST,PROPFIND",
        "the methods of RFC 9110, PATCH and QUERY",
        "The HTTP methods that are not reported as _OTHER",
    ),
    parameter("GO_AUTO_LAUNCH_DB_STATEMENT", "sanitized or raw", "sanitized", "How db.query.text shows a statement")
        .more("sanitized: with ? for the values in it, unless it has arguments; raw: as it is, with whatever is secret in it; so, too, texts of errors of databases")
        .flag("--db-statement", Takes::One("HOW")),
    parameter("OTEL_GO_AUTO_INCLUDE_DB_STATEMENT", BOOLEAN, "true", "Spans of statements have db.query.text"),
    parameter(
        "OTEL_GO_AUTO_PARSE_DB_STATEMENT",
        BOOLEAN,
        "true",
        "Operations and tables are looked for in the text of statements, for names and attributes of spans",
    ),
    parameter(
        "GO_AUTO_LAUNCH_SDK",
        "join, only-auto or off",
        "join",
        "What the program's own OpenTelemetry does",
    )
    .more("join: spans that it starts without an SDK are recorded, what it adds to the current span is added to ours, and ours step back where its SDK makes a span of the same operation; only-auto: none of that; off: nor are ours children of its spans")
    .flag("--sdk", Takes::One("HOW")),
    parameter("GO_AUTO_LAUNCH_STRICT", BOOLEAN, "false", "Exit with 125 instead of running untraced").switch("--strict"),
];

pub(super) const LIMITS: &[Parameter] = &[
    parameter("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", COUNT, "no limit", "The longest attribute value, in characters"),
    parameter("OTEL_ATTRIBUTE_COUNT_LIMIT", COUNT, "128", "How many attributes there may be"),
    parameter("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", COUNT, GENERAL, "The longest attribute value of a span"),
    parameter("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", COUNT, GENERAL, "How many attributes a span may have"),
    parameter("OTEL_SPAN_EVENT_COUNT_LIMIT", COUNT, "128", "How many events a span may have"),
    parameter("OTEL_SPAN_LINK_COUNT_LIMIT", COUNT, "128", "How many links a span may have"),
    parameter("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", COUNT, GENERAL, "How many attributes an event may have"),
    parameter("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", COUNT, GENERAL, "How many attributes a link may have"),
];
