//! Where functions end, in real programs of every supported Go version: which classes their returns are of, and, in
//! running programs, that the sites found are hit exactly as often as the `RET`s they stand for, with the same results.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

mod support;

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
use bpf::config::{EndRecipe, ReadOnlyData as _, Setting};
use go_auto_launch::binary::{EndClass, EndSite, FileOffset, GoBinary, VirtAddr, merge_end_sites};
use go_auto_launch::probes::ends::{recipe, table};
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

/// As the tables of classes name them.
fn letter(class: EndClass) -> char {
    match class {
        EndClass::Return => 'R',
        EndClass::DeferReturn => 'D',
        EndClass::DeferredCall => 'd',
        EndClass::Call => 'c',
        EndClass::Branch => 'e',
    }
}

/// The class of a `RET`: that of its dearest site.
fn classes(sites: &[EndSite]) -> String {
    let mut by_return = BTreeMap::new();
    for site in sites {
        let class = by_return.entry(site.returns[0]).or_insert(site.class);
        *class = site.class.max(*class);
    }
    let all = [EndClass::Return, EndClass::DeferReturn, EndClass::DeferredCall, EndClass::Call, EndClass::Branch];
    let counts = all.map(|wanted| (letter(wanted), by_return.values().filter(|class| **class == wanted).count()));
    let shown: String =
        counts.iter().filter(|(_, count)| *count > 0).map(|(letter, count)| format!(" {letter}{count}")).collect();
    format!("{}{shown}", by_return.len())
}

/// The BPF object that counts hits and adds up results, built from the `bpf` package beside the launcher's.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/end_sites"));
/// Room in its table of recipes.
const RECIPES: usize = 1024;
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
        let table = table::<RECIPES>("END_RECIPES", &self.recipes).unwrap();
        let load_bias = Setting::new(load_bias);
        let mut ebpf = EbpfLoader::new()
            .override_global("END_RECIPES", table.bytes.as_slice(), true)
            .override_global("LOAD_BIAS", load_bias.as_bytes(), true)
            .map_max_entries("RECORDS", 4096)
            .load(OBJECT)
            .unwrap();
        let program: &mut UProbe = ebpf.program_mut("tally").unwrap().try_into().unwrap();
        program.load().unwrap();
        let points = (0..).zip(&self.points).map(|(cookie, offset)| UProbeAttachPoint {
            location: UProbeAttachLocation::AbsoluteOffset(offset.0),
            cookie: Some(cookie),
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
    let functions = binary.functions(&FUNCTIONS.map(|(name, _)| name));
    let found = FUNCTIONS.into_iter().filter_map(|(name, results)| Some((name, results, functions.get(name)?)));
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
    let child = Command::new(app).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
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
    println!("{}: load bias {load_bias:#x}, {} probes; {}", app.display(), probes.points.len(), line.trim());
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
                let hits = |(site, cookie): &(EndSite, usize)| format!("{}{}", letter(site.class), tallies[*cookie][0]);
                shown.push(its_sites().map(hits).collect::<Vec<_>>().join("+"));
                reached.extend(its_sites().map(|(site, _)| (letter(site.class), *name)));
            }
        }
        let at_returns = sum(returns.values().map(|cookie| &tallies[*cookie]), *results);
        let at_merged = sum(merged.iter().map(|(_, cookie)| &tallies[*cookie]), *results);
        assert_eq!(at_merged, at_returns, "{what}: {name}, all sites");
        println!("  {name}: {}", shown.join(", "));
    }
    let classes: BTreeSet<char> = reached.iter().map(|(class, _)| *class).collect();
    assert!(['e', 'c', 'd', 'D'].iter().all(|class| classes.contains(class)), "{what}: only {reached:?} were hit");
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
        let file = fs::read(apps::build(APP, version, Variant::Stripped)).unwrap();
        let binary = GoBinary::parse(&file).unwrap();
        let functions = binary.functions(&FUNCTIONS.map(|(name, _)| name));
        for (name, results) in FUNCTIONS {
            let Some(function) = functions.get(name) else { continue };
            let begin = std::time::Instant::now();
            let sites = binary.end_sites(function, results).unwrap();
            let took = begin.elapsed();
            let shown = classes(&sites);
            let count = sites.len();
            let merged = merge_end_sites(sites);
            println!("1.{} {name} ({results}): {shown}; {count} sites, {} merged, {took:?}", version.minor, merged.len());
        }
    }
}
