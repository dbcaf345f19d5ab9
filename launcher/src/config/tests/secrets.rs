//! What is shown of values that may hold credentials.

use super::*;

#[test]
fn secrets_are_never_shown() {
    let name = "OTEL_EXPORTER_OTLP_HEADERS";
    let config = config(&[(name, "authorization=Bearer%20s3cret,x=s3cret"), (BASE, "https://u:s3cret@c")]);
    let headers = &config.otlp.as_ref().unwrap().headers;
    assert!(headers.iter().any(|pair| pair == ("authorization", "Bearer s3cret")));
    assert!(!format!("{config:?}").contains("s3cret"));
    for bad in ["s3cret", "a b=s3cret", "a=s3cret%0a", "a=s3cret%"] {
        let (_, said) = problem(&[(name, bad)]);
        assert!(said.contains(name) && !said.contains("s3cret"), "{said}");
    }
}

#[test]
fn an_endpoints_user_and_query_are_never_shown() {
    let config = config(&[(BASE, "https://u:s3cret@c/x?token=s3cret")]);
    assert_eq!(config.otlp.as_ref().unwrap().endpoint.to_string(), "https://c/x/v1/traces");
    assert!(!format!("{config:?}").contains("s3cret"));
    for bad in ["https://u:s3cret@c:99999", "ftp://c/?token=s3cret"] {
        let (_, said) = problem(&[(BASE, bad)]);
        assert!(said.contains(BASE) && !said.contains("s3cret"), "{said}");
    }
}

#[test]
fn only_what_may_hold_credentials_is_not_shown() {
    for (name, bad) in [
        ("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS", "B@D"),
        ("OTEL_PROPAGATORS", "what?"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many@once"),
    ] {
        let (_, line) = problem(&[(name, bad)]);
        assert!(line.starts_with(&format!("{name}={bad:?} cannot be used")), "{line}");
    }
    // The URL may stand where it does not belong.
    for (name, bad) in [
        (BASE, "user:secret@c:port"),
        ("OTEL_TRACES_EXPORTER", "http://user:secret@c"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "https://c/?token=secret"),
    ] {
        let (_, line) = problem(&[(name, bad)]);
        assert!(line.starts_with(&format!("the value of {name} (not shown) cannot be used")), "{line}");
    }
}
