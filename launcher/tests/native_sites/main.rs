//! The sites of the native engine in real programs: each that is observed by uprobes is observed by detours too, and the machine
//! code of these is what it should be. `running` runs some of it.

#![cfg(target_arch = "x86_64")]
#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

#[cfg(target_arch = "x86_64")]
mod arm64;
#[cfg(target_arch = "x86_64")]
mod everywhere;
#[cfg(target_arch = "x86_64")]
mod running;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;

use go_auto_launch::binary::{GoBinary, Turn, VirtAddr, Window};
use go_auto_launch::engine::bpf::Uprobes;
use go_auto_launch::engine::native::thunks::shared;
use go_auto_launch::engine::native::{
    Detours, Patch, PatchError, Then, ThunkError, Thunks, assemble, assemble_before, most_bytes,
};
use go_auto_launch::instrumentations::CATALOG;
use go_auto_launch::probes::plan::{Circumstances, Plan};
use go_auto_launch::probes::probe::{Point, Probe};
use go_auto_launch::probes::site::Placement;
use go_auto_launch::user_function::UserFunction;
use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Register};
use support::apps::{self, GoVersion, ModuleFile, Variant};

/// Declarations as in the sources of `tests/apps/functions`.
const FUNCTIONS: &str = "\
func example.test/functions/shop.(*Store).Place(ctx context.Context, o *Order) (*Receipt, error)
example.test/functions/shop.(*Store).charge(ctx context.Context, money Money) error
example.test/functions/shop.Money.Add(other Money) Money
example.test/functions/shop.Total(items []Item) (cents int64)
example.test/functions/shop.Wrapped(ctx context.Context, fails bool) (receipt *Receipt, err error)
example.test/functions/shop.Recovered(ctx context.Context, what string) (err error)
example.test/functions/shop.Explode(what string) int
example.test/functions/shop.Many(ctx context.Context, a int8, b uint16, c bool, d float64, e string, f []int, g [1]int32, h *Order, i any, j Item, k uint64, l string, m byte) (int, string, error)
example.test/functions/shop.Find(ctx context.Context, id string) (u User, err error)
example.test/functions/shop.Nine(n int) (a, b, c, d, e, f, g, h, i int)
example.test/functions/shop.Map[T, U any](in []T, each func(T) U) []U
example.test/functions/shop.(*Stack[T]).Push(item T, weight int) int
example.test/functions/shop.Factorial(n int) int
example.test/functions/shop.Fetch(ctx context.Context, url string) (body string, err error)
example.test/functions/shop.Work(number int) int
main.handle(w http.ResponseWriter, r *http.Request, kind string)
main.leave(ctx context.Context) error
main.within(ctx context.Context, number int) int
main.deferring(ctx context.Context) (err error)
";
const COMMON: u64 = 0x1_0000;
const VERSIONS: [GoVersion; 4] = [GoVersion::GO_1_21, GoVersion::GO_1_24, GoVersion::GO_1_26, GoVersion::GO_1_27];
/// Where the kernel loads position-independent programs, about.
const LOADED: u64 = 0x5555_5555_4000;
/// What is meant by the end of a function that others call last, where returns are dear.
const OF_TAIL: &str = "what an operation calls last ends";
/// Of those where room is made for what is injected, and where copies are replaced.
const OF_STORES: [&str; 2] = ["a line before the header is written", "the header was written"];

/// Servers and clients of HTTP/1, HTTP/2 and gRPC, databases, the user's own functions.
fn programs() -> Vec<PathBuf> {
    let mut programs = Vec::new();
    for version in VERSIONS {
        for variant in [Variant::Default, Variant::Stripped, Variant::Pie] {
            programs.extend(["http_server", "http_client", "functions"].map(|app| apps::build(app, version, variant)));
            programs.push(apps::build_tagged("database_sql", version, variant, "fake", None));
        }
        programs.extend(["headers", "parentage", "xnet_http2"].map(|app| apps::build(app, version, Variant::Stripped)));
    }
    let drivers = ["mysql", "pgx4", "pgx5", "pq"].map(|tag| ("database_sql", tag));
    let direct = ["pgx4", "pgx5"].map(|tag| ("pgx", tag));
    let driving = drivers.into_iter().chain(direct);
    programs.extend(driving.map(|(app, tag)| apps::build_tagged(app, GoVersion::GO_1_26, Variant::Stripped, tag, None)));
    let calls = ModuleFile::of("grpc", "grpc");
    let [oldest, .., newest] = &calls[..] else { panic!("{calls:?}") };
    programs.push(apps::build_with("grpc", GoVersion::GO_1_21, Variant::Stripped, oldest));
    programs.push(apps::build_with("grpc", GoVersion::GO_1_27, Variant::Default, newest));
    programs
}

