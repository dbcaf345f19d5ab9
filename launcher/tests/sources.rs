//! What the code says of the functions that it probes is so in Go's sources: each line `match-go: VERSIONS: FUNCTION(ARGUMENTS)` below
//! `bpf/src` and `launcher/src` is compared with every tested version of Go, or of `golang.org/x/net`.
//!
//! `1.18..1.26` are minor versions of Go, `v0.17.0..` versions of the module; without an end, up to the newest that is tested. The
//! receiver is the first argument. The signatures in tables are compared too: with all tested versions of Go, or of the table's module
//! (`tests/libraries`).

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use go_auto_launch::instrumentations::CATALOG;
use go_auto_launch::probes::library::{Annotation, Library};
use go_auto_launch::signature::{Parameter, Signature};
use support::apps::{GoVersion, workspace};

/// Modules of which functions are named by lines `match-go:`.
const LIBRARIES: [&str; 8] = [
    "golang.org/x/net",
    "google.golang.org/grpc",
    "github.com/valyala/fasthttp",
    "github.com/cloudwego/hertz",
    "go.opentelemetry.io/auto/sdk",
    OTEL,
    "go.opentelemetry.io/otel/trace",
    "go.opentelemetry.io/otel/sdk",
];
/// A module whose versions those of the modules below it have too.
const OTEL: &str = "go.opentelemetry.io/otel";
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
            && self.module() == version.module
            && numbers(first) <= number
            && (last.is_empty() || number <= numbers(last))
    }

    /// The module that the function is of; of several with such a path the one below the others. Empty: the standard library.
    fn module(&self) -> &'static str {
        let above = LIBRARIES.into_iter().filter(|module| self.function.starts_with(module));
        above.max_by_key(|module| module.len()).unwrap_or_default()
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
    /// The path of the module; empty for the standard library.
    module: &'static str,
    root: PathBuf,
}

impl Version {
    fn folder(&self, package: &str) -> PathBuf {
        match package.strip_prefix(self.module) {
            Some(below) if !self.module.is_empty() => self.root.join(below.trim_start_matches('/')),
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
        Version { name: format!("1.{}", version.minor), module: "", root: root.trim().into() }
    };
    GoVersion::ALL.into_iter().map(toolchain).chain(LIBRARIES.into_iter().flat_map(modules)).collect()
}

/// The versions of a module in `tests/libraries`.
fn modules(module: &'static str) -> Vec<Version> {
    let list = fs::read_to_string(workspace().join("tests/libraries")).unwrap();
    let download = |version: &str| {
        let wanted = format!("{module}@{version}");
        let said = output(Command::new("go").args(["mod", "download", "-json", &wanted]).env("GOWORK", "off").current_dir("/"));
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        Version { name: version.to_owned(), module, root: said["Dir"].as_str().unwrap().into() }
    };
    let listed = if module.starts_with(OTEL) { OTEL } else { module };
    let line = list.lines().find_map(|line| line.strip_prefix(listed)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("tests/libraries has no line for {module}")).split_whitespace().map(download).collect()
}

/// The arguments of each function of this name, receiver first, in the files of a package for Linux.
fn declarations(folder: &Path, receiver: Option<&str>, name: &str) -> Vec<Vec<String>> {
    let texts = declaration_texts(folder);
    texts.iter().filter_map(|declaration| arguments(declaration, receiver, name)).collect()
}

/// What stands behind `func` in the files of a package for Linux.
fn declaration_texts(folder: &Path) -> Vec<String> {
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
        found.extend(text.split("\nfunc ").skip(1).map(str::to_owned));
    }
    found
}

