//! Each declaration that stands in the sources of the standard library is that of the function which a program has; changed ones
//! are not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Random;
use super::support::apps::{self, GoVersion, Variant};
use go_auto_launch::binary::GoBinary;
use go_auto_launch::signature::{Mismatch, Signature, find, not_inlined, true_signature};

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
    declared: usize,
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
                let declared = true_signature(binary, &found[0].function);
                counts.declared += usize::from(declared.is_some());
                // What the program says can be asked for again.
                if let Some(text) = declared {
                    let signature = Signature::parse_full(&text).unwrap_or_else(|error| panic!("{}", error.with_caret(&text)));
                    let again = find(binary, &functions, &signature);
                    if again.as_ref() != Ok(&found) {
                        counts.differ.push(format!("{text}: {again:?}"));
                    }
                }
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
        assert!(counts.declared * 3 > counts.agreed, "{case}");
    }
}

/// Each declaration of some packages that agrees, with one thing changed.
#[test]
fn changed_declarations_are_not_those_of_the_program() {
    let version = GoVersion::GO_1_27;
    let file = fs::read(apps::build("http_server", version, Variant::Stripped)).unwrap();
    let binary = GoBinary::parse(&file).unwrap();
    let root = go_root(version);
    let declared: BTreeMap<_, _> = PACKAGES.iter().flat_map(|package| declarations(&root, package)).collect();
    let symbols: Vec<&str> = declared.keys().map(String::as_str).collect();
    let functions = binary.functions(&symbols);
    let (mut changes, mut exact, mut unnoticed) = (0, 0, Vec::new());
    for (text, signature) in declared.values().flatten() {
        let Ok(found) = find(&binary, &functions, signature) else { continue };
        let has_types = true_signature(&binary, &found[0].function).is_some();
        for (changed, needs_types) in changed(signature) {
            if needs_types && !has_types {
                continue;
            }
            changes += 1;
            exact += usize::from(needs_types);
            match find(&binary, &functions, &changed) {
                Err(Mismatch::Differs { .. } | Mismatch::OtherTypes { .. } | Mismatch::UnknownType { .. }) => {}
                _ => unnoticed.push((text, changed.parameters, changed.results)),
            }
        }
    }
    // Behind ten words there is only the size of all.
    assert!(
        unnoticed.len() * 1000 < changes && changes > 10_000 && exact > 1500,
        "{} of {changes}, {exact}: {unnoticed:#?}",
        unnoticed.len()
    );
}

/// Changes, and whether only the exact types show them.
fn changed(signature: &Signature) -> Vec<(Signature, bool)> {
    let parameter = |text: &str| Signature::parse("p", &format!("func F(_ {text})")).unwrap().parameters.remove(0);
    let mut all = Vec::new();
    let mut change = |needs_types: bool, change: &dyn Fn(&mut Signature)| {
        let mut changed = signature.clone();
        change(&mut changed);
        all.push((changed, needs_types));
    };
    for added in ["string", "int32", "*int"] {
        change(false, &|changed| changed.parameters.insert(0, parameter(added)));
        change(false, &|changed| changed.parameters.push(parameter(added)));
    }
    if !signature.parameters.is_empty() {
        change(false, &|changed| drop(changed.parameters.remove(0)));
        change(true, &|changed| changed.parameters[0] = parameter("struct{}"));
    }
    change(true, &|changed| changed.results.push(parameter("error")));
    if !signature.results.is_empty() {
        change(true, &|changed| changed.results[0] = parameter("uint16"));
        change(true, &|changed| drop(changed.results.remove(0)));
    }
    all
}

/// A method of a value that its pointer's method contains would be missed there; one that is called is complete.
#[test]
fn methods_of_values_are_complete_or_refused() {
    for version in GoVersion::sampled() {
        let file = fs::read(apps::build("http_server", *version, Variant::Stripped)).unwrap();
        let binary = GoBinary::parse(&file).unwrap();
        let texts = [
            "net/http.HandlerFunc.ServeHTTP(w ResponseWriter, r *Request)",
            "net/http.serverHandler.ServeHTTP(rw ResponseWriter, req *Request)",
        ];
        let found = texts.map(|text| {
            let signature = Signature::parse_full(text).unwrap();
            find(&binary, &binary.functions(&[&signature.symbol()]), &signature).unwrap().remove(0).function
        });
        let inlined = binary.inlined(&found.each_ref().map(|function| function.name.as_str()));
        let [small, large] = found.map(|function| not_inlined(&inlined, &function));
        assert!(matches!(small, Err(Mismatch::Inlined { .. })), "{version:?}: {small:?}");
        assert_eq!(large, Ok(()), "{version:?}");
    }
}

#[test]
fn what_is_no_body_of_go_is_refused() {
    let file = fs::read(apps::build("http_server", GoVersion::GO_1_27, Variant::Stripped)).unwrap();
    let binary = GoBinary::parse(&file).unwrap();
    let refusal = |text: &str| {
        let signature = Signature::parse_full(text).unwrap();
        find(&binary, &binary.functions(&[&signature.symbol()]), &signature).unwrap_err()
    };
    let cases = [
        ("net/http.nothing()", "the program has no function net/http.nothing"),
        (
            "net/http.nothing[...]()",
            "the program has no instance of the generic function net/http.nothing[...] whose type arguments it tells",
        ),
        (
            "runtime.memmove(to, from unsafe.Pointer, n uintptr)",
            "runtime.memmove is written in assembly: where its parameters are is not known",
        ),
        (
            "net/http.(*HandlerFunc).ServeHTTP(w ResponseWriter, r *Request)",
            "net/http.(*HandlerFunc).ServeHTTP is not written by anybody: the compiler made it to call the method of an embedded \
             field, or of the type itself",
        ),
        (
            "net/http.(*conn).serve(ctx context.Context, n int)",
            "net/http.(*conn).serve has other parameters or results than these: they take 32 bytes: 8 {8 8} 8, but in the program \
             24 bytes: 8 {8 8}",
        ),
        (
            "net/http.(*response).Write(data string) (n int, err error)",
            "net/http.(*response).Write is declared otherwise in the program: net/http.(*response).Write([]uint8) (int, error)",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(refusal(text).to_string(), message);
    }
}

/// May fail, may not panic.
#[test]
fn damaged_programs_are_mismatches_not_panics() {
    let file = fs::read(apps::build("http_server", GoVersion::GO_1_27, Variant::Stripped)).unwrap();
    let declared = declarations(&go_root(GoVersion::GO_1_27), "net");
    let signatures: Vec<&Signature> = declared.values().flatten().map(|(_, signature)| signature).collect();
    let symbols: Vec<&str> = declared.keys().map(String::as_str).collect();
    let mut random = Random(0x1234_5678_9abc_def1);
    for round in 0..20 {
        let mut damaged = file.clone();
        for _ in 0..1 << (round % 16) {
            damaged[random.below(file.len())] ^= 1 << random.below(8);
        }
        let Ok(binary) = GoBinary::parse(&damaged) else { continue };
        let functions = binary.functions(&symbols);
        for signature in &signatures {
            if let Ok(found) = find(&binary, &functions, signature) {
                let _ = true_signature(&binary, &found[0].function);
            }
        }
    }
}
