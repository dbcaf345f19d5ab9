//! The target that a client of gRPC was made for → address and port of the server.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/naming.md>

/// Host and port of `dns:///example.com:443`, `example.com:443`, `passthrough:///10.0.0.1:443`; the path of `unix:/run/socket`. What a
/// resolver of the program's own is given is the address as it stands.
pub(super) fn address(target: &str) -> (Option<&str>, Option<u16>) {
    let endpoint = endpoint(target);
    let (host, port) = match endpoint.rsplit_once(':') {
        Some((host, port)) => match port.parse() {
            // An address of IPv6 has brackets where a port follows.
            Ok(port) if !host.contains(':') || host.starts_with('[') => (host, Some(port)),
            Ok(_) | Err(_) => (endpoint, None),
        },
        None => (endpoint, None),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ((!host.is_empty()).then_some(host), port)
}

/// What comes behind scheme and authority.
fn endpoint(target: &str) -> &str {
    // What stands in front of the slash is who resolves it; to a socket, the slash belongs.
    if let Some(path) = target.strip_prefix("unix://") {
        return path;
    }
    if let Some((_scheme, rest)) = target.split_once("://") {
        return rest.split_once('/').map_or(rest, |(_authority, endpoint)| endpoint);
    }
    match target.split_once(':') {
        Some(("dns" | "unix" | "unix-abstract" | "passthrough" | "ipv4" | "ipv6" | "vsock", rest)) => rest,
        Some(_) | None => target,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_as_they_are_written() {
        let found = |target: &'static str| {
            let (host, port) = address(target);
            (host.unwrap_or_default(), port.unwrap_or_default())
        };
        assert_eq!(found("example.com:443"), ("example.com", 443));
        assert_eq!(found("dns:///example.com:443"), ("example.com", 443));
        assert_eq!(found("dns://8.8.8.8/example.com:443"), ("example.com", 443));
        assert_eq!(found("dns:example.com"), ("example.com", 0));
        assert_eq!(found("passthrough:///10.0.0.1:8080"), ("10.0.0.1", 8080));
        assert_eq!(found("[::1]:50051"), ("::1", 50051));
        assert_eq!(found("ipv6:[2001:db8::1]:1234"), ("2001:db8::1", 1234));
        assert_eq!(found("2001:db8::1"), ("2001:db8::1", 0));
        assert_eq!(found("unix:/run/app.sock"), ("/run/app.sock", 0));
        assert_eq!(found("unix:///run/app.sock"), ("/run/app.sock", 0));
        assert_eq!(found("unix-abstract:name"), ("name", 0));
        assert_eq!(found("bufnet"), ("bufnet", 0));
        assert_eq!(found("consul://127.0.0.1:8500/orders"), ("orders", 0));
        assert_eq!(found(""), ("", 0));
        assert_eq!(found("://"), ("", 0));
    }
}
