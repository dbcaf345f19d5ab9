//! Answers as servers and proxies give them.

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
}

fn failure(pairs: &[(&'static str, &str)]) -> Failure {
    status(StatusCode::OK, &HeaderMap::new(), &headers(pairs)).unwrap_err()
}

#[test]
fn the_status_is_in_the_trailers_or_in_the_headers() {
    let ok = headers(&[("grpc-status", "0")]);
    let none = HeaderMap::new();
    assert_eq!(status(StatusCode::OK, &none, &ok), Ok(()));
    assert_eq!(status(StatusCode::OK, &ok, &none), Ok(()));
    assert_eq!(failure(&[("grpc-status", "nonsense")]).kind, FailureKind::Permanent);
}

#[test]
fn codes_are_retried_as_specified() {
    // <https://opentelemetry.io/docs/specs/otlp/#failures>
    for code in 1..=17_u32 {
        let retried = matches!(code, 1 | 4 | 10 | 11 | 14 | 15);
        let kind = failure(&[("grpc-status", &code.to_string())]).kind;
        assert_eq!(kind == FailureKind::Retryable(None), retried, "{code}");
    }
}

#[test]
fn a_rate_limit_is_one_that_says_when_to_come_back() {
    let delay = RetryInfo { retry_delay: Some(RetryDelay { seconds: 2, nanos: 500_000_000 }) };
    let any = Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value: delay.encode_to_vec() };
    let details = base64::engine::general_purpose::STANDARD_NO_PAD.encode(RpcStatus { details: vec![any] }.encode_to_vec());
    let limited = failure(&[("grpc-status", "8"), ("grpc-status-details-bin", &details)]);
    assert_eq!(limited.kind, FailureKind::Retryable(Some(Duration::from_millis(2500))));
    assert_eq!(failure(&[("grpc-status", "8"), ("grpc-status-details-bin", "????")]).kind, FailureKind::Permanent);
}

#[test]
fn a_proxy_answers_without_a_grpc_status() {
    let none = HeaderMap::new();
    let kind = |code| status(code, &none, &none).unwrap_err().kind;
    assert_eq!(kind(StatusCode::BAD_GATEWAY), FailureKind::Retryable(None));
    assert_eq!(kind(StatusCode::NOT_FOUND), FailureKind::Permanent);
    assert_eq!(kind(StatusCode::OK), FailureKind::Permanent);
}

#[test]
fn messages_are_decoded() {
    assert_eq!(failure(&[("grpc-status", "14"), ("grpc-message", "no%20way%C3%A9%")]).message, "UNAVAILABLE: no wayé%");
    assert_eq!(percent_decode(b"%zz%4"), "%zz%4");
}

#[test]
fn a_message_has_a_prefix() {
    let mut sent = vec![0, 0, 0, 0, 0, 7, 8];
    prefix(&mut sent, true);
    assert_eq!(sent, [1, 0, 0, 0, 2, 7, 8]);
    assert_eq!(message(&[0, 0, 0, 0, 2, 7, 8]), Some([7, 8].as_slice()));
    assert_eq!(message(&[0, 0, 0, 0, 3, 7, 8]), None, "cut");
    assert_eq!(message(&[1, 0, 0, 0, 2, 7, 8]), None, "compressed, which was not asked for");
    assert_eq!(message(&[]), None);
}
