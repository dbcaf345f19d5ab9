//! What the program says of its functions, against the symbol table, the code and DWARF; and that stripping takes nothing of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use go_auto_launch::binary::{ArgPart, Function, GoBinary};

use super::support::apps::{self, GoVersion, Variant};
use super::{APP, parameters, symbols};

/// The layouts of `_func` and of inline trees, the program that these versions can build, and how.
const CASES: [(&str, GoVersion, Variant); 8] = [
    ("oldest", GoVersion::GO_1_18, Variant::Default),
    ("oldest", GoVersion::GO_1_20, Variant::Default),
    (APP, GoVersion::GO_1_21, Variant::Default),
    (APP, GoVersion::GO_1_21, Variant::Stripped),
    (APP, GoVersion::GO_1_24, Variant::Default),
    (APP, GoVersion::GO_1_27, Variant::Default),
    (APP, GoVersion::GO_1_27, Variant::Stripped),
    (APP, GoVersion::GO_1_27, Variant::Arm64Stripped),
];

fn for_each_case(test: impl Fn(&GoBinary<'_>, &str)) {
    for (app, version, variant) in CASES {
        let file = fs::read(apps::build(app, version, variant)).unwrap();
        test(&GoBinary::parse(&file).unwrap(), &format!("{version:?} {variant:?}"));
    }
}

#[test]
fn a_name_has_all_functions_that_the_symbol_table_gives_it() {
    for version in [GoVersion::GO_1_21, GoVersion::GO_1_24, GoVersion::GO_1_27] {
        let file = fs::read(apps::build(APP, version, Variant::Default)).unwrap();
        let binary = GoBinary::parse(&file).unwrap();
        let mut by_name: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (address, name) in symbols(&file) {
            by_name.entry(name).or_default().push(address);
        }
        by_name.retain(|_, addresses| addresses.len() > 1);
        let names: Vec<&str> = by_name.keys().map(String::as_str).collect();
        let found = binary.functions(&names);
        assert!(names.len() > 20, "{version:?}: {names:?}");
        for (name, addresses) in &by_name {
            let ours: Vec<u64> = found.all(name).iter().map(|function| function.entry.0).collect();
            assert_eq!(&ours, addresses, "{version:?}: {name}");
        }
    }
}

/// `asmcgocall` is assembly that Go calls through a wrapper, `newproc` is Go that assembly calls through one.
#[test]
fn a_body_is_told_from_its_wrapper() {
    for_each_case(|binary, case| {
        let found = binary.functions(&["runtime.asmcgocall", "runtime.newproc", "runtime.memmove", "net/http.(*conn).serve"]);
        for (name, is_assembly) in [("runtime.asmcgocall", true), ("runtime.newproc", false)] {
            let all = found.all(name);
            let wrappers = all.iter().filter(|function| binary.is_wrapper(function)).count();
            assert_eq!((all.len(), wrappers), (2, 1), "{case}: {name}: {all:?}");
            let body = found.only(name).unwrap().unwrap();
            assert_eq!((binary.is_wrapper(body), body.is_assembly), (false, is_assembly), "{case}: {name}");
            let wrapper = all.iter().find(|function| binary.is_wrapper(function)).unwrap();
            let mut calls = binary.calls(wrapper).unwrap();
            let jumps_or_calls = calls.any(|call| call.target == body.entry) || binary.calls(wrapper).unwrap().next().is_none();
            assert!(jumps_or_calls && !wrapper.is_assembly && binary.is_generated(wrapper), "{case}: {name}");
        }
        assert!(found.only("runtime.memmove").unwrap().unwrap().is_assembly, "{case}");
        let serve = found.only("net/http.(*conn).serve").unwrap().unwrap();
        assert!(!serve.is_assembly && !binary.is_generated(serve), "{case}");
    });
}

/// The compiler gives assembly files to the assembler.
#[test]
fn assembly_is_what_stands_in_assembly_files() {
    for_each_case(|binary, case| {
        let (mut assembly, mut generated) = (0, 0);
        for function in binary.all_functions() {
            let Some(file) = binary.source_file(&function) else { continue };
            assert_eq!(function.is_assembly, Path::new(file).extension() == Some("s".as_ref()), "{case}: {function:?} {file}");
            assembly += usize::from(function.is_assembly);
            generated += usize::from(binary.is_generated(&function));
        }
        assert!(assembly > 50 && generated > 300, "{case}: {assembly} {generated}");
    });
}

/// Where there is a `defer`, and nowhere else, `runtime.deferreturn` is called.
#[test]
fn defers_are_those_of_the_code() {
    for_each_case(|binary, case| {
        let deferreturn = binary.functions(&["runtime.deferreturn"]).only("runtime.deferreturn").unwrap().unwrap().entry;
        let mut count = 0;
        for function in binary.all_functions() {
            let calls: BTreeSet<_> =
                binary.calls(&function).unwrap().filter(|call| call.target == deferreturn).map(|call| call.site).collect();
            assert_eq!(function.has_defer(), !calls.is_empty(), "{case}: {function:?}");
            if let Some(at) = function.deferreturn {
                assert!(calls.contains(&at), "{case}: {function:?}: {calls:?}");
                count += 1;
            }
        }
        assert!(count > 80, "{case}: {count}");
    });
}

/// Each parameter is a word, or a pair of brackets with words, as many and as wide as its type in DWARF.
#[test]
fn parameters_are_those_of_dwarf() {
    let oldest = ("oldest", GoVersion::GO_1_18);
    for (app, version) in [oldest, (APP, GoVersion::GO_1_21), (APP, GoVersion::GO_1_24), (APP, GoVersion::GO_1_27)] {
        let file = fs::read(apps::build(app, version, Variant::Default)).unwrap();
        let binary = GoBinary::parse(&file).unwrap();
        let dwarf = parameters::of(&file);
        let mut compared = 0;
        for function in binary.all_functions() {
            let Some(sizes) = dwarf.get(&function.entry.0) else { continue };
            let info = binary.arg_info(&function).unwrap().unwrap_or_default();
            if function.is_assembly || function.name.contains('[') || !info.is_complete() {
                continue;
            }
            compared += 1;
            // DWARF of before Go 1.24 has no blank parameters.
            let fits = fits(&info.0, sizes, version < GoVersion::GO_1_24);
            assert!(fits, "{version:?}: {}: {info:?}, in DWARF {sizes:?}", function.name);
        }
        assert!(compared > 3000, "{version:?}: {compared}");
    }
}

/// Whether the parameters that `parts` has are as many and as large as `sizes` says, which may lack some.
fn fits(parts: &[ArgPart], sizes: &[u64], may_lack: bool) -> bool {
    let (mut depth, mut groups) = (0, Vec::new());
    for part in parts {
        if depth == 0 {
            groups.push(Vec::new());
        }
        match *part {
            ArgPart::Open => depth += 1,
            ArgPart::Close => depth -= 1,
            ArgPart::Word { offset, size } => groups.last_mut().unwrap().push((u64::from(offset), u64::from(size))),
            ArgPart::FarWord | ArgPart::More => return false,
        }
    }
    let extent = |words: &[(u64, u64)]| match (words.first(), words.last()) {
        (Some(first), Some(last)) => last.0 + last.1 - first.0,
        _ => 0,
    };
    let mut sizes = sizes.iter().peekable();
    for words in groups {
        // A struct may end in padding, and in fields of no size.
        let is_next = |size: &&u64| (extent(&words)..extent(&words) + 8).contains(*size);
        if sizes.next_if(is_next).is_none() && !may_lack {
            return false;
        }
    }
    sizes.next().is_none()
}

#[test]
fn stripping_takes_nothing_of_it() {
    for version in [GoVersion::GO_1_21, GoVersion::GO_1_24, GoVersion::GO_1_27] {
        let facts = |variant| {
            let file = fs::read(apps::build(APP, version, variant)).unwrap();
            let binary = GoBinary::parse(&file).unwrap();
            let facts = |function: Function| {
                let inlined: Vec<String> = binary.inlined_calls(&function).into_iter().map(str::to_owned).collect();
                let info = binary.arg_info(&function).unwrap();
                (function.name.clone(), function.args, function.has_defer(), binary.is_generated(&function), info, inlined)
            };
            binary.all_functions().map(facts).collect::<Vec<_>>()
        };
        let (default, stripped) = (facts(Variant::Default), facts(Variant::Stripped));
        assert!(default == stripped, "{version:?}: {:?}", default.iter().zip(&stripped).find(|(one, other)| one != other));
        let inlined = default.iter().filter(|facts| !facts.5.is_empty()).count();
        assert!(inlined > 1000 && default.iter().any(|facts| facts.1.is_some_and(|size| size > 0)), "{version:?}: {inlined}");
    }
}
