//! Where functions end, in real programs of every supported Go version: which classes their returns are of, and, in
//! running programs, that the sites found are hit exactly as often as the `RET`s they stand for, with the same results.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]
#![expect(clippy::print_stdout, reason = "with --nocapture: which return was hit how often, and what it cost")]

mod support;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::num::NonZeroU32;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use aya::maps::Array;
use aya::programs::UProbe;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeScope};
use aya::{Ebpf, EbpfLoader};
use bpf::config::{Cookie, EndRecipe, ReadOnlyData as _, Setting};
use go_auto_launch::binary::{Cost, EndClass, EndSite, FileOffset, GoBinary, Layouts, VirtAddr, merge_end_sites};
use go_auto_launch::engine::bpf::Uprobes;
use go_auto_launch::engine::recipe::recipe;
use go_auto_launch::probes::facts::Facts;
use go_auto_launch::probes::probe::{Body, Event, Probe, When};
use go_auto_launch::probes::site::Instruction;
use support::apps::{self, GoVersion, Variant};

const APP: &str = "http_client";

/// A function, how many result words it has, and for each range of Go versions (minor, from, to) the number of its `RET`s
/// and how many of them are of which class.
type Known = (&'static str, usize, &'static [(u16, u16, &'static str)]);

/// Functions that the instrumentations need or may need, and some of the runtime.
///
/// The classes are those that were found independently, by a prototype (it took a store through a pointer for harmless,
/// and a callee that is given the address of a result for one that does not write it, and so had fewer `Return`).
const FUNCTIONS: [Known; 19] = [
    (
        "net/http.(*Transport).roundTrip",
        3,
        &[
            (21, 22, "15: Return 11, Emulated 4"),
            (23, 25, "16: Return 7, DeferReturn 1, OpenCodedDefer 6, Emulated 2"),
            (26, 26, "16: Return 6, DeferReturn 1, OpenCodedDefer 5, Emulated 4"),
            (27, 27, "16: Return 7, DeferReturn 1, OpenCodedDefer 6, Emulated 2"),
        ],
    ),
    (
        "net/http.(*persistConn).roundTrip",
        3,
        &[
            (21, 22, "9: DeferReturn 8, Emulated 1"),
            (23, 23, "8: DeferReturn 8"),
            (24, 24, "8: DeferReturn 7, Emulated 1"),
            (25, 25, "7: DeferReturn 6, Emulated 1"),
            (26, 27, "8: DeferReturn 8"),
        ],
    ),
    (
        "net/http.(*Client).do",
        3,
        &[
            (21, 21, "9: DeferReturn 1, OpenCodedDefer 8"),
            (22, 23, "9: OpenCodedDefer 8, Emulated 1"),
            (24, 24, "9: OpenCodedDefer 7, Emulated 2"),
            (25, 27, "9: DeferReturn 1, OpenCodedDefer 8"),
        ],
    ),
    (
        "net/http.send",
        4,
        &[(21, 21, "7: Return 5, Emulated 2"), (22, 23, "7: Return 3, Emulated 4"), (24, 27, "7: Return 5, Emulated 2")],
    ),
    ("net/http.(*response).finishRequest", 0, &[(21, 27, "1: LastCall 1")]),
    (
        "net/http.Header.writeSubset",
        2,
        &[(21, 25, "2: LastCall 2"), (26, 26, "2: Return 1, Emulated 1"), (27, 27, "2: Return 1, LastCall 1")],
    ),
    ("net/http.(*http2ClientConn).RoundTrip", 3, &[(21, 22, "5: Return 5"), (23, 27, "1: Return 1")]),
    ("net/http.(*http2ClientConn).roundTrip", 3, &[(23, 23, "5: Return 5"), (24, 26, "5: Return 3, Emulated 2")]),
    (
        "net/http.(*http2clientStream).encodeAndWriteHeaders",
        2,
        &[
            (21, 21, "7: DeferReturn 1, OpenCodedDefer 5, Emulated 1"),
            (22, 24, "7: DeferReturn 1, OpenCodedDefer 6"),
            (25, 26, "6: DeferReturn 1, OpenCodedDefer 5"),
        ],
    ),
    ("net/http/internal/http2.(*ClientConn).roundTrip", 3, &[(27, 27, "5: Return 2, Emulated 3")]),
    ("net/http/internal/http2.(*clientStream).encodeAndWriteHeaders", 2, &[(27, 27, "6: DeferReturn 1, OpenCodedDefer 5")]),
    ("golang.org/x/net/http2.(*ClientConn).RoundTrip", 3, &[(21, 27, "1: Return 1")]),
    (
        "golang.org/x/net/http2.(*ClientConn).roundTrip",
        3,
        &[(21, 22, "5: Return 4, Emulated 1"), (23, 23, "5: Return 5"), (24, 27, "5: Return 3, Emulated 2")],
    ),
    (
        "golang.org/x/net/http2.(*clientStream).encodeAndWriteHeaders",
        2,
        &[
            (21, 24, "6: DeferReturn 1, OpenCodedDefer 5"),
            (25, 25, "6: DeferReturn 1, OpenCodedDefer 4, Emulated 1"),
            (26, 27, "6: DeferReturn 1, OpenCodedDefer 5"),
        ],
    ),
    (
        "net/http.(*ServeMux).findHandler",
        6,
        &[(22, 25, "6: Return 3, Emulated 3"), (26, 26, "6: Return 2, Emulated 4"), (27, 27, "6: Return 3, Emulated 3")],
    ),
    (
        "net/http.(*conn).serve",
        0,
        &[
            (21, 21, "15: DeferReturn 15"),
            (22, 22, "15: DeferReturn 14, Emulated 1"),
            (23, 23, "14: DeferReturn 13, Emulated 1"),
            (24, 25, "16: DeferReturn 16"),
            (26, 26, "16: DeferReturn 15, Emulated 1"),
            (27, 27, "17: DeferReturn 15, Emulated 2"),
        ],
    ),
    ("net/http.(*ServeMux).Handler", 4, &[(21, 21, "5: Return 5")]),
    ("runtime.newproc1", 1, &[(21, 27, "1: Emulated 1")]),
    ("runtime.gdestroy", 0, &[(22, 27, "1: Emulated 1")]),
];

/// The class of a `RET`: that of its dearest site.
fn classes(sites: &[EndSite]) -> String {
    let mut by_return = BTreeMap::new();
    for site in sites {
        let class = by_return.entry(site.returns[0]).or_insert(site.class);
        *class = site.class.max(*class);
    }
    let all = [EndClass::Return, EndClass::DeferReturn, EndClass::OpenCodedDefer, EndClass::LastCall, EndClass::Emulated];
    let counts = all.map(|wanted| (wanted, by_return.values().filter(|class| **class == wanted).count()));
    let shown = counts.iter().filter(|(_, count)| *count > 0).map(|(class, count)| format!("{class:?} {count}"));
    format!("{}: {}", by_return.len(), shown.collect::<Vec<_>>().join(", "))
}

/// The BPF object that counts hits and adds up results, built from the `bpf` package beside the launcher's.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/end_sites"));
/// Room in its table of recipes.
const RECIPES: u32 = 1024;
/// Hits, then the sum of each result.
type Tally = [u64; 1 + bpf::config::MAX_RESULTS];

/// All sites that are attached at once.
#[derive(Default)]
struct Probes {
    recipes: Vec<EndRecipe>,
    points: Vec<FileOffset>,
}

impl Probes {
    /// Adds a site; returns its cookie.
    fn add(&mut self, site: &EndSite) -> usize {
        self.recipes.push(recipe(site));
        self.points.push(site.offset);
        self.recipes.len() - 1
    }

    fn attach(&self, path: &Path, pid: u32, load_bias: u64) -> Ebpf {
        let load_bias = Setting::new(load_bias);
        let mut ebpf = EbpfLoader::new()
            .override_global("LOAD_BIAS", load_bias.as_bytes(), true)
            .map_max_entries("RECORDS", 4096)
            .map_max_entries("RECIPES", RECIPES)
            .load(OBJECT)
            .unwrap();
        let mut recipes: Array<_, [u8; size_of::<EndRecipe>()]> = ebpf.map_mut("RECIPES").unwrap().try_into().unwrap();
        for (number, recipe) in (0..).zip(&self.recipes) {
            recipes.set(number, recipe.as_bytes().try_into().unwrap(), 0).unwrap();
        }
        let program: &mut UProbe = ebpf.program_mut("tally").unwrap().try_into().unwrap();
        program.load().unwrap();
        let points = (0..).zip(&self.points).map(|(recipe, offset)| UProbeAttachPoint {
            location: UProbeAttachLocation::AbsoluteOffset(offset.0),
            cookie: Some(Cookie { event: 0, recipe }.to_bits()),
        });
        program.attach(points, path, UProbeScope::OneProcess(NonZeroU32::new(pid).unwrap())).unwrap();
        ebpf
    }
}

/// One function's sites, by cookie.
struct Probed {
    name: &'static str,
    results: usize,
    returns: BTreeMap<VirtAddr, usize>,
    sites: Vec<(EndSite, usize)>,
    merged: Vec<(EndSite, usize)>,
}

fn probed(binary: &GoBinary<'_>, probes: &mut Probes) -> Vec<Probed> {
    let functions = binary.functions(&FUNCTIONS.map(|(name, _, _)| name));
    let found = FUNCTIONS.into_iter().filter_map(|(name, results, _)| Some((name, results, functions.only(name).unwrap()?)));
    found
        .map(|(name, results, function)| {
            let mut add = |sites: Vec<EndSite>| -> Vec<(EndSite, usize)> {
                let add = |site| {
                    let cookie = probes.add(&site);
                    (site, cookie)
                };
                sites.into_iter().map(add).collect()
            };
            let returns = add(binary.return_sites(function, results).unwrap());
            let sites = binary.end_sites(function, results).unwrap();
            Probed {
                name,
                results,
                returns: returns.into_iter().map(|(site, cookie)| (site.address, cookie)).collect(),
                merged: add(merge_end_sites(sites.clone())),
                sites: add(sites),
            }
        })
        .collect()
}

/// The program, which waits for its probes. A test that fails does not leave it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// Runs the program with all probes; returns each cookie's tally.
fn run(app: &Path, binary: &GoBinary<'_>, probes: &Probes) -> Vec<Tally> {
    let child = Command::new(app).env("GOGC", "5").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut running = Running(child);
    let mut output = BufReader::new(running.0.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let pid = running.0.id();
    let load_bias = entry_in_process(pid).wrapping_sub(binary.elf_entry().0);
    let ebpf = probes.attach(app, pid, load_bias);
    running.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    line.clear();
    output.read_to_string(&mut line).unwrap();
    assert!(running.0.wait().unwrap().success(), "{line}");
    let program: &UProbe = ebpf.program("tally").unwrap().try_into().unwrap();
    let info = program.info().unwrap();
    let (runs, time) = (info.run_count(), info.run_time());
    println!(
        "{}: load bias {load_bias:#x}, {} probes; {}; {runs} runs, {time:?}",
        app.display(),
        probes.points.len(),
        line.trim()
    );
    let tally: Array<_, Tally> = Array::try_from(ebpf.map("TALLY").unwrap()).unwrap();
    (0..).take(probes.points.len()).map(|cookie| tally.get(&cookie, 0).unwrap()).collect()
}

/// `AT_ENTRY` of a process.
fn entry_in_process(pid: u32) -> u64 {
    const AT_ENTRY: u64 = 9;
    let auxv = fs::read(format!("/proc/{pid}/auxv")).unwrap();
    let words: Vec<u64> = auxv.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word)).collect();
    words.chunks(2).find(|pair| pair[0] == AT_ENTRY).unwrap()[1]
}

fn sum<'a>(tallies: impl Iterator<Item = &'a Tally>, results: usize) -> Vec<u64> {
    tallies.fold(vec![0; 1 + results], |sum, tally| sum.iter().zip(tally).map(|(a, b)| a.wrapping_add(*b)).collect())
}

/// Compares the sites of each `RET` with the `RET`; returns the hot classes of each function.
fn compare(what: &str, functions: &[Probed], tallies: &[Tally]) {
    let mut reached = BTreeSet::new();
    for Probed { name, results, returns, sites, merged } in functions {
        let mut shown = Vec::new();
        for (address, cookie) in returns {
            let at_return = sum(std::iter::once(&tallies[*cookie]), *results);
            let its_sites = || sites.iter().filter(|(site, _)| site.returns.contains(address));
            let at_sites = sum(its_sites().map(|(_, cookie)| &tallies[*cookie]), *results);
            assert_eq!(at_sites, at_return, "{what}: {name}, RET at {address}: {:#x?}", its_sites().collect::<Vec<_>>());
            if at_return[0] > 0 {
                let hits = |(site, cookie): &(EndSite, usize)| format!("{:?} {}", site.class, tallies[*cookie][0]);
                shown.push(its_sites().map(hits).collect::<Vec<_>>().join("+"));
                reached.extend(its_sites().map(|(site, _)| (site.class, *name)));
            }
        }
        let at_returns = sum(returns.values().map(|cookie| &tallies[*cookie]), *results);
        let at_merged = sum(merged.iter().map(|(_, cookie)| &tallies[*cookie]), *results);
        assert_eq!(at_merged, at_returns, "{what}: {name}, all sites");
        println!("  {name}: {}", shown.join(", "));
    }
    let classes: BTreeSet<EndClass> = reached.iter().map(|(class, _)| *class).collect();
    let cheap = [EndClass::Emulated, EndClass::LastCall, EndClass::OpenCodedDefer, EndClass::DeferReturn];
    assert!(cheap.iter().all(|class| classes.contains(class)), "{what}: only {reached:?} were hit");
}

fn proven_in(version: GoVersion, variant: Variant) {
    let app = apps::build(APP, version, variant);
    let file = fs::read(&app).unwrap();
    let binary = GoBinary::parse(&file).unwrap();
    let mut probes = Probes::default();
    let functions = probed(&binary, &mut probes);
    let tallies = run(&app, &binary, &probes);
    compare(&format!("{version:?} {variant:?}"), &functions, &tallies);
}

#[test]
fn sites_are_hit_as_their_returns_are() {
    for version in GoVersion::ALL {
        proven_in(version, Variant::Stripped);
    }
}

#[test]
fn sites_are_hit_as_their_returns_are_in_other_builds() {
    proven_in(GoVersion::GO_1_21, Variant::Default);
    proven_in(GoVersion::GO_1_24, Variant::PieStripped);
    proven_in(GoVersion::GO_1_27, Variant::Default);
    proven_in(GoVersion::GO_1_27, Variant::Pie);
}

#[test]
fn classes_of_returns() {
    for version in GoVersion::ALL {
        for variant in [Variant::Default, Variant::Stripped] {
            let file = fs::read(apps::build(APP, version, variant)).unwrap();
            let binary = GoBinary::parse(&file).unwrap();
            let functions = binary.functions(&FUNCTIONS.map(|(name, _, _)| name));
            for (name, results, known) in FUNCTIONS {
                let known = known.iter().find(|(from, to, _)| (*from..=*to).contains(&version.minor));
                let found = functions.only(name).unwrap().map(|function| classes(&binary.end_sites(function, results).unwrap()));
                if let (Some((_, _, known)), Some(found)) = (known, &found) {
                    assert_eq!(found, known, "{version:?} {variant:?}: {name}");
                }
                assert!(known.is_none() || found.is_some(), "{version:?}: no {name}");
            }
        }
    }
}

/// What an instrumentation gets, with and without the load bias of a position-independent program.
#[test]
fn an_instrumentation_gets_sites_and_recipes() {
    const NAME: &str = "net/http.(*Transport).roundTrip";
    let file = fs::read(apps::build(APP, GoVersion::GO_1_27, Variant::Pie)).unwrap();
    let binary = GoBinary::parse(&file).unwrap();
    let ends = |load_bias| {
        let facts = Facts {
            binary: &binary,
            functions: binary.functions(&[NAME]),
            layouts: Layouts::default(),
            placement: &Uprobes,
            load_bias,
            not_written: Some("only its ends are looked for"),
            not_stored: Some("only its ends are looked for"),
            inlined: OnceCell::new(),
        };
        let event = Event { meaning: "a round trip ends", when: When::End, body: Body::HttpClient, number: 16 };
        facts.at_ends(NAME, 3, event).unwrap()
    };
    let recipes = |probe: &Probe| probe.sites.iter().flat_map(|site| site.recipes.clone()).collect::<Vec<_>>();
    let guarded = |probe: &Probe| recipes(probe).iter().filter(|recipe| recipe.guarded.get() == 1).count();
    let stepped = |probe: &Probe| probe.sites.iter().filter(|site| site.cost == Cost::SingleStep).count();

    let known = ends(Some(0x5555_0000_0000));
    assert!(known.sites.iter().all(|site| site.recipes.len() == 1));
    assert_eq!((stepped(&known), guarded(&known)), (7, 1), "{known:#?}");
    for site in &known.sites {
        assert_eq!(site.instruction == Instruction::Return, site.cost == Cost::SingleStep, "{site:?}");
    }

    let unknown = ends(None);
    assert_eq!(guarded(&unknown), 0);
    let recipes = recipes(&unknown);
    let bases = recipes.iter().flat_map(|recipe| &recipe.results).map(|result| result.base.get());
    assert!(bases.into_iter().all(|base| base != bpf::config::base::IMAGE));
    assert!(stepped(&unknown) > stepped(&known));
}

/// On arm64 a `RET` is simulated, and is the site.
#[test]
fn returns_on_arm64() {
    let file = fs::read(apps::build(APP, GoVersion::GO_1_27, Variant::Arm64Stripped)).unwrap();
    let binary = GoBinary::parse(&file).unwrap();
    let functions = binary.functions(&FUNCTIONS.map(|(name, _, _)| name));
    for function in functions.iter() {
        let sites = binary.end_sites(function, 3).unwrap();
        assert!(!sites.is_empty(), "{}", function.name);
        for site in sites {
            assert_eq!(
                (site.class, site.cost, binary.cost_at(site.address)),
                (EndClass::Return, Cost::Emulated, Some(Cost::Emulated))
            );
        }
    }
}

/// Whatever the function, an end is on an instruction that the kernel emulates or is a `RET`, and every `RET` has one.
#[test]
fn every_function_has_its_ends_or_is_refused() {
    let file = fs::read(apps::build(APP, GoVersion::GO_1_26, Variant::Stripped)).unwrap();
    let binary = GoBinary::parse(&file).unwrap();
    let (mut refused, mut total, mut emulated) = (0, 0, 0);
    for function in binary.all_functions() {
        total += 1;
        let (Ok(sites), Ok(returns)) = (binary.end_sites(&function, 2), binary.return_sites(&function, 2)) else {
            refused += 1;
            continue;
        };
        let covered: BTreeSet<VirtAddr> = sites.iter().flat_map(|site| site.returns.clone()).collect();
        let all: BTreeSet<VirtAddr> = returns.iter().map(|site| site.address).collect();
        assert_eq!(covered, all, "{}", function.name);
        for site in &sites {
            assert_eq!(binary.cost_at(site.address), Some(site.cost), "{}: {site:?}", function.name);
        }
        emulated += covered
            .iter()
            .filter(|ret| sites.iter().all(|site| !site.returns.contains(ret) || site.cost == Cost::Emulated))
            .count();
    }
    println!("{total} functions, {refused} refused, {emulated} returns without their RET");
    assert!(refused * 20 < total, "{refused} of {total}");
}

/// Instructions that the verifier may look at for the program that reads results.
const VERIFIED_AT_MOST: u32 = 3_000;

#[test]
fn reading_results_is_verified_quickly() {
    let mut ebpf = EbpfLoader::new().map_max_entries("RECORDS", 4096).load(OBJECT).unwrap();
    let program: &mut UProbe = ebpf.program_mut("tally").unwrap().try_into().unwrap();
    program.load().unwrap();
    let info = program.info().unwrap();
    let verified = info.verified_instruction_count().unwrap();
    println!("{verified} instructions verified of {:?} bytes", info.size_translated());
    assert!(verified < VERIFIED_AT_MOST, "{verified}");
}
