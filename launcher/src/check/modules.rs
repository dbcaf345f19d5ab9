//! Which of the modules that a program was built with the catalog knows: those that have a function which some
//! instrumentation probes. Of all others there is nothing to say.

use serde::Serialize;

use crate::probes::plan::{Instrumentation, Plan};

/// A module in which something is instrumented, or would be in another version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KnownModule {
    /// Its path.
    pub path: String,
    /// Its version, where it has one.
    pub version: Option<String>,
    /// The instrumentations that probe it in this program.
    pub probed_by: Vec<&'static str>,
    /// What those instrumentations that know it are tested with, each text once.
    pub tested_versions: Vec<&'static str>,
}

/// Those of `modules` (path and version) that `catalog` knows.
pub(super) fn known<'m>(
    catalog: &[&Instrumentation],
    plan: &Plan,
    modules: impl Iterator<Item = (&'m str, Option<&'m str>)>,
) -> Vec<KnownModule> {
    let known = |(path, version): (&str, Option<&str>)| {
        // A library's protocol may be written by functions of another one, or all that is observed be another one's: then its name does not
        // begin with that one's package.
        let is_own = |one: &Instrumentation, function: &str| {
            one.library().is_none_or(|library| is_of(function, library.package) && library.name.starts_with(library.package))
        };
        let has = |one: &Instrumentation, function: &String| is_of(function, path) && is_own(one, function);
        let knowing = catalog.iter().filter(|one| one.function_names().iter().any(|function| has(one, function)));
        let mut tested_versions: Vec<&str> = knowing.map(|one| one.tested_versions).collect();
        tested_versions.sort_unstable();
        tested_versions.dedup();
        let probing = plan.planned.iter().filter(|one| one.probes.iter().any(|probe| is_of(&probe.function, path)));
        let probed_by = probing.map(|one| one.name).collect();
        let version = version.map(str::to_owned);
        (!tested_versions.is_empty()).then(|| KnownModule { path: path.to_owned(), version, probed_by, tested_versions })
    };
    modules.filter_map(known).collect()
}

/// Whether a function is one of the module's: `golang.org/x/net/http2.(*Server).ServeConn` of `golang.org/x/net`.
fn is_of(function: &str, module: &str) -> bool {
    // Another major version is another module.
    let is_major = |rest: &str| {
        let number = rest.strip_prefix("/v").and_then(|rest| rest.split(['/', '.']).next());
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    function.strip_prefix(module).is_some_and(|rest| rest.starts_with(['/', '.']) && !is_major(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instrumentations::CATALOG;

    #[test]
    fn only_what_the_catalog_knows_is_listed() {
        let modules = [("golang.org/x/net", Some("v0.30.0")), ("golang.org/x/network", None), ("github.com/lib/pq", Some("v1"))];
        let known = known(CATALOG, &Plan::default(), modules.into_iter());
        assert_eq!(known.len(), 1, "{known:?}");
        assert_eq!((known[0].path.as_str(), known[0].version.as_deref()), ("golang.org/x/net", Some("v0.30.0")));
        assert!(known[0].probed_by.is_empty() && known[0].tested_versions.len() == 1, "{known:?}");
        assert!(is_of("github.com/go-chi/chi.(*Mux).ServeHTTP", "github.com/go-chi/chi"));
        assert!(!is_of("github.com/go-chi/chi/v5.(*Mux).ServeHTTP", "github.com/go-chi/chi"));
        assert!(is_of("github.com/go-chi/chi/v5.(*Mux).ServeHTTP", "github.com/go-chi/chi/v5"));
    }
}
