//! The `binary` module against real programs of every supported Go version: functions against the ELF symbol table,
//! layouts against DWARF, stripped, position-independent, cgo and arm64 builds against the default build.
//!
//! No other tests need so many builds. Cargo runs the tests in the order of their names: this name is late, and the compiler works
//! beside the others until then.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod functions;
mod parameters;
#[path = "../support/mod.rs"]
mod support;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use gimli::{AttributeValue, DwTag, EndianSlice, LittleEndian};
use go_auto_launch::binary::{
    Architecture, BinaryError, Cost, EntryKind, GoBinary, MapLayout, TypeLayout, VirtAddr, first_call_after,
};
use object::read::elf::{FileHeader as _, SectionHeader as _, Sym as _};
use support::apps::{self, GoVersion, Variant};

const APP: &str = "http_server";
/// Versions that are built in several ways: the oldest, the one that changed maps, the newest.
const THOROUGH: [GoVersion; 3] = [GoVersion::GO_1_21, GoVersion::GO_1_24, GoVersion::GO_1_27];

fn read(version: GoVersion, variant: Variant) -> Vec<u8> {
    fs::read(apps::build(APP, version, variant)).unwrap()
}

/// Name → field name → offset, and the size. Padding fields `_` are left out: DWARF repeats the name.
type Structs = BTreeMap<String, (u64, BTreeMap<String, u64>)>;

fn structs(binary: &GoBinary<'_>) -> Structs {
    let shape = |layout: TypeLayout| {
        let fields = layout.fields.into_iter().filter(|field| field.name != "_");
        (layout.name, (layout.size, fields.map(|field| (field.name, field.offset)).collect()))
    };
    binary.all_layouts().unwrap().into_iter().map(shape).collect()
}

/// The default build's DWARF.
fn dwarf(file: &[u8]) -> gimli::Dwarf<EndianSlice<'_, LittleEndian>> {
    let header = object::elf::FileHeader64::<object::LittleEndian>::parse(file).unwrap();
    let sections = header.sections(object::LittleEndian, file).unwrap();
    let load = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        let section = sections.section_by_name(object::LittleEndian, id.name().as_bytes());
        let data = section.map_or(&[][..], |(_, section)| section.data(object::LittleEndian, file).unwrap());
        Ok(EndianSlice::new(data, LittleEndian))
    };
    gimli::Dwarf::load(load).unwrap()
}

/// The struct types of [`dwarf`].
fn dwarf_structs(file: &[u8]) -> Structs {
    let dwarf = dwarf(file);
    let mut found = Structs::new();
    let mut units = dwarf.units();
    while let Some(unit) = units.next().unwrap() {
        let unit = dwarf.unit(unit).unwrap();
        let mut tree = unit.entries_tree(None).unwrap();
        let mut children = tree.root().unwrap().children();
        while let Some(child) = children.next().unwrap() {
            let text = |entry: &gimli::DebuggingInformationEntry<EndianSlice<'_, LittleEndian>>| {
                let name = entry.attr_value(gimli::DW_AT_name)?;
                Some(dwarf.attr_string(&unit, name).unwrap().to_string().unwrap().to_owned())
            };
            let is = |tag: DwTag| child.entry().tag() == tag;
            let Some(name) = is(gimli::DW_TAG_structure_type).then(|| text(child.entry())).flatten() else {
                continue;
            };
            let size = child.entry().attr_value(gimli::DW_AT_byte_size).unwrap().udata_value().unwrap();
            let mut fields = BTreeMap::new();
            let mut members = child.children();
            while let Some(member) = members.next().unwrap() {
                let location = member.entry().attr_value(gimli::DW_AT_data_member_location);
                let offset = location.as_ref().and_then(AttributeValue::udata_value).unwrap();
                let field = text(member.entry()).unwrap();
                if field != "_" {
                    fields.insert(field, offset);
                }
            }
            found.insert(name, (size, fields));
        }
    }
    found
}

