//! Where spans go, and through which proxy.

use super::*;

fn url(variables: &[(&str, &str)]) -> String {
    config(variables).otlp.unwrap().endpoint.url().to_owned()
}

#[test]
fn the_path_is_appended_to_base_urls_only() {
    assert_eq!(url(&[(BASE, "http://c:4318")]), "http://c:4318/v1/traces");
    assert_eq!(url(&[(BASE, "https://c/otlp/")]), "https://c/otlp/v1/traces");
    assert_eq!(url(&[(BASE, "https://c/o?k=v")]), "https://c/o/v1/traces?k=v");
    assert_eq!(url(&[(TRACES, "http://t/x"), (BASE, "http://c")]), "http://t/x");
    assert_eq!(url(&[(BASE, "http://[::1]:4318")]), "http://[::1]:4318/v1/traces");
}

#[test]
fn grpc_endpoints_have_no_path_and_may_lack_the_scheme() {
    let grpc = (PROTOCOL, "grpc");
    assert_eq!(url(&[grpc]), "http://localhost:4317");
    assert_eq!(url(&[grpc, (BASE, "http://c:4317")]), "http://c:4317");
    assert_eq!(url(&[grpc, (BASE, "c:4317")]), "https://c:4317");
    let insecure = ("OTEL_EXPORTER_OTLP_INSECURE", "TRUE");
    assert_eq!(url(&[grpc, insecure, (BASE, "c:4317")]), "http://c:4317");
}

#[test]
fn a_bad_endpoint_is_named_and_the_next_best_used() {
    for bad in ["collector:4318", "ftp://c", "http://", "http://c:port", "http://c d"] {
        let (config, said) = problem(&[(BASE, bad)]);
        let url = config.otlp.unwrap().endpoint.url().to_owned();
        assert_eq!(url, "http://localhost:4318/v1/traces");
        assert!(said.contains(BASE) && said.contains(bad) && said.contains("https://"), "{said}");
    }
    let (config, _) = problem(&[(TRACES, "nonsense"), (BASE, "http://c")]);
    assert_eq!(config.otlp.unwrap().endpoint.url(), "http://c/v1/traces");
}

#[test]
fn the_proxy_of_an_endpoint() {
    let proxy = |variables: &[(&str, &str)]| {
        let otlp = config(variables).otlp.unwrap();
        otlp.proxy.map(|proxy| proxy.url().to_owned()).unwrap_or_default()
    };
    let both = [("HTTP_PROXY", "plain:1"), ("HTTPS_PROXY", "secure:2")];
    let with = |more: &[(&'static str, &'static str)]| proxy(&[&both[..], more].concat());
    assert_eq!(proxy(&[(BASE, "http://collector")]), "");
    assert_eq!(with(&[(BASE, "http://collector")]), "http://plain:1");
    assert_eq!(with(&[(BASE, "https://collector")]), "http://secure:2");
    assert_eq!(with(&[(BASE, "http://collector:4317"), (PROTOCOL, "grpc")]), "http://secure:2");
    assert_eq!(with(&[(BASE, "http://collector"), ("http_proxy", "https://small")]), "http://plain:1");
    assert_eq!(with(&[(BASE, "https://collector"), ("https_proxy", "small:3")]), "http://secure:2");
    assert_eq!(with(&[(BASE, "http://collector"), ("HTTP_PROXY", ""), ("http_proxy", "https://small")]), "https://small");
    assert_eq!(proxy(&[(BASE, "https://collector"), ("https_proxy", "small:3")]), "http://small:3");
    assert_eq!(with(&[]), "", "localhost");
    assert_eq!(with(&[(BASE, "http://127.1.2.3:4318")]), "");
    assert_eq!(with(&[(BASE, "http://user@collector:4318"), ("NO_PROXY", "collector:4318")]), "");
    assert_eq!(with(&[(BASE, "http://collector"), ("NO_PROXY", "other"), ("no_proxy", "collector")]), "http://plain:1");
    assert_eq!(with(&[(BASE, "http://collector"), ("no_proxy", "collector")]), "");
    // A CGI server makes HTTP_PROXY of a request's header; HTTPS_PROXY cannot be made so.
    assert_eq!(with(&[(BASE, "https://collector"), ("REQUEST_METHOD", "GET")]), "http://secure:2");
    for name in ["HTTP_PROXY", "http_proxy"] {
        let (refused, line) = problem(&[(BASE, "http://collector"), (name, "plain:1"), ("REQUEST_METHOD", "GET")]);
        assert_eq!(refused.otlp.unwrap().proxy, None);
        assert!(line.starts_with(&format!("{name} has no effect where REQUEST_METHOD is set")), "{line}");
    }
    let (bad, line) = problem(&[(BASE, "http://collector"), ("HTTP_PROXY", "socks5://u:secret@p"), ("http_proxy", "plain:1")]);
    assert_eq!(bad.otlp.unwrap().proxy.unwrap().url(), "http://plain:1");
    assert!(line.starts_with("the value of HTTP_PROXY (not shown) cannot be used: allowed is host:port"), "{line}");
    assert!(line.ends_with("used instead: http_proxy"), "{line}");
}

#[test]
fn the_way_of_the_spans_names_the_proxy() {
    let destination = |variables: &[(&str, &str)]| config(variables).otlp.unwrap().destination();
    assert_eq!(destination(&[(BASE, "http://collector")]), "http://collector/v1/traces (http/protobuf)");
    assert_eq!(
        destination(&[(BASE, "http://u:secret@collector"), ("HTTP_PROXY", "u:secret@proxy:3128")]),
        "http://collector/v1/traces (http/protobuf) through the proxy http://proxy:3128"
    );
}

/// Else every span is lost, by a message that names no variable.
#[test]
fn what_no_client_connects_to_is_an_unusable_value() {
    for bad in ["http://[::1", "http://pr_oxy%41:80", "http://[collector]:80", "http://::1"] {
        for name in ["HTTP_PROXY", "http_proxy"] {
            let (config, line) = problem(&[(BASE, "http://collector"), (name, bad)]);
            assert_eq!(config.otlp.unwrap().proxy, None, "{bad}");
            assert!(line.starts_with(&format!("the value of {name} (not shown) cannot be used")), "{line}");
        }
        let (config, line) = problem(&[(BASE, bad)]);
        assert_eq!(config.otlp.unwrap().endpoint.url(), "http://localhost:4318/v1/traces", "{bad}");
        assert!(line.starts_with(&format!("{BASE}={bad:?} cannot be used")), "{line}");
    }
}