fn functions(declarations: &str) -> Vec<UserFunction> {
    declarations.lines().map(|line| UserFunction::parse(line).unwrap()).collect()
}

fn plan(binary: &GoBinary<'_>, placement: &dyn Placement, own: &[UserFunction], load_bias: u64) -> Plan {
    let circumstances = Circumstances { functions: own, load_bias: Some(load_bias), ..Circumstances::default() };
    Plan::new(CATALOG, binary, placement, circumstances).unwrap()
}

/// Where the program is loaded, and where its thunks are: right below it.
fn places(binary: &GoBinary<'_>) -> (u64, u64) {
    if binary.is_pie() { (LOADED, LOADED - 0x10_0000) } else { (0, 0x20_0000) }
}

/// All that a plan says of what is not observed.
fn left_out(plan: &Plan) -> Vec<String> {
    plan.left_out.iter().map(|(name, why)| format!("{name}: {why}")).chain(plan.missing().cloned()).collect()
}

/// What is observed of which function; not that what one operation calls last ends.
fn observed(plan: &Plan) -> BTreeSet<(&str, &'static str, bool)> {
    let observed = |probe: &'_ Probe| (probe.event.meaning, probe.point == Point::End);
    let probes = plan.probes().filter(|probe| probe.event.meaning != OF_TAIL && !probe.sites.is_empty());
    probes.map(|probe| (probe.function.as_str(), observed(probe).0, observed(probe).1)).collect()
}

/// No site is without a window: there are no exceptions.
#[test]
fn whatever_is_observed_by_uprobes_is_observed_by_detours() {
    for path in programs() {
        let what = path.display();
        let file = std::fs::read(&path).unwrap();
        let binary = GoBinary::parse(&file).unwrap();
        let own = if path.to_str().unwrap().contains("/functions/") { functions(FUNCTIONS) } else { Vec::new() };
        let (load_bias, code) = places(&binary);
        let uprobes = plan(&binary, &Uprobes, &own, load_bias);
        let native = plan(&binary, &Detours, &own, load_bias);
        assert_eq!(left_out(&native), left_out(&uprobes), "{what}");
        let (by_uprobes, by_detours) = (observed(&uprobes), observed(&native));
        assert_eq!(by_uprobes.difference(&by_detours).next(), None, "{what}");
        // Operations whose ends are those of what they call last have ends of their own; and what writes itself does so before and behind.
        let is_known = |(_, meaning, is_end): &(&str, &str, bool)| *is_end || OF_STORES.contains(meaning);
        assert!(by_detours.difference(&by_uprobes).all(is_known), "{what}");
        assert!(native.probes().all(|probe| probe.event.meaning != OF_TAIL), "{what}");
        assert!(native.sites().count() >= 7, "{what}");

        let thunks = assemble(&native, load_bias, code, COMMON + code).unwrap();
        assert!(thunks.code.len() <= most_bytes(&native), "{what}");
        assert_eq!(thunks.sites.len(), native.sites().count(), "{what}");
        assert!(shared(&native, load_bias).is_empty(), "{what}");
        let taken = taken(&native, &thunks, load_bias);
        assert!(taken.array_windows().all(|[one, next]| one.1 <= next.0), "{what}: {taken:?}");
        for (probe, site) in native.sites() {
            holds(&binary, &file, probe, site.patch.as_ref().unwrap());
        }
        for patch in &thunks.patches {
            is_as_planned(&native, &thunks, patch, (load_bias, code));
        }
    }
}