/// The functions of the symbol table: (address, name), with the spelling of the function table.
fn symbols(file: &[u8]) -> BTreeSet<(u64, String)> {
    let endian = object::LittleEndian;
    let header = object::elf::FileHeader64::<object::LittleEndian>::parse(file).unwrap();
    let sections = header.sections(endian, file).unwrap();
    let (text, _) = sections.section_by_name(endian, b".text").unwrap();
    let symbols = sections.symbols(endian, file, object::elf::SHT_SYMTAB).unwrap();
    let functions = symbols.iter().filter(|symbol| {
        let is_function = symbol.st_type() == object::elf::STT_FUNC && symbol.st_size(endian) > 0;
        is_function && usize::from(symbol.st_shndx(endian).0) == text.0
    });
    let name = |symbol: &object::elf::Sym64<object::LittleEndian>| {
        let name = std::str::from_utf8(symbols.symbol_name(endian, symbol).unwrap()).unwrap();
        normal(name.strip_suffix(".abi0").unwrap_or(name)).into_owned()
    };
    functions.map(|symbol| (symbol.st_value(endian), name(symbol))).collect()
}

/// The symbol table writes `·` of function-local types as `.`.
fn normal(name: &str) -> Cow<'_, str> {
    if name.contains('·') { Cow::Owned(name.replace('·', ".")) } else { Cow::Borrowed(name) }
}

#[test]
fn functions_are_those_of_the_symbol_table() {
    for version in GoVersion::ALL {
        let file = read(version, Variant::Default);
        let binary = GoBinary::parse(&file).unwrap();
        let ours: BTreeSet<_> = binary.all_functions().map(|found| (found.entry.0, normal(&found.name).into_owned())).collect();
        let missing: Vec<_> = symbols(&file).difference(&ours).cloned().collect();
        assert!(missing.is_empty(), "{version:?}: {missing:?}");
        assert!(ours.len() > 5000, "{version:?}: {}", ours.len());
        for function in binary.all_functions().step_by(97) {
            assert_eq!(binary.function_at(function.entry).as_ref(), Some(&function));
            if let Some(last) = function.end.0.checked_sub(1).filter(|&last| last >= function.entry.0) {
                assert_eq!(binary.function_at(VirtAddr(last)).as_ref(), Some(&function));
            }
        }
    }
}

#[test]
fn struct_layouts_are_those_of_dwarf() {
    for version in GoVersion::ALL {
        let file = read(version, Variant::Default);
        let ours = structs(&GoBinary::parse(&file).unwrap());
        let dwarf = dwarf_structs(&file);
        let mut compared = 0;
        for (name, layout) in &ours {
            if let Some(other) = dwarf.get(name) {
                assert_eq!(layout, other, "{version:?}: {name}");
                compared += 1;
            }
        }
        assert!(compared > 500, "{version:?}: {compared} of {} compared", ours.len());
        let missing: Vec<_> = needed_types(version).into_iter().filter(|name| !ours.contains_key(*name)).collect();
        assert!(missing.is_empty(), "{version:?}: {missing:?}");
    }
}

/// Types whose fields the instrumentations read.
fn needed_types(version: GoVersion) -> Vec<&'static str> {
    let mut names = vec![
        "net/http.Request",
        "net/http.Response",
        "net/http.response",
        "net/http.conn",
        "net/http.Server",
        "net/http.serverHandler",
        "net/http.ServeMux",
        "net/url.URL",
        "net/url.Userinfo",
        "net.TCPAddr",
        "bufio.Writer",
        "crypto/tls.Conn",
        "context.valueCtx",
        "context.cancelCtx",
        "context.timerCtx",
        "errors.errorString",
        "runtime.g",
        "runtime.m",
        "runtime.hchan",
        "runtime._panic",
    ];
    names.push(if version >= GoVersion::GO_1_27 {
        "net/http/internal/http2.responseWriterState"
    } else {
        "net/http.http2responseWriterState"
    });
    if version >= GoVersion::GO_1_24 {
        names.extend(["internal/runtime/maps.Map", "internal/runtime/maps.table"]);
    } else {
        names.push("runtime.hmap");
    }
    names
}

#[test]
fn every_variant_gives_what_the_default_build_gives() {
    for version in GoVersion::ALL {
        let file = read(version, Variant::Default);
        let binary = GoBinary::parse(&file).unwrap();
        let (structs_there, functions_there) = (structs(&binary), names(&binary));
        let mut variants = vec![Variant::Stripped];
        if THOROUGH.contains(&version) {
            variants.extend([Variant::Pie, Variant::PieStripped]);
        }
        // Other paths of files, which nothing reads; and a standard library of its own to compile.
        if version == GoVersion::GO_1_27 || (apps::tests_all() && THOROUGH.contains(&version)) {
            variants.push(Variant::Trimpath);
        }
        for variant in variants {
            let file = read(version, variant);
            let binary = GoBinary::parse(&file).unwrap();
            let position_independent = matches!(variant, Variant::Pie | Variant::PieStripped);
            assert_eq!(binary.is_pie(), position_independent, "{version:?} {variant:?}");
            assert_eq!(structs(&binary), structs_there, "{version:?} {variant:?}");
            let difference: Vec<_> = names(&binary).symmetric_difference(&functions_there).cloned().collect();
            assert!(difference.len() <= 2 * usize::from(position_independent), "{version:?} {variant:?}: {difference:?}");
        }
    }
}

