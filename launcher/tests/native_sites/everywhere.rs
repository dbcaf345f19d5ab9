//! Real programs in which nearly every function goes through thunks: they do what they do without, and each call that has begun has
//! ended.
//!
//! A copy of the program's file has the patches, and a segment with the thunks and with a counter for each site. No other test needs
//! so many windows: whatever is wrong with how they are chosen would show here.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use go_auto_launch::binary::{Function, GoBinary, Turn, VirtAddr};
use go_auto_launch::engine::native::{Detours, Patch, assemble};
use go_auto_launch::probes::plan::{Plan, Planned};
use go_auto_launch::probes::probe::{Body, Event, Point, Probe, When};
use go_auto_launch::probes::site::{Ends, Placement as _, Site};
use iced_x86::IcedError;
use iced_x86::code_asm::{CodeAssembler, al, qword_ptr, rax, rcx, rsp};
use object::elf::{FileHeader64, PF_R, PF_W, PF_X, PT_LOAD, PT_NOTE, ProgramHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _};
use object::{LittleEndian, U32, U64};

use super::support::apps::{self, Variant};
use super::support::executable;
use super::support::folder::Folder;
use super::support::load;
use super::support::plain::Plain;

/// Where the segment is, behind all that the program has.
const SEGMENT: u64 = 0x1000_0000;
/// Where the counters are in it; before them is what counts.
const COUNTERS: u64 = SEGMENT + 0x1000;
const PAGE: u64 = 0x1000;
/// Packages of which direct calls go through thunks, too.
const CALLING: [&str; 4] = ["main.", "net/http.", "bufio.", "context."];

/// A program that goes through thunks.
struct Rewritten {
    path: PathBuf,
    plan: Plan,
}

/// Rewrites a program; `is_wanted` says which functions go through thunks.
fn rewrite(app: &Path, to: &Path, is_wanted: impl Fn(&Function) -> bool) -> Rewritten {
    let mut file = fs::read(app).unwrap();
    let binary = GoBinary::parse(&file).unwrap();
    assert!(!binary.is_pie(), "its addresses are those in the process");
    let plan = plan(&binary, is_wanted);
    let behind = COUNTERS + (plan.sites().count() as u64 * 8).next_multiple_of(PAGE);
    let thunks = assemble(&plan, 0, behind, SEGMENT).unwrap();
    let place = |patch: &Patch| usize::try_from(binary.file_offset(VirtAddr(patch.address)).unwrap().0).unwrap();
    let patches: Vec<(usize, &Patch)> = thunks.patches.iter().map(|patch| (place(patch), patch)).collect();
    for (at, patch) in patches {
        let there = &mut file[at..at + patch.original.len()];
        assert_eq!(there, patch.original);
        there.copy_from_slice(&patch.replacement);
    }
    let mut segment = counting(SEGMENT).unwrap();
    segment.resize(usize::try_from(behind - SEGMENT).unwrap(), 0);
    segment.extend_from_slice(&thunks.code);
    add_segment(&mut file, &segment);
    executable::write(to, file);
    Rewritten { path: to.to_owned(), plan }
}

/// Start and ends of the functions, as far as they can be observed; of some packages all direct calls too.
fn plan(binary: &GoBinary<'_>, is_wanted: impl Fn(&Function) -> bool) -> Plan {
    let ends = Ends { results: 0, reads_memory: false, is_final: false, is_whole: false, behind: None, load_bias: Some(0) };
    let mut probes = Vec::new();
    for function in binary.all_functions().filter(is_wanted) {
        let (Ok(entry), Ok(ends)) = (Detours.entry(binary, &function), Detours.ends(binary, &function, ends)) else {
            continue;
        };
        let mut add = |point: Point, sites: Vec<Site>| {
            let event = Event { meaning: "", when: When::Start, body: Body::Operations, number: 0 };
            probes.push(Probe { function: function.name.clone(), event, point, sites });
        };
        add(Point::Entry, vec![entry]);
        add(Point::End, ends);
        if CALLING.iter().any(|package| function.name.starts_with(package)) {
            let calls = binary.calls(&function).unwrap().map(|call| Detours.call(binary, &function, call.site).unwrap());
            add(Point::Call, calls.collect());
        }
    }
    Plan { planned: vec![Planned { probes, ..Planned::default() }], ..Plan::default() }
}

/// Counts the hit whose number lies behind the return address, and changes neither registers nor flags.
fn counting(at: u64) -> Result<Vec<u8>, IcedError> {
    let mut asm = CodeAssembler::new(64)?;
    asm.push(rax)?;
    asm.lahf()?;
    asm.seto(al)?;
    asm.push(rax)?;
    asm.push(rcx)?;
    asm.mov(rcx, COUNTERS)?;
    asm.mov(rax, qword_ptr(rsp + 32))?;
    asm.lock().inc(qword_ptr(rcx + rax * 8))?;
    asm.pop(rcx)?;
    asm.pop(rax)?;
    asm.add(al, 127)?;
    asm.sahf()?;
    asm.pop(rax)?;
    asm.ret()?;
    asm.assemble(at)
}