/// All ranges of the program that are replaced, in order.
fn taken(plan: &Plan, thunks: &Thunks, load_bias: u64) -> Vec<(u64, u64)> {
    let of_thunks = thunks.patches.iter().map(|patch| (patch.address, patch.original.len()));
    let of_executor = plan.detours().map(|detour| (detour.place.address.0 + load_bias, detour.place.bytes.len()));
    let mut taken: Vec<(u64, u64)> = of_thunks.chain(of_executor).map(|(from, length)| (from, from + length as u64)).collect();
    taken.sort_unstable();
    taken
}

/// A window has the file's bytes, whole instructions of one function, and what stands in it may run elsewhere: looked at anew.
fn holds(binary: &GoBinary<'_>, file: &[u8], probe: &Probe, window: &Window) {
    let offset = usize::try_from(binary.file_offset(window.address).unwrap().0).unwrap();
    assert_eq!(file[offset..offset + window.bytes.len()], window.bytes, "{}", probe.function);
    let function = binary.function_at(window.address).unwrap();
    assert!(!function.name.starts_with("crypto/internal/fips140"), "{}", function.name);
    let all: Vec<Instruction> = decode(binary.code(&function).unwrap(), function.entry.0);
    let is_within = |one: &&Instruction| (window.address.0..window.end().0).contains(&one.ip());
    let own: Vec<&Instruction> = all.iter().filter(is_within).collect();
    assert_eq!(own[0].ip(), window.address.0, "{}", probe.function);
    let end = own.last().unwrap().next_ip();
    let padding = &window.bytes[usize::try_from(end - window.address.0).unwrap()..];
    assert!(padding.is_empty() || (end == function.end.0 && padding.iter().all(|byte| *byte == 0xcc)), "{}", probe.function);
    let jumps = all.iter().filter(|one| one.near_branch_target() != 0);
    let entered = jumps.map(Instruction::near_branch_target).find(|to| (window.address.0 + 1..end).contains(to));
    assert_eq!(entered, None, "{}", probe.function);
    if let Turn::Call { target } = window.turn {
        assert_eq!((own.len(), own[0].code(), own[0].near_branch_target()), (1, Code::Call_rel32_64, target.0));
        return;
    }
    for one in own {
        let may_run_elsewhere = match one.flow_control() {
            FlowControl::Next => !one.is_ip_rel_memory_operand(),
            FlowControl::ConditionalBranch => true,
            FlowControl::Return => window.turn == Turn::After || one.next_ip() == function.end.0,
            FlowControl::Call
            | FlowControl::IndirectCall
            | FlowControl::UnconditionalBranch
            | FlowControl::IndirectBranch
            | FlowControl::Interrupt
            | FlowControl::XbeginXabortXend
            | FlowControl::Exception => false,
        };
        let base = one.memory_base();
        // A stack check reads the goroutine.
        let is_on_stack = matches!(base, Register::None | Register::RSP | Register::RBP)
            || (base == Register::R14 && one.code() == Code::Cmp_r64_rm64)
            || matches!(one.code(), Code::Lea_r64_m | Code::Nop_rm16 | Code::Nop_rm32 | Code::Nop_rm64);
        assert!(may_run_elsewhere && is_on_stack, "{}: {:#x} {:?}", probe.function, one.ip(), one.code());
    }
}

fn decode(code: &[u8], address: u64) -> Vec<Instruction> {
    Decoder::with_ip(64, code, address, DecoderOptions::NONE).into_iter().collect()
}