/// The arguments of the declaration behind `func`, if it is the one.
fn arguments(declaration: &str, receiver: Option<&str>, name: &str) -> Option<Vec<String>> {
    let (own, rest) = match (receiver, declaration.strip_prefix('(')) {
        (Some(receiver), Some(method)) => {
            let (own, rest) = method.split_once(") ")?;
            let (own, of) = own.split_once(' ').unwrap_or(("_", own));
            // A method of a type is one of pointers to it.
            if of != receiver && Some(of) != receiver.strip_prefix('*') {
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
        versions.iter().filter(|version| version.module == LIBRARIES[0]).count()
    );
}

/// Where a table's function is declared: the sources of the standard library, or of a module.
struct Package {
    /// The import path of the package.
    path: String,
    /// Its folder, by version.
    folders: Vec<(String, PathBuf)>,
}

impl Package {
    /// The package `below` that of a library: the module, or a package of the standard library.
    fn of(library: &Library, below: &str) -> Self {
        let path = format!("{}{below}", library.package);
        let is_standard = !path.split('/').next().unwrap().contains('.');
        let versions = if is_standard { versions() } else { modules(library.package) };
        let folder = |version: Version| match is_standard {
            true if version.name.starts_with('v') => None,
            true => Some((version.name, version.root.join("src").join(&path))),
            false => Some((version.name, version.root.join(below.trim_start_matches('/')))),
        };
        let folders = versions.into_iter().filter_map(folder).collect();
        Self { path, folders }
    }
}

/// Receiver, parameters and results of a function, without their names. A source names a package by the last element of its path.
#[derive(Clone, PartialEq, Eq)]
struct Types([Vec<String>; 3]);

impl Types {
    fn of(signature: &Signature) -> Self {
        let is_of_path = |letter: char| letter.is_ascii_alphanumeric() || "./-_~".contains(letter);
        let short = |one: &Parameter| {
            let text = one.go_type.to_string();
            let words = text.split_inclusive(|letter: char| !is_of_path(letter));
            words.map(|word| word.rsplit_once('/').map_or(word, |(_path, own)| own)).collect()
        };
        let types = |list: &[Parameter]| list.iter().map(short).collect();
        Self([types(signature.receiver.as_slice()), types(&signature.parameters), types(&signature.results)])
    }
}

/// The declarations of a function in a package, as text.
fn declared_as<'t>(texts: &'t [String], wanted: &Signature) -> Vec<(&'t str, Signature)> {
    let header = |text: &'t String| {
        // Of a composite type, the bracket stands behind its word.
        let header = text.split_once(" {").map_or(text.as_str(), |(header, _body)| header);
        let signature = Signature::parse(&wanted.package, &format!("func {header}")).ok()?;
        (signature.symbol() == wanted.symbol()).then_some((header, signature))
    };
    texts.iter().filter_map(header).collect()
}

/// The signatures of one function, with their texts.
type Alternatives<'t> = Vec<(&'t str, Signature)>;

/// Compares signatures of one function, each for some versions, with the sources of a package: what does not agree, unless no version has
/// the function. Those that are so in some version are noted in `used`.
fn compare<'t>(package: &Package, signatures: &[(&'t str, Signature)], used: &mut BTreeSet<&'t str>) -> Vec<String> {
    let (_, wanted) = &signatures[0];
    let (mut objections, mut is_anywhere) = (Vec::new(), false);
    for (version, folder) in &package.folders {
        let texts = declaration_texts(folder);
        let found = declared_as(&texts, wanted);
        let Some((header, _)) = found.first() else {
            objections.push(format!("{} is not declared in {version}", wanted.symbol()));
            continue;
        };
        is_anywhere = true;
        let agrees = |signature: &Signature| found.iter().any(|(_, found)| Types::of(found) == Types::of(signature));
        let agreeing: Vec<&str> = signatures.iter().filter(|(_, signature)| agrees(signature)).map(|(text, _)| *text).collect();
        if agreeing.is_empty() {
            objections.push(format!("{} is {header} in {version}", wanted.symbol()));
        }
        used.extend(agreeing);
    }
    if is_anywhere { objections } else { Vec::new() }
}

/// Every function that a table names, with the package in which it is.
fn functions_of(library: &'static Library) -> Vec<(&'static str, &'static str)> {
    let operations = library.operations.iter().flat_map(|operation| {
        let tail = Some(operation.tail).filter(|tail| !tail.is_empty());
        operation.functions.iter().copied().chain(tail).map(|function| (operation.package, function))
    });
    let closes = library.closes.iter().map(|close| (close.package, close.function));
    let of_annotation = |one: &'static Annotation| one.functions.iter().map(|function| (one.package, *function));
    let annotations = library.annotations.iter().flat_map(of_annotation);
    let resumes = library.resumes.iter().flat_map(|one| one.functions.iter().map(|function| (one.package, *function)));
    operations.chain(closes).chain(annotations).chain(resumes).collect()
}

