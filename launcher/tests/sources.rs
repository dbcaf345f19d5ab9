//! What the code says of the functions that it probes is so in Go's sources: each line `match-go: VERSIONS: FUNCTION(ARGUMENTS)` below
//! `bpf/src` and `launcher/src` is compared with every tested version of Go, or of `golang.org/x/net`.
//!
//! `1.18..1.26` are minor versions of Go, `v0.17.0..` versions of the module; without an end, up to the newest that is tested. The
//! receiver is the first argument.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use go_auto_launch::instrumentations::CATALOG;
use support::apps::{GoVersion, workspace};

const LIBRARY: &str = "golang.org/x/net";
const MARK: &str = "match-go: ";

/// One line.
#[derive(Debug)]
struct Claim {
    /// The first and the last version; no last one means the newest.
    versions: (String, String),
    /// As in a Go program's symbol table.
    function: String,
    arguments: Vec<String>,
    /// Where it stands.
    place: String,
}

impl Claim {
    fn parse(text: &str, place: &str) -> Self {
        let parse = || {
            let (versions, function) = text.split_once(": ")?;
            let (first, last) = versions.split_once("..")?;
            // A method's receiver is in parentheses too.
            let (function, arguments) = function.trim().strip_suffix(')')?.rsplit_once('(')?;
            let arguments = arguments.split(", ").filter(|argument| !argument.is_empty()).map(str::to_owned).collect();
            Some(Self {
                versions: (first.to_owned(), last.to_owned()),
                function: function.to_owned(),
                arguments,
                place: place.to_owned(),
            })
        };
        parse().unwrap_or_else(|| {
            panic!("{place}: {MARK}{text} has not the form `{MARK}1.18..1.26: net/http.(*conn).serve(c, ctx)`")
        })
    }

    fn holds_for(&self, version: &Version) -> bool {
        let (first, last) = &self.versions;
        let number = numbers(&version.name);
        first.starts_with('v') == version.name.starts_with('v')
            && numbers(first) <= number
            && (last.is_empty() || number <= numbers(last))
    }

    /// What is wrong with it in this version.
    fn objection(&self, version: &Version) -> Option<String> {
        let (package, receiver, name) = split(&self.function);
        let declared = declarations(&version.folder(package), receiver, name);
        if declared.contains(&self.arguments) {
            return None;
        }
        let found = match declared.first() {
            Some(arguments) => format!("has the arguments ({})", arguments.join(", ")),
            None => "is not declared".to_owned(),
        };
        Some(format!("{}: {} {found} in {}, not ({})", self.place, self.function, version.name, self.arguments.join(", ")))
    }
}

/// `1.26` and `v0.53.0` as numbers, which compare as versions do.
fn numbers(version: &str) -> Vec<u32> {
    version.trim_start_matches('v').split('.').map(|number| number.parse().unwrap()).collect()
}

/// Package, receiver's type and name of a symbol.
fn split(function: &str) -> (&str, Option<&str>, &str) {
    let last_element = function.rfind('/').map_or(0, |slash| slash + 1);
    let dot = last_element + function[last_element..].find('.').unwrap();
    let (package, rest) = (&function[..dot], &function[dot + 1..]);
    match rest.rsplit_once('.') {
        Some((receiver, name)) => (package, Some(receiver.trim_start_matches('(').trim_end_matches(')')), name),
        None => (package, None, rest),
    }
}

/// Sources to compare with.
#[derive(Debug)]
struct Version {
    /// `1.26` or `v0.53.0`.
    name: String,
    root: PathBuf,
}

