//! Names of types, taken apart.

/// Package path and name of a defined type's full name. Type arguments in brackets belong to the name.
pub(super) fn split_name(full: &str) -> (&str, &str) {
    let arguments = full.find('[').unwrap_or(full.len());
    match full.get(..arguments).and_then(|head| head.rfind('.')) {
        Some(dot) => (full.get(..dot).unwrap_or_default(), full.get(dot + 1..).unwrap_or_default()),
        None => ("", full),
    }
}

/// The part of `package.Name` or `package.Name[arguments]` behind the dot, or all of a name without package; `None` if
/// it is longer than `longest`.
pub(super) fn short_name(text: &[u8], longest: usize) -> Option<&[u8]> {
    let mut depth = 0_usize;
    for (index, byte) in text.iter().enumerate().rev().take(longest + 1) {
        match byte {
            b']' => depth += 1,
            b'[' => depth = depth.saturating_sub(1),
            b'.' if depth == 0 => return text.get(index + 1..),
            _ => {}
        }
    }
    (text.len() <= longest).then_some(text)
}

/// Whether `name` can only be that of a defined type.
pub(super) fn is_plain(name: &str) -> bool {
    let start = name.as_bytes().first();
    !matches!(start, Some(b'*' | b'['))
        && !["map[", "chan ", "func(", "struct {", "interface {"].iter().any(|p| name.starts_with(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_outside_brackets() {
        assert_eq!(split_name("net/http.Request"), ("net/http", "Request"));
        assert_eq!(split_name("gopkg.in/yaml.v3.Node"), ("gopkg.in/yaml.v3", "Node"));
        assert_eq!(split_name("sync/atomic.Pointer[net/http.response]"), ("sync/atomic", "Pointer[net/http.response]"));
        assert_eq!(split_name("error"), ("", "error"));
        assert_eq!(short_name(b"http.Request", 20), Some(&b"Request"[..]));
        assert_eq!(short_name(b"atomic.Pointer[net/http.response]", 40), Some(&b"Pointer[net/http.response]"[..]));
        assert_eq!(short_name(b"http.Request", 6), None);
        assert_eq!(short_name(b"error", 5), Some(&b"error"[..]));
    }
}
