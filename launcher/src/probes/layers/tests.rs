//! Which spans of the SDK are of which operations, by the catalog.

use super::*;
use crate::instrumentations::CATALOG;

const OTELHTTP: &str = "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp";
const OTELGRPC: &str = "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc";
const OTELCONNECT: &str = "connectrpc.com/otelconnect";
const OTELSQL: &str = "github.com/XSAM/otelsql";
const OTELPGX: &str = "github.com/exaring/otelpgx";
const TRAEFIK: &str = "github.com/traefik/traefik";

const DATABASES: [&str; 3] = ["database/sql", "github.com/jackc/pgx/v5", "github.com/jackc/pgx/v4"];
const HTTP_CLIENT: &str = "net/http/client";
const GRPC: [&str; 2] = ["google.golang.org/grpc/server", "google.golang.org/grpc/client"];
const CONNECT: &str = "connectrpc.com/connect/client";

/// The names of the libraries whose operations this scope's spans are, where a program has all of them.
fn libraries(scope: &str) -> Vec<&'static str> {
    let all: Vec<&str> = CATALOG.iter().map(|one| one.name).collect();
    let layers = wrappers(CATALOG, &all)[scope];
    let has_spans = |one: &&&Instrumentation| one.library().is_none_or(|library| !library.operations.is_empty());
    CATALOG.iter().filter(has_spans).map(|one| one.name).filter(|name| layers & of(CATALOG, name) != 0).collect()
}

#[test]
fn a_span_is_of_the_operations_of_its_library() {
    assert_eq!(libraries(OTELSQL), DATABASES);
    assert_eq!(libraries(OTELPGX), DATABASES);
    let [http, grpc] = [OTELHTTP, OTELGRPC].map(libraries);
    assert!(DATABASES.iter().all(|name| !http.contains(name) && !grpc.contains(name)), "{http:?} {grpc:?}");
    assert!(!http.contains(&GRPC[1]) && GRPC.iter().all(|name| grpc.contains(name)), "{http:?} {grpc:?}");
    assert!(!grpc.contains(&HTTP_CLIENT) && !grpc.contains(&CONNECT), "it has a transport of its own: {grpc:?}");
}

/// A call that is a request of HTTP has one span with it, and so has a request that is served.
#[test]
fn a_call_by_http_and_its_request_are_one() {
    for scope in [OTELHTTP, OTELCONNECT] {
        let found = libraries(scope);
        assert!([HTTP_CLIENT, CONNECT].iter().all(|name| found.contains(name)), "{scope}: {found:?}");
    }
    assert!(libraries(OTELHTTP).contains(&GRPC[0]));
    assert!(libraries(TRAEFIK).contains(&HTTP_CLIENT), "it has a span for each request that it hands on");
}

/// What is not planned has no spans, and is no layer of others.
#[test]
fn only_what_is_used_counts() {
    let used = wrappers(CATALOG, &["database/sql"]);
    assert!(!used.contains_key(OTELHTTP) && !used.contains_key(OTELPGX));
    assert_eq!(used[OTELSQL], of(CATALOG, "database/sql"));
}

/// As far as there are bits, each has one of its own; no body has that of a table.
#[test]
fn layers_differ() {
    let mut all = 0_u32;
    for layer in CATALOG.iter().map(|one| of(CATALOG, one.name)).filter(|layer| *layer != instrumentation::FASTHTTP_SERVER) {
        assert!(layer.count_ones() <= 1 && all & layer == 0, "{layer:x}");
        all |= layer;
    }
    assert_eq!(of(CATALOG, "functions"), 0);
}

/// The probes look at as many scopes as there may be.
#[test]
fn all_scopes_have_room() {
    let all: Vec<&str> = CATALOG.iter().map(|one| one.name).collect();
    assert!(wrappers(CATALOG, &all).len() <= bpf::config::parents::MAX_WRAPPERS);
}
