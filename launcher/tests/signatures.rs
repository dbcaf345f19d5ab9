//! Declarations of functions, against real programs: each one that stands in the sources of the standard library is that of the
//! function which a program has.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use go_auto_launch::binary::GoBinary;
use go_auto_launch::signature::{Mismatch, Signature, find};
use support::apps::{self, GoVersion, Variant};

/// Packages of the standard library that the programs contain.
const PACKAGES: [&str; 22] = [
    "bufio",
    "bytes",
    "compress/gzip",
    "context",
    "crypto/tls",
    "crypto/x509",
    "encoding/asn1",
    "encoding/json",
    "fmt",
    "io",
    "log",
    "math/big",
    "net",
    "net/http",
    "net/textproto",
    "net/url",
    "os",
    "reflect",
    "strconv",
    "strings",
    "sync",
    "time",
];

fn go_root(version: GoVersion) -> PathBuf {
    let output = Command::new("go").args(["env", "GOROOT"]).env("GOTOOLCHAIN", version.toolchain()).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().into()
}

/// The declarations of a package, by symbol; several for a function that is declared for each system.
fn declarations(root: &Path, package: &str) -> BTreeMap<String, Vec<(String, Signature)>> {
    let mut found: BTreeMap<String, Vec<(String, Signature)>> = BTreeMap::new();
    for entry in fs::read_dir(root.join("src").join(package)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if Path::new(name).extension().is_none_or(|end| end != "go") || name.ends_with("_test.go") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut rest = text.as_str();
        while let Some(at) = rest.find("\nfunc ") {
            let text = &rest[at + 1..];
            rest = text;
            // Up to the body, or to the end of a line or what is before a comment.
            let ends = text.match_indices(" {").chain(text.match_indices('\n')).chain(text.match_indices(" //"));
            let mut ends: Vec<usize> = ends.map(|(at, _)| at).filter(|&at| at < 2000).collect();
            ends.sort_unstable();
            let parsed =
                ends.iter().find_map(|&end| Some((text[..end].to_owned(), Signature::parse(package, &text[..end]).ok()?)));
            let (text, signature) = parsed.unwrap_or_else(|| panic!("{}: {}", path.display(), text.lines().next().unwrap()));
            found.entry(signature.symbol()).or_default().push((text, signature));
        }
    }
    found
}

#[derive(Debug, Default)]
struct Counts {
    agreed: usize,
    instances: usize,
    unknown: Vec<String>,
    not_bodies: usize,
    differ: Vec<String>,
}

/// Holds all declarations against the program.
fn count(binary: &GoBinary<'_>, root: &Path) -> Counts {
    let mut counts = Counts::default();
    for package in PACKAGES {
        let declared = declarations(root, package);
        let symbols: Vec<&str> = declared.keys().map(String::as_str).collect();
        let functions = binary.functions(&symbols);
        for all in declared.values() {
            let mut results = all.iter().map(|(text, signature)| (text, find(binary, &functions, signature)));
            if let Some((_, Ok(found))) = results.clone().find(|(_, result)| result.is_ok()) {
                counts.agreed += 1;
                counts.instances += found.len() - 1;
                continue;
            }
            match results.next().unwrap() {
                (_, Err(Mismatch::NotFound(_) | Mismatch::NoInstance(_))) => {}
                (_, Err(Mismatch::Ambiguous { .. } | Mismatch::Assembly(_) | Mismatch::Generated(_))) => counts.not_bodies += 1,
                (text, Err(error @ Mismatch::UnknownType { .. })) => counts.unknown.push(format!("{text}: {error}")),
                (text, result) => counts.differ.push(format!("{text}: {}", result.unwrap_err())),
            }
        }
    }
    counts
}

/// Programs: with and without symbols, for both processors.
const CASES: [(GoVersion, Variant); 5] = [
    (GoVersion::GO_1_21, Variant::Stripped),
    (GoVersion::GO_1_24, Variant::Default),
    (GoVersion::GO_1_27, Variant::Stripped),
    (GoVersion::GO_1_21, Variant::Arm64Stripped),
    (GoVersion::GO_1_27, Variant::Arm64Stripped),
];

#[test]
fn declarations_of_the_standard_library_are_those_of_the_program() {
    for (version, variant) in CASES {
        let file = fs::read(apps::build("http_server", version, variant)).unwrap();
        let binary = GoBinary::parse(&file).unwrap();
        let counts = count(&binary, &go_root(version));
        let case = format!("{version:?} {variant:?}: {counts:#?}");
        assert!(counts.differ.is_empty(), "{case}");
        assert!(counts.agreed > 1500, "{case}");
        assert!(counts.unknown.len() * 50 < counts.agreed, "{case}");
    }
}