/// Cgo programs have more packages, arm64 ones other ones: what the default build has of net/http must be the same.
#[test]
fn cgo_and_arm64_agree_on_net_http() {
    for version in THOROUGH {
        let file = read(version, Variant::Default);
        let there = structs(&GoBinary::parse(&file).unwrap());
        let mut foreign = vec![Variant::Cgo, Variant::Arm64, Variant::Arm64Stripped];
        if version == GoVersion::GO_1_27 || apps::tests_all() {
            foreign.extend([Variant::CgoPieStripped, Variant::Arm64PieStripped]);
        }
        for variant in foreign {
            let file = read(version, variant);
            let binary = GoBinary::parse(&file).unwrap();
            let arm64 = !matches!(variant, Variant::Cgo | Variant::CgoPieStripped);
            let architecture = if arm64 { Architecture::Arm64 } else { Architecture::Amd64 };
            assert_eq!(binary.architecture(), architecture);
            let here = structs(&binary);
            let of_http = |name: &&String| name.starts_with("net/http") || *name == "runtime.hchan";
            for name in there.keys().filter(of_http) {
                assert_eq!(here.get(name), there.get(name), "{version:?} {variant:?}: {name}");
            }
            let serve = binary.functions(&["net/http.serverHandler.ServeHTTP"]);
            let serve = serve.only("net/http.serverHandler.ServeHTTP").unwrap().unwrap();
            let site = binary.entry_site(serve).unwrap();
            assert_eq!(site.cost, Cost::Emulated);
            let kind = if arm64 { EntryKind::BranchNotTaken } else { EntryKind::PushFrame };
            assert_eq!(site.kind, kind, "{version:?} {variant:?}");
            serve_pair(&binary).unwrap();
        }
    }
}

fn names(binary: &GoBinary<'_>) -> BTreeSet<String> {
    binary.all_functions().map(|function| function.name).collect()
}

/// Functions that later become probes, and where each exists.
fn targets(version: GoVersion) -> Vec<&'static str> {
    let mut targets = vec![
        "net/http.serverHandler.ServeHTTP",
        "net/http.(*conn).serve",
        "net/http.(*conn).serve.func1",
        "net/http.(*conn).hijackLocked",
        "net/http.(*response).finishRequest",
        "net/http.(*response).WriteHeader",
        "runtime.newproc1",
        "runtime.gopanic",
        "runtime.goexit0",
        "runtime.casgstatus",
    ];
    if version >= GoVersion::GO_1_27 {
        targets.extend([
            "net/http/internal/http2.(*serverConn).runHandler",
            "net/http/internal/http2.(*serverConn).runHandler.func1",
            "net/http/internal/http2.(*responseWriter).handlerDone",
        ]);
    } else {
        targets.extend([
            "net/http.(*http2serverConn).runHandler",
            "net/http.(*http2serverConn).runHandler.func1",
            "net/http.(*http2responseWriter).handlerDone",
        ]);
    }
    if version >= GoVersion::GO_1_22 {
        targets.extend(["net/http.(*ServeMux).findHandler", "runtime.gdestroy"]);
    } else {
        targets.push("net/http.(*ServeMux).Handler");
    }
    targets
}

#[test]
fn targets_have_an_entry_that_is_emulated_and_hit_once() {
    for version in GoVersion::ALL {
        for variant in [Variant::Default, Variant::Stripped] {
            let file = read(version, variant);
            let binary = GoBinary::parse(&file).unwrap();
            let wanted = targets(version);
            let found = binary.functions(&wanted);
            for name in wanted {
                let function = found.only(name).unwrap().unwrap_or_else(|| panic!("{version:?}: {name} is missing"));
                let site = binary.entry_site(function).unwrap();
                assert_eq!((site.kind, site.cost), (EntryKind::PushFrame, Cost::Emulated), "{version:?}: {name}");
                let at = usize::try_from(site.offset.0).unwrap();
                assert_eq!(file[at], 0x55, "{version:?}: {name}");
                assert_eq!(binary.file_offset(site.address), Some(site.offset));
            }
        }
    }
}