/// The patch leads to a thunk that has the hits of the plan, the instructions of the window, and the right way on.
fn is_as_planned(plan: &Plan, thunks: &Thunks, patch: &Patch, (load_bias, code): (u64, u64)) {
    let of_window = |address: VirtAddr| address.0 + load_bias == patch.address;
    let sites = plan.sites().enumerate().filter_map(|(number, (_, site))| Some((number, site.patch.as_ref()?)));
    let sites: Vec<(usize, &Window)> = sites.filter(|(_, window)| of_window(window.address)).collect();
    let window = sites[0].1;
    let hits = |is_behind: bool| sites.iter().filter(move |(_, window)| (window.turn == Turn::After) == is_behind);
    assert_eq!((patch.original.as_slice(), patch.replacement.len()), (window.bytes.as_slice(), window.bytes.len()));
    let replaced = decode(&patch.replacement, patch.address);
    assert!(replaced[1..].iter().all(|one| one.code() == Code::Int3));

    let thunk = replaced[0].near_branch_target();
    let begin = usize::try_from(thunk - code).unwrap();
    let mut found = decode(&thunks.code[begin..], thunk).into_iter();
    let hit = |number: usize, found: &mut std::vec::IntoIter<Instruction>| {
        let [push, call, lea] = [(); 3].map(|()| found.next().unwrap());
        assert_eq!(push.immediate(0), number as u64);
        assert_eq!((call.code(), call.near_branch_target()), (Code::Call_rel32_64, COMMON + code));
        assert_eq!((lea.code(), lea.op0_register(), lea.memory_displacement64()), (Code::Lea_r64_m, Register::RSP, 8));
    };
    let is_behind_frame = window.turn == Turn::BehindFrame;
    let next = |found: &mut std::vec::IntoIter<Instruction>| {
        let one = found.next().unwrap();
        (one.code(), one.op0_register())
    };
    if is_behind_frame {
        assert_eq!(next(&mut found), (Code::Pop_r64, Register::RBP));
    }
    hits(false).for_each(|(number, _)| hit(*number, &mut found));
    if is_behind_frame {
        assert_eq!(next(&mut found), (Code::Push_r64, Register::RBP));
        let sets = found.next().unwrap();
        assert_eq!((sets.op0_register(), sets.op1_register()), (Register::RBP, Register::RSP));
    }
    let jump = |one: Instruction| (one.code() == Code::Jmp_rel32_64).then(|| one.near_branch_target());
    if let Turn::Call { target } = window.turn {
        assert_eq!(replaced[0].code(), Code::Call_rel32_64);
        assert_eq!(jump(found.next().unwrap()), Some(target.0 + load_bias));
        return;
    }
    assert_eq!(replaced[0].code(), Code::Jmp_rel32_64);
    let mut returns = false;
    for moved in decode(&window.bytes, patch.address) {
        returns = moved.code() == Code::Retnq;
        if returns {
            break;
        }
        let one = found.next().unwrap();
        let mut near = moved;
        near.as_near_branch();
        assert_eq!((one.code(), one.near_branch_target()), (near.code(), near.near_branch_target()));
        assert!(near.is_jcc_short_or_near() || one == moved, "{one:?} {moved:?}");
    }
    hits(true).for_each(|(number, _)| hit(*number, &mut found));
    let tail = found.next().unwrap();
    if returns {
        assert_eq!(tail.code(), Code::Retnq);
    } else {
        assert_eq!(jump(tail), Some(window.end().0 + load_bias));
    }
}

/// A user may name a function in which the write executor has a detour: both want the frame's instructions.
#[test]
fn a_function_that_the_executor_uses_is_observed_too() {
    let own = functions("bytes.(*Buffer).Write(p []byte) (n int, err error)");
    for version in VERSIONS {
        let file = std::fs::read(apps::build("headers", version, Variant::Stripped)).unwrap();
        let binary = GoBinary::parse(&file).unwrap();
        let (load_bias, code) = places(&binary);
        let plan = plan(&binary, &Detours, &own, load_bias);
        assert!(plan.planned.iter().any(|planned| planned.name == "functions"), "{:?}", left_out(&plan));
        let refused = assemble(&plan, load_bias, code, COMMON + code);
        assert!(matches!(refused, Err(ThunkError::Patch(PatchError::Overlap(..)))), "{version:?}");
        let [window] = shared(&plan, load_bias)[..] else { panic!("{version:?}") };
        let then = Then { window, code: code + 0x1000 };
        let thunks = assemble_before(&plan, load_bias, code, COMMON + code, &[then]).unwrap();
        let patch = thunks.patches.iter().find(|patch| patch.address == window).unwrap();
        let thunk = decode(&patch.replacement, patch.address)[0].near_branch_target();
        let found = decode(&thunks.code[usize::try_from(thunk - code).unwrap()..], thunk);
        // POPQ BP, the hit, PUSHQ BP, MOVQ SP, BP.
        assert_eq!((found[6].code(), found[6].near_branch_target()), (Code::Jmp_rel32_64, then.code), "{version:?}");
    }
}