impl Version {
    fn folder(&self, package: &str) -> PathBuf {
        match package.strip_prefix(LIBRARY) {
            Some(below) if self.name.starts_with('v') => self.root.join(below.trim_start_matches('/')),
            Some(_) | None => self.root.join("src").join(package),
        }
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn versions() -> Vec<Version> {
    let toolchain = |version: GoVersion| {
        let root = output(Command::new("go").args(["env", "GOROOT"]).env("GOTOOLCHAIN", version.toolchain()));
        Version { name: format!("1.{}", version.minor), root: root.trim().into() }
    };
    let list = fs::read_to_string(workspace().join("tests/libraries")).unwrap();
    let library = |version: &str| {
        let wanted = format!("{LIBRARY}@{version}");
        let said = output(Command::new("go").args(["mod", "download", "-json", &wanted]).env("GOWORK", "off").current_dir("/"));
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        Version { name: version.to_owned(), root: said["Dir"].as_str().unwrap().into() }
    };
    let line = list.lines().find_map(|line| line.strip_prefix(LIBRARY)).unwrap();
    GoVersion::ALL.into_iter().map(toolchain).chain(line.split_whitespace().map(library)).collect()
}

/// The arguments of each function of this name, receiver first, in the files of a package for Linux.
fn declarations(folder: &Path, receiver: Option<&str>, name: &str) -> Vec<Vec<String>> {
    const OTHERS: [&str; 12] = [
        "_test",
        "_windows",
        "_darwin",
        "_plan9",
        "_aix",
        "_solaris",
        "_freebsd",
        "_netbsd",
        "_openbsd",
        "_dragonfly",
        "_wasm",
        "_js",
    ];
    let mut found = Vec::new();
    for file in fs::read_dir(folder).into_iter().flatten() {
        let path = file.unwrap().path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_none_or(|end| end != "go") || OTHERS.iter().any(|other| stem.ends_with(other)) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        found.extend(text.split("\nfunc ").skip(1).filter_map(|declaration| arguments(declaration, receiver, name)));
    }
    found
}

/// The arguments of the declaration behind `func`, if it is the one.
fn arguments(declaration: &str, receiver: Option<&str>, name: &str) -> Option<Vec<String>> {
    let (own, rest) = match (receiver, declaration.strip_prefix('(')) {
        (Some(receiver), Some(method)) => {
            let (own, rest) = method.split_once(") ")?;
            let (own, of) = own.split_once(' ').unwrap_or(("_", own));
            if of != receiver {
                return None;
            }
            (Some(own.to_owned()), rest)
        }
        (None, None) => (None, declaration),
        (Some(_), None) | (None, Some(_)) => return None,
    };
    let list = rest.strip_prefix(name)?.strip_prefix('(')?;
    let mut depth = 0;
    let mut parameters = vec![String::new()];
    for letter in list.chars() {
        match letter {
            ')' if depth == 0 => break,
            ',' if depth == 0 => {
                parameters.push(String::new());
                continue;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        parameters.last_mut().unwrap().push(letter);
    }
    let names = parameters.iter().filter_map(|parameter| parameter.split_whitespace().next()).map(str::to_owned);
    Some(own.into_iter().chain(names).collect())
}

fn claims() -> Vec<Claim> {
    let mut folders = vec![workspace().join("bpf/src"), workspace().join("launcher/src")];
    let mut claims = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let place = |number: usize| format!("{}:{}", path.strip_prefix(workspace()).unwrap().display(), number + 1);
            let lines = text.lines().enumerate();
            claims.extend(lines.filter_map(|(number, line)| Some(Claim::parse(line.split_once(MARK)?.1, &place(number)))));
        }
    }
    claims
}

#[test]
fn probed_functions_are_as_the_code_says() {
    let (claims, versions) = (claims(), versions());
    let mut objections = String::new();
    for claim in &claims {
        let mut held = 0;
        for version in versions.iter().filter(|version| claim.holds_for(version)) {
            held += 1;
            if let Some(objection) = claim.objection(version) {
                writeln!(objections, "{objection}").unwrap();
            }
        }
        assert_ne!(held, 0, "{}: {:?} is no tested version", claim.place, claim.versions);
    }
    assert!(objections.is_empty(), "\n{objections}");
}

#[test]
fn every_function_of_the_catalog_has_a_line() {
    let claims = claims();
    let claimed: BTreeSet<&str> = claims.iter().map(|claim| claim.function.as_str()).collect();
    // A closure is within its function.
    let outer = |name: &&'static str| name.split_once(".func").map_or(*name, |(outer, _)| outer);
    let named = CATALOG.iter().flat_map(|one| one.functions.iter().map(move |name| (outer(name), one.name)));
    let missing: BTreeMap<&str, &str> = named.filter(|(name, _)| !claimed.contains(name)).collect();
    assert!(missing.is_empty(), "there is no line `{MARK}…` for {missing:#?}");
}

#[test]
fn a_line_that_is_wrong_is_objected_to() {
    let versions = versions();
    let objections = |text: &str| {
        let claim = Claim::parse(text, "here");
        versions
            .iter()
            .filter(|version| claim.holds_for(version))
            .filter_map(|version| claim.objection(version))
            .collect::<Vec<_>>()
    };
    assert!(objections("1.21..: net/http.(*conn).serve(c, ctx)").is_empty());
    assert_eq!(
        objections("1.26..: net/http.(*conn).serve(c)"),
        ["1.26", "1.27"].map(|version| format!("here: net/http.(*conn).serve has the arguments (c, ctx) in {version}, not (c)"))
    );
    assert_eq!(
        objections("1.26..: net/http.(*http2serverConn).runHandler(sc, rw, req, handler)"),
        ["here: net/http.(*http2serverConn).runHandler is not declared in 1.27, not (sc, rw, req, handler)"]
    );
    assert_eq!(
        objections("v0.17.0..: golang.org/x/net/http2.(*serverConn).runHandler(sc)").len(),
        versions.len() - GoVersion::ALL.len()
    );
}
