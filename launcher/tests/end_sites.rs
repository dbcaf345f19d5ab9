//! Where functions end, in real programs of every supported Go version.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use go_auto_launch::binary::{EndClass, EndSite, GoBinary, merge_end_sites};
use support::apps::{self, GoVersion, Variant};

const APP: &str = "http_client";

/// The functions, and how many result words each has.
const FUNCTIONS: [(&str, usize); 19] = [
    ("net/http.(*Transport).roundTrip", 3),
    ("net/http.(*persistConn).roundTrip", 3),
    ("net/http.(*Client).do", 3),
    ("net/http.send", 4),
    ("net/http.(*response).finishRequest", 0),
    ("net/http.Header.writeSubset", 2),
    ("net/http.(*http2ClientConn).RoundTrip", 3),
    ("net/http.(*http2ClientConn).roundTrip", 3),
    ("net/http.(*http2clientStream).encodeAndWriteHeaders", 2),
    ("net/http/internal/http2.(*ClientConn).roundTrip", 3),
    ("net/http/internal/http2.(*clientStream).encodeAndWriteHeaders", 2),
    ("golang.org/x/net/http2.(*ClientConn).RoundTrip", 3),
    ("golang.org/x/net/http2.(*ClientConn).roundTrip", 3),
    ("golang.org/x/net/http2.(*clientStream).encodeAndWriteHeaders", 2),
    ("net/http.(*ServeMux).findHandler", 6),
    ("net/http.(*ServeMux).Handler", 4),
    ("runtime.newproc1", 1),
    ("runtime.gdestroy", 0),
    ("net/http.(*conn).serve", 0),
];

/// The class of a `RET`: that of its dearest site.
fn classes(sites: &[EndSite]) -> String {
    let mut by_return = BTreeMap::new();
    for site in sites {
        let class = by_return.entry(site.returns[0]).or_insert(site.class);
        *class = site.class.max(*class);
    }
    let letter = |class| match class {
        EndClass::Return => 'R',
        EndClass::DeferReturn => 'D',
        EndClass::DeferredCall => 'd',
        EndClass::Call => 'c',
        EndClass::Branch => 'e',
    };
    let all = [EndClass::Return, EndClass::DeferReturn, EndClass::DeferredCall, EndClass::Call, EndClass::Branch];
    let counts = all.map(|wanted| (letter(wanted), by_return.values().filter(|class| **class == wanted).count()));
    let shown: String = counts.iter().filter(|(_, count)| *count > 0).map(|(letter, count)| format!(" {letter}{count}")).collect();
    format!("{}{shown}", by_return.len())
}

#[test]
fn classes_of_returns() {
    for version in GoVersion::ALL {
        let file = fs::read(apps::build(APP, version, Variant::Stripped)).unwrap();
        let binary = GoBinary::parse(&file).unwrap();
        let functions = binary.functions(&FUNCTIONS.map(|(name, _)| name));
        for (name, results) in FUNCTIONS {
            let Some(function) = functions.get(name) else { continue };
            let begin = Instant::now();
            let sites = binary.end_sites(function, results).unwrap();
            let took = begin.elapsed();
            let shown = classes(&sites);
            let count = sites.len();
            let merged = merge_end_sites(sites);
            println!("1.{} {name} ({results}): {shown}; {count} sites, {} merged, {took:?}", version.minor, merged.len());
        }
    }
}