/// `CALL serverHandler.ServeHTTP` and the `CALL (*conn).hijacked` behind it.
fn serve_pair(binary: &GoBinary<'_>) -> Option<VirtAddr> {
    let names = ["net/http.(*conn).serve", "net/http.serverHandler.ServeHTTP", "net/http.(*conn).hijacked"];
    let found = binary.functions(&names);
    let [serve, handler, hijacked] = names.map(|name| found.only(name).ok()?);
    let calls = binary.calls(serve?).unwrap();
    let call = first_call_after(calls, handler?.entry, hijacked?.entry)?;
    assert!((serve?.entry..serve?.end).contains(&call.site));
    Some(call.site)
}

#[test]
fn the_end_of_a_handler_is_a_call_in_conn_serve() {
    for version in GoVersion::ALL {
        let file = read(version, Variant::Stripped);
        let binary = GoBinary::parse(&file).unwrap();
        let site = serve_pair(&binary).unwrap_or_else(|| panic!("{version:?}"));
        let at = usize::try_from(binary.file_offset(site).unwrap().0).unwrap();
        assert_eq!(file[at], 0xe8, "{version:?}");
    }
}

/// `(*Request).ProtoAtLeast` is inlined into `(*ServeMux).ServeHTTP`, as the compiler says (`-gcflags=net/http=-m`), and
/// `(*conn).serve` nowhere.
#[test]
fn inlined_functions_name_their_callers() {
    let cases = [
        ("oldest", GoVersion::GO_1_18, Variant::Default),
        (APP, GoVersion::GO_1_21, Variant::Stripped),
        (APP, GoVersion::GO_1_24, Variant::Default),
        (APP, GoVersion::GO_1_26, Variant::PieStripped),
        (APP, GoVersion::GO_1_27, Variant::Stripped),
        (APP, GoVersion::GO_1_27, Variant::Arm64Stripped),
    ];
    for (app, version, variant) in cases {
        let file = fs::read(apps::build(app, version, variant)).unwrap();
        let binary = GoBinary::parse(&file).unwrap();
        let inlined = binary.inlined(&["net/http.(*Request).ProtoAtLeast", "net/http.(*conn).serve"]);
        let callers = inlined.callers("net/http.(*Request).ProtoAtLeast");
        assert!(callers.iter().any(|caller| caller == "net/http.(*ServeMux).ServeHTTP"), "{version:?} {variant:?}: {callers:?}");
        assert!(inlined.callers("net/http.(*conn).serve").is_empty(), "{version:?} {variant:?}");
        let caller = binary.functions(&["net/http.(*ServeMux).ServeHTTP"]);
        let calls = binary.inlined_calls(caller.only("net/http.(*ServeMux).ServeHTTP").unwrap().unwrap());
        assert!(calls.contains(&"net/http.(*Request).ProtoAtLeast"), "{version:?} {variant:?}: {calls:?}");
    }
}

#[test]
fn the_header_map_can_be_read() {
    for version in GoVersion::ALL {
        let file = read(version, Variant::Stripped);
        let binary = GoBinary::parse(&file).unwrap();
        let layouts = binary.layouts(&["net/http.Header", "net/http.Request"]).unwrap();
        let header = layouts.field("net/http.Request", "Header").unwrap();
        assert_eq!(header.type_address, layouts.get("net/http.Header").unwrap().address);
        let map = layouts.map("net/http.Header").unwrap();
        let slots = match map {
            MapLayout::Hmap(hmap) => {
                assert!(version < GoVersion::GO_1_24);
                assert_eq!([hmap.count, hmap.log2_buckets, hmap.buckets, hmap.old_buckets], [0, 9, 16, 24]);
                assert_eq!([hmap.slots.keys_offset, hmap.slots.elems_offset, hmap.overflow], [8, 136, 328]);
                hmap.slots
            }
            MapLayout::Swiss(swiss) => {
                assert!(version >= GoVersion::GO_1_24);
                assert_eq!([swiss.used, swiss.dir_ptr, swiss.dir_len], [0, 16, 24]);
                assert_eq!([swiss.table_groups, swiss.table_length_mask], [16, 24]);
                swiss.slots
            }
        };
        assert_eq!((slots.key_size, slots.elem_size), (16, 24), "{version:?}");
        assert!(!slots.indirect_key && !slots.indirect_elem);
    }
}