/// Makes a segment of the bytes, in the place of the note with the build's id.
fn add_segment(file: &mut Vec<u8>, bytes: &[u8]) {
    let endian = LittleEndian;
    let offset = file.len().next_multiple_of(usize::try_from(PAGE).unwrap());
    let header = FileHeader64::<LittleEndian>::parse(&**file).unwrap();
    let headers = header.program_headers(endian, &**file).unwrap();
    let note = headers.iter().position(|one| one.p_type(endian) == PT_NOTE).unwrap();
    let size = size_of::<ProgramHeader64<LittleEndian>>();
    let at = usize::try_from(header.e_phoff.get(endian)).unwrap() + note * size;
    let [long, word] = [U64::<LittleEndian>::new, U64::new];
    let segment = ProgramHeader64 {
        p_type: U32::new(endian, PT_LOAD),
        p_flags: U32::new(endian, PF_R | PF_W | PF_X),
        p_offset: long(endian, offset as u64),
        p_vaddr: long(endian, SEGMENT),
        p_paddr: word(endian, SEGMENT),
        p_filesz: long(endian, bytes.len() as u64),
        p_memsz: long(endian, bytes.len() as u64),
        p_align: long(endian, PAGE),
    };
    file[at..at + size].copy_from_slice(object::bytes_of(&segment));
    file.resize(offset, 0);
    file.extend_from_slice(bytes);
}

/// The runtime too.
fn nearly_all(function: &Function) -> bool {
    !function.is_assembly
}

/// What the program says in the end, of how its requests have ended.
fn answers(app: &Path) -> String {
    let mut command = Command::new(app);
    // Go 1.24 and newer compare their code with its hash then.
    command.env("GODEBUG", "fips140=on").env("GOGC", "5");
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    process.stdin.take().unwrap().write_all(b"\n").unwrap();
    let output = process.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {} {stderr}", app.display(), output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// HTTP/1 and HTTP/2, panics, cancelled requests, stacks that grow, and garbage collection all the time; with FIPS 140.
#[test]
fn a_program_does_the_same_by_way_of_thunks() {
    for version in super::VERSIONS {
        let folder = Folder::new();
        let app = apps::build("http_client", version, Variant::Stripped);
        let rewritten = rewrite(&app, &folder.app(), nearly_all);
        let sites = rewritten.plan.sites().count();
        assert!(sites > 5_000, "{version:?}: {sites}");
        assert_eq!(answers(&rewritten.path), answers(&app), "{version:?}");
    }
}

/// Each call that has begun has ended, but for those that go on, and those that a panic has unwound.
#[test]
fn each_start_has_an_end() {
    const REQUESTS: usize = 2_000;
    for version in super::VERSIONS {
        let folder = Folder::new();
        let app = apps::build("http_server", version, Variant::Stripped);
        let Rewritten { path, plan } = rewrite(&app, &folder.app(), nearly_all);
        let server = Plain::start(&path, &["-addr", "127.0.0.1:0"], 1);
        load::send(server.addresses[0], 8, REQUESTS, |number| format!("/hello?n={number}"));
        let memory = File::open(format!("/proc/{}/mem", server.pid())).unwrap();
        let mut counters = vec![0; plan.sites().count() * 8];
        memory.read_exact_at(&mut counters, COUNTERS).unwrap();
        let mut counters = counters.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
        let (mut counted, mut by_kind) = (BTreeMap::new(), BTreeMap::new());
        for probe in plan.probes() {
            let hits: Vec<u64> = probe.sites.iter().map(|_| counters.next().unwrap()).collect();
            for (site, hits) in probe.sites.iter().zip(&hits) {
                let window = site.patch.as_ref().unwrap();
                let turn = if probe.point == Point::Call { None } else { Some(window.turn == Turn::After) };
                *by_kind.entry((probe.point as u32, turn, window.stack)).or_insert(0) += hits;
            }
            let [starts, ends] = counted.entry(probe.function.as_str()).or_insert([0_u64; 2]);
            match probe.point {
                Point::Entry => *starts += hits.iter().sum::<u64>(),
                Point::End => *ends += hits.iter().sum::<u64>(),
                Point::Call | Point::Exit => {}
            }
        }
        // Frames, stack checks, first instructions; ends; calls.
        assert!(by_kind.len() == 5 && by_kind.values().all(|hits| *hits > 0), "{version:?}: {by_kind:?}");
        server.end();
        let handled = counted["net/http.serverHandler.ServeHTTP"];
        assert_eq!(handled, [REQUESTS as u64; 2], "{version:?}");
        // The scheduler's functions end on another goroutine.
        let is_odd =
            |name: &str, [starts, ends]: [u64; 2]| starts.abs_diff(ends) > 20 && !(ends == 0 && name.starts_with("runtime."));
        let odd: Vec<_> = counted.iter().filter(|(name, counts)| is_odd(name, **counts)).collect();
        assert!(odd.is_empty(), "{version:?}: {odd:?}");
    }
}
