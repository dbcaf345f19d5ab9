//! What stands in the line of a request (RFC 9112, section 3.2) → its path and its query. Pure.

/// The path and the query of a request's target, as they were sent: of one in origin form, of one in absolute form, as a proxy gets it, or
/// `*`. No query where there is no question mark.
pub(super) fn path_and_query(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    let relative = behind_authority(target).unwrap_or(target);
    let mut parts = relative.splitn(2, |&byte| byte == b'?');
    let path = parts.next().unwrap_or_default();
    // RFC 9110, section 4.2.3: an empty path is that of the root.
    (if path.is_empty() { b"/" } else { path }, parts.next())
}

/// What comes behind `scheme://authority`.
fn behind_authority(target: &[u8]) -> Option<&[u8]> {
    if target.starts_with(b"/") {
        return None;
    }
    let scheme = target.windows(3).position(|bytes| bytes == b"://")?;
    let rest = target.get(scheme + 3..)?;
    let end = rest.iter().position(|byte| b"/?".contains(byte)).unwrap_or(rest.len());
    rest.get(end..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_taken_apart() {
        for (target, path, query) in [
            ("/", "/", None),
            ("/pets/7", "/pets/7", None),
            ("/pets/7?x=1&y=?", "/pets/7", Some("x=1&y=?")),
            ("/pets?", "/pets", Some("")),
            ("/see?at=http://a/b", "/see", Some("at=http://a/b")),
            ("http://example.test:80/a?b", "/a", Some("b")),
            ("http://example.test", "/", None),
            ("http://example.test?b", "/", Some("b")),
            ("*", "*", None),
            ("", "/", None),
        ] {
            assert_eq!(path_and_query(target.as_bytes()), (path.as_bytes(), query.map(str::as_bytes)), "{target}");
        }
    }
}