#[test]
fn maps_without_swiss_tables_are_told_apart() {
    let file = read(GoVersion::GO_1_24, Variant::NoSwissMap);
    let binary = GoBinary::parse(&file).unwrap();
    assert_eq!(binary.build_info().go_version.as_ref().unwrap().experiments, ["noswissmap"]);
    let layouts = binary.layouts(&["net/http.Header"]).unwrap();
    assert!(matches!(layouts.map("net/http.Header"), Some(MapLayout::Hmap(_))), "{layouts:?}");
}

/// Go 1.18 stores offsets of fields differently, 1.18 and 1.19 have a shorter module data, and up to 1.20 functions have
/// no `PUSHQ BP`.
#[test]
fn older_versions_can_be_read() {
    for version in [GoVersion::GO_1_18, GoVersion::GO_1_20] {
        let file = fs::read(apps::build("oldest", version, Variant::Default)).unwrap();
        let binary = GoBinary::parse(&file).unwrap();
        let (ours, dwarf) = (structs(&binary), dwarf_structs(&file));
        let both: Vec<_> = ours.keys().filter(|name| dwarf.contains_key(*name)).collect();
        assert!(both.len() > 400, "{version:?}: {}", both.len());
        for name in both {
            assert_eq!(ours.get(name), dwarf.get(name), "{version:?}: {name}");
        }
        let functions: BTreeSet<_> =
            binary.all_functions().map(|found| (found.entry.0, normal(&found.name).into_owned())).collect();
        // The function table has `[...]` for what the symbol table spells out in brackets.
        let mut missing: Vec<_> = symbols(&file).difference(&functions).cloned().collect();
        missing.retain(|(_, name)| !name.contains('['));
        assert!(missing.is_empty(), "{version:?}: {missing:?}");
        let handler = binary.functions(&["net/http.serverHandler.ServeHTTP"]);
        let site = binary.entry_site(handler.iter().next().unwrap()).unwrap();
        assert_eq!((site.kind, site.cost), (EntryKind::BranchNotTaken, Cost::Emulated), "{version:?}");
        serve_pair(&binary).unwrap();
    }
}

#[test]
fn types_and_itabs_by_name() {
    for version in GoVersion::ALL {
        let file = read(version, Variant::Stripped);
        let binary = GoBinary::parse(&file).unwrap();
        let names = [
            "*errors.errorString",
            "*net/http.response",
            "string",
            "[]string",
            "map[string][]string",
            "error",
            "runtime.g",
            "*net.TCPAddr",
            "context.backgroundCtx",
        ];
        for (name, address) in names.iter().zip(binary.types_named(&names).unwrap()) {
            let address = address.unwrap_or_else(|| panic!("{version:?}: {name}"));
            assert_eq!(binary.type_name_at(address).as_deref(), Some(*name), "{version:?}");
        }
        assert_eq!(binary.type_named("*net/http.nothing").unwrap(), None);
        let itab = binary.itab("*net/http.response", "net/http.ResponseWriter").unwrap();
        assert!(itab.is_some(), "{version:?}");
        assert_eq!(binary.itab("string", "net/http.ResponseWriter").unwrap(), None);
        let g = binary.layouts(&["runtime.g"]).unwrap();
        let expected = if matches!(version.minor, 23 | 24) { 160 } else { 152 };
        assert_eq!(g.field("runtime.g", "goid").unwrap().offset, expected, "{version:?}");
    }
}

#[test]
fn build_info_names_the_version_and_the_modules() {
    for version in GoVersion::ALL {
        let file = read(version, Variant::Stripped);
        let binary = GoBinary::parse(&file).unwrap();
        let info = binary.build_info();
        let go = info.go_version.as_ref().unwrap();
        assert_eq!((go.raw.as_str(), go.release), (version.toolchain().as_str(), Some((1, version.minor, version.patch))));
        assert_eq!(info.path.as_deref(), Some("example.com/http_server"));
        assert_eq!(info.setting("GOARCH"), Some("amd64"));
    }
    for version in THOROUGH {
        let dependency = |app| {
            let file = fs::read(apps::build(app, version, Variant::Stripped)).unwrap();
            GoBinary::parse(&file).unwrap().build_info().dependency("example.com/dep").unwrap().clone()
        };
        let replaced = dependency("replaced");
        assert_eq!((replaced.module.version.as_str(), replaced.version()), ("v1.2.3", None));
        let vendored = dependency("vendored");
        assert_eq!((vendored.version(), vendored.module.sum.as_str()), (Some("v1.2.3"), ""));
    }
}