/// What is wrong with the tables of a library in the versions that are tested.
fn objections_to(library: &'static Library, used: &mut BTreeSet<&'static str>) -> Vec<String> {
    let mut packages: BTreeMap<&str, Package> = BTreeMap::new();
    let mut functions: BTreeMap<String, (&str, Alternatives<'static>)> = BTreeMap::new();
    for (below, text) in functions_of(library) {
        let package = packages.entry(below).or_insert_with(|| Package::of(library, below));
        let signature = Signature::parse(&package.path, text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let (_, alternatives) = functions.entry(signature.symbol()).or_insert_with(|| (below, Vec::new()));
        if alternatives.iter().all(|(known, _)| *known != text) {
            alternatives.push((text, signature));
        }
    }
    functions.values().flat_map(|(below, signatures)| compare(&packages[below], signatures, used)).collect()
}

/// Functions that some versions do not have, and the tables allow for that.
const ABSENT: [&str; 6] = [
    // (*Conn).Ping makes a statement.
    "github.com/jackc/pgx/v5/pgconn.(*PgConn).Ping",
    // One or the other.
    "google.golang.org/grpc/internal/transport.(*http2Server).WriteStatus",
    "google.golang.org/grpc/internal/transport.(*http2Server).writeStatus",
    "google.golang.org/grpc/internal/transport.(*serverHandlerTransport).WriteStatus",
    "google.golang.org/grpc/internal/transport.(*serverHandlerTransport).writeStatus",
    // ServeHTTP notes it by another function.
    "github.com/gorilla/mux.requestWithRoute",
];

/// Each version of a library has one of the signatures of a function that the tables name, and each of these is so in some version;
/// several libraries may share a table.
#[test]
fn tables_are_as_the_sources_say() {
    let libraries: Vec<&'static Library> = CATALOG.iter().filter_map(|one| one.library()).collect();
    let mut used = BTreeSet::new();
    let mut objections: Vec<String> = libraries.iter().flat_map(|library| objections_to(library, &mut used)).collect();
    for name in ABSENT {
        let is_absent = |objection: &String| objection.starts_with(&format!("{name} is not declared in "));
        assert!(objections.iter().any(is_absent), "{name} is in every version");
        objections.retain(|objection| !is_absent(objection));
    }
    assert!(objections.is_empty(), "{objections:#?}");
    let all: BTreeSet<&str> = libraries.iter().flat_map(|library| functions_of(library)).map(|(_, text)| text).collect();
    let unused: Vec<&&str> = all.difference(&used).collect();
    assert!(unused.is_empty(), "so in no version: {unused:#?}");
}

/// Names of parameters do not matter; a parameter more, another type, and another function do.
#[test]
fn a_signature_that_is_wrong_is_objected_to() {
    let library = CATALOG.iter().find_map(|one| one.library().filter(|library| library.package == "database/sql")).unwrap();
    let package = Package::of(library, "");
    let versions = package.folders.len();
    let objections = |text: &'static str| {
        let signature = Signature::parse(&package.path, text).unwrap();
        let mut used = BTreeSet::new();
        let objections = compare(&package, &[(text, signature)], &mut used);
        (objections.len(), used.len())
    };
    let query = "func (d *DB) QueryContext(c context.Context, q string, a ...interface{}) (r *Rows, err error)";
    assert_eq!(objections(query), (0, 1));
    assert_eq!(objections("func (db *DB) QueryContext(ctx context.Context, query string) (*Rows, error)"), (versions, 0));
    assert_eq!(
        objections("func (db *DB) QueryContext(ctx context.Context, query []byte, args ...any) (*Rows, error)"),
        (versions, 0)
    );
    assert_eq!(
        objections("func (db *DB) QueryContext(ctx context.Context, query string, args ...any) (Rows, error)"),
        (versions, 0)
    );
    assert_eq!(objections("func (db *DB) QueryContexts(ctx context.Context) error"), (0, 0), "in no version");
}
