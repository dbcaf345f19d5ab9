//! Names that the user has switched off × the name of an instrumentation → whether that is among them.

/// Whether one of the names in `disabled` covers that of an instrumentation, see [`super::plan::Circumstances::disabled`].
pub(super) fn is_disabled(name: &str, disabled: &[String]) -> bool {
    let covers = |name: &str, off: &str| {
        let found = name.split_at_checked(off.len());
        found.is_some_and(|(covered, rest)| covered.eq_ignore_ascii_case(off) && (rest.is_empty() || rest.starts_with('/')))
    };
    // Of a module from elsewhere the last elements are enough: `pgx`. Its version alone is no name.
    let is_version = |text: &str| text.strip_prefix('v').is_some_and(|number| number.parse::<u32>().is_ok());
    let is_from_elsewhere = name.split('/').next().is_some_and(|first| first.contains('.'));
    let ends = name
        .match_indices('/')
        .filter(|_| is_from_elsewhere)
        .filter_map(|(at, _)| name.get(at + 1..))
        .filter(|end| !is_version(end));
    std::iter::once(name).chain(ends).any(|name| disabled.iter().any(|off| covers(name, off)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_switches_off_what_is_below_it() {
        let off = |names: &[&str]| is_disabled("net/http/server", &names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>());
        assert!(off(&["net/http"]));
        assert!(off(&["grpc", "NET/HTTP/server"]));
        assert!(!off(&["net"; 0]));
        assert!(!off(&["net/http/client", "net/httpx", "http"]));
        let pgx = |name: &str| is_disabled("github.com/jackc/pgx/v5", &[name.to_owned()]);
        assert!(["pgx", "pgx/v5", "github.com/jackc/pgx", "jackc"].into_iter().all(pgx));
        assert!(!["pgx/v4", "pg", "v", "v5", "github.com/jack"].into_iter().any(pgx));
    }
}