#[test]
fn what_is_no_go_program_says_so() {
    let not_elf = GoBinary::parse(b"#!/bin/sh\nexec true\n").unwrap_err();
    assert!(matches!(not_elf, BinaryError::NotElf { .. }), "{not_elf}");
    // An empty ELF program: nothing of Go in it.
    let file = read(GoVersion::GO_1_24, Variant::Stripped);
    let mut header = file[..64].to_vec();
    header[32..48].fill(0);
    header[54..64].fill(0);
    assert_eq!(GoBinary::parse(&header).unwrap_err(), BinaryError::NotGo);
    header[18] = 40;
    assert_eq!(GoBinary::parse(&header).unwrap_err(), BinaryError::UnsupportedArchitecture { machine: 40 });
    let truncated = GoBinary::parse(&file[..file.len() / 2]).unwrap_err();
    assert!(matches!(truncated, BinaryError::Truncated { .. }), "{truncated}");
}

/// Everything that can be asked of a binary. May fail, may not panic.
fn ask_everything(file: &[u8]) {
    let Ok(binary) = GoBinary::parse(file) else {
        return;
    };
    let found = binary.functions(&targets(GoVersion::GO_1_27));
    for function in found.iter() {
        let _ = binary.entry_site(function);
        if let Ok(calls) = binary.calls(function) {
            for call in calls.take(4) {
                let _ = binary.call_window(function, call.site);
            }
        }
        let _ = (binary.entry_window(function), binary.exit_window(function));
        if let Ok(returns) = binary.return_sites(function, 3) {
            let _ = binary.return_windows(function, &returns);
        }
        let _ = (binary.arg_info(function), binary.inlined_calls(function), binary.is_generated(function));
        let _ = found.only(&function.name);
    }
    let _ = serve_pair_unchecked(&binary);
    let _ = binary.inlined(&targets(GoVersion::GO_1_27));
    let _ = binary.layouts(&["net/http.Request", "net/http.Header", "runtime.g"]);
    let _ = binary.itab("*net/http.response", "net/http.ResponseWriter");
    let _ = binary.types_named(&["*net/http.response", "[]string"]);
    if let Ok(all) = binary.all_layouts() {
        for layout in all.iter().step_by(50) {
            let _ = binary.layout_at(layout.address);
            for field in &layout.fields {
                let _ = binary.type_name_at(field.type_address);
            }
        }
    }
}

fn serve_pair_unchecked(binary: &GoBinary<'_>) -> Option<VirtAddr> {
    let found = binary.functions(&["net/http.(*conn).serve", "net/http.serverHandler.ServeHTTP"]);
    let serve = found.only("net/http.(*conn).serve").ok()??;
    let target = found.only("net/http.serverHandler.ServeHTTP").ok()??.entry;
    Some(first_call_after(binary.calls(serve).ok()?, target, target)?.site)
}

/// xorshift64*, with a fixed seed so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let limit = u64::try_from(limit).unwrap();
        usize::try_from(self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit).unwrap()
    }
}

#[test]
fn damaged_files_are_errors_not_panics() {
    let mut random = Random(0x1234_5678_9abc_def1);
    for version in [GoVersion::GO_1_21, GoVersion::GO_1_27] {
        let file = read(version, Variant::PieStripped);
        for step in 0..200 {
            ask_everything(&file[..step * file.len() / 200]);
        }
        ask_everything(&file[..file.len() - 1]);
        let mut damaged = file.clone();
        // The tables that are read lie in the data; damage there hurts most.
        for round in 0..40 {
            damaged.copy_from_slice(&file);
            let flips = 1 << (round % 16);
            for _ in 0..flips {
                let at = if random.below(8) == 0 { random.below(1024) } else { random.below(damaged.len()) };
                damaged[at] ^= 1 << random.below(8);
            }
            ask_everything(&damaged);
        }
    }
}
