//! Some thousands of functions with all kinds of parameters, compiled: their places are those that the compiler's debug information
//! has at the first instruction, and stripped programs agree with each declaration.

use std::collections::BTreeMap;
use std::fs;

use go_auto_launch::binary::{Architecture, GoBinary};
use go_auto_launch::signature::{Assignment, Found, Mismatch, Parameter, Place, Placed, Signature, Word, assign, find};

use super::entry::{Location, locations};
use super::generator::{Program, program};
use super::support::apps::{self, GoVersion, Variant};

/// The program, built.
fn build(program: &Program, version: GoVersion, variant: Variant) -> Vec<u8> {
    let module = "module example.test/generated\n\ngo 1.21\n";
    let files = [("go.mod", module), ("main.go", program.source.as_str())];
    fs::read(apps::build_files("generated", &files, version, variant)).unwrap()
}

/// A declaration and what the program says of it.
type Said<'p> = (&'p str, Signature, Result<Vec<Found>, Mismatch>);
/// Places by the names of what has one.
type Named<'s> = Vec<(&'s str, &'s Placed)>;

fn found<'p>(program: &'p Program, binary: &GoBinary<'_>) -> Vec<Said<'p>> {
    let parse = |text: &'p String| {
        let signature = Signature::parse("main", text).unwrap_or_else(|error| panic!("{}", error.with_caret(text)));
        (text.as_str(), signature)
    };
    let signatures: Vec<_> = program.declarations.iter().map(parse).collect();
    let symbols: Vec<String> = signatures.iter().map(|(_, signature)| signature.symbol()).collect();
    let functions = binary.functions(&symbols.iter().map(String::as_str).collect::<Vec<_>>());
    let find = |(text, signature)| {
        let found = find(binary, &functions, &signature);
        (text, signature, found)
    };
    signatures.into_iter().map(find).collect()
}

/// The receiver and the parameters, and the results.
fn by_name<'s>(signature: &'s Signature, found: &'s Found) -> (Named<'s>, Named<'s>) {
    let named = |all: &'s [Parameter], placed: &'s [Placed]| -> Named<'s> {
        all.iter().zip(placed).filter_map(|(parameter, placed)| Some((parameter.name.as_deref()?, placed))).collect()
    };
    let receiver = named(signature.receiver.as_slice(), found.assignment.receiver.as_slice());
    let parameters = named(&signature.parameters, &found.assignment.parameters);
    (receiver.into_iter().chain(parameters).collect(), named(&signature.results, &found.assignment.results))
}

#[derive(Debug, Default)]
struct Compared {
    in_registers: usize,
    on_stack: usize,
    results: usize,
    wrong: Vec<String>,
}

/// Compares what is known of one function. What has no size has no place.
fn compare(text: &str, signature: &Signature, found: &Found, dwarf: &BTreeMap<String, Location>, compared: &mut Compared) {
    let (parameters, results) = by_name(signature, found);
    for (name, placed) in parameters.into_iter().filter(has_place) {
        let fits = match dwarf.get(name) {
            Some(Location::Registers(registers)) => {
                compared.in_registers += 1;
                let mut words = placed.words.iter().zip(registers);
                let is_same = |(word, (place, size)): (&Word, &(Place, Option<u64>))| {
                    word.place == *place && size.is_none_or(|size| size == u64::from(word.size))
                };
                registers.len() == placed.words.len() && words.all(is_same)
            }
            Some(Location::Stack(offset)) => {
                compared.on_stack += 1;
                is_at(placed, *offset)
            }
            None => false,
        };
        if !fits {
            compared.wrong.push(format!("{text}: {name}: {placed:?}, in DWARF {:?}", dwarf.get(name)));
        }
    }
    // Those in registers are within the frame until the function returns.
    for (name, placed) in results.into_iter().filter(has_place) {
        let Some(Location::Stack(offset)) = dwarf.get(name) else { continue };
        compared.results += 1;
        let is_on_stack = matches!(placed.words[0].place, Place::Stack(_));
        let fits = if is_on_stack { is_at(placed, *offset) } else { *offset < 0 };
        if !fits {
            compared.wrong.push(format!("{text}: result {name}: {placed:?}, in DWARF {offset}"));
        }
    }
}

fn has_place((_, placed): &(&str, &Placed)) -> bool {
    placed.is_known && !placed.words.is_empty()
}

/// Whether the value lies there on the stack.
fn is_at(placed: &Placed, offset: i64) -> bool {
    let expected = |word: &Word| offset + i64::try_from(word.offset).unwrap();
    placed.words.iter().all(|word| matches!(word.place, Place::Stack(place) if i64::from(place) == expected(word)))
}

#[test]
fn places_are_those_of_the_debug_information() {
    let program = program();
    for version in GoVersion::sampled() {
        for variant in [Variant::Unoptimized, Variant::Arm64Unoptimized] {
            let file = build(&program, *version, variant);
            let binary = GoBinary::parse(&file).unwrap();
            let dwarf = locations(&file, binary.architecture());
            let mut compared = Compared::default();
            for (text, signature, result) in found(&program, &binary) {
                for found in result.into_iter().flatten() {
                    compare(text, &signature, &found, &dwarf[&found.function.entry.0], &mut compared);
                }
            }
            let Compared { in_registers, on_stack, results, wrong } = compared;
            let case = format!("{version:?} {variant:?}: {in_registers} {on_stack} {results}");
            assert!(wrong.is_empty(), "{case}: {} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
            assert!(in_registers > 4000 && on_stack > 400 && results > 2000, "{case}");
        }
    }
}

#[test]
fn stripped_programs_agree_with_each_declaration() {
    let program = program();
    for version in GoVersion::sampled() {
        for variant in [Variant::Stripped, Variant::Arm64Stripped] {
            let file = build(&program, *version, variant);
            let binary = GoBinary::parse(&file).unwrap();
            let case = format!("{version:?} {variant:?}");
            let (mut agreed, mut instances, mut unsure, mut unknown) = (0, 0, 0, 0);
            for (text, signature, result) in found(&program, &binary) {
                let found = match result {
                    Ok(found) => found,
                    // Types without a descriptor that nothing else tells.
                    Err(Mismatch::UnknownType { .. }) if text.contains('U') => {
                        unknown += 1;
                        continue;
                    }
                    Err(error) => panic!("{case}: {text}: {error}"),
                };
                agreed += 1;
                if signature.is_generic {
                    assert_eq!(found.len(), 2, "{case}: {text}");
                    instances += found.len();
                    continue;
                }
                let [found] = found.as_slice() else { panic!("{case}: {text}: {found:?}") };
                unsure += usize::from(!is_as_declared(&program, &signature, found, binary.architecture()));
            }
            assert!(
                agreed > 1800 && instances > 60 && unknown < agreed / 20 && unsure < agreed / 5,
                "{case}: {agreed} {instances} {unsure} {unknown}"
            );
        }
    }
}

/// Compares the places with those that follow from the types. Returns whether all are known.
fn is_as_declared(program: &Program, signature: &Signature, found: &Found, architecture: Architecture) -> bool {
    let expected = assign(signature, architecture, &program.types).unwrap();
    let all = |assignment: &Assignment| -> Vec<Placed> {
        assignment.receiver.iter().chain(&assignment.parameters).chain(&assignment.results).cloned().collect()
    };
    let (expected, found) = (all(&expected), all(&found.assignment));
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(&found).filter(|(_, found)| found.is_known) {
        assert_eq!((&expected.words, expected.size), (&found.words, found.size), "{}", signature.symbol());
    }
    found.iter().all(|placed| placed.is_known)
}
