//! Functions of a real program, copied into this process and run there, with thunks and without: the results are the same, and
//! each hit has happened, with the registers that a probe's body is to see.

use bpf::config::Cookie;
use go_auto_launch::binary::{Cost, FileOffset, Function, GoBinary, Turn, VirtAddr, Window};
use go_auto_launch::engine::native::{Detours, SiteEntry, Thunks, assemble};
use go_auto_launch::probes::plan::{Plan, Planned};
use go_auto_launch::probes::probe::{Body, Event, Point, Probe, When};
use go_auto_launch::probes::site::{Ends, Instruction, Placement as _, Site};
use iced_x86::IcedError;
use iced_x86::code_asm::{
    AsmRegister64, CodeAssembler, al, eax, qword_ptr, r8, r9, r10, r11, r12, r13, r14, r15, rax, rbp, rbx, rcx, rdi, rdx, rsi,
    rsp,
};
use memmap2::MmapMut;

use super::support::apps::{self, Variant};

/// What is run: its name behind the package's, its first arguments, its first result.
const CALLS: [(&str, &[u64], u64); 8] = [
    ("Work", &[41], 42),
    ("Factorial", &[1], 1),
    ("Factorial", &[10], 3_628_800),
    ("Nine", &[7], 7),
    ("Nine", &[1001], 0),
    ("Money.Add", &[5, 0, 0, 6], 11),
    ("Total", &[0, 0, 0], 0),
    ("Total", &[ITEMS, 2, 2], 12),
];
/// Stands for the address of two items of a slice.
const ITEMS: u64 = u64::MAX;
/// As in `shop.go`: a name, and cents.
static SOLD: [(u64, u64, u64); 2] = [(0, 0, 5), (0, 0, 7)];
/// Where what calls functions is, …
const ENTER: usize = 0;
/// … `common`, …
const COMMON: usize = 0x200;
/// … the thunks, …
const THUNKS: usize = 0x1000;
/// … and what was copied.
const ROOM: usize = 0x4000;
/// The registers of Go's ABI for integers.
const INTEGERS: [AsmRegister64; 9] = [rax, rbx, rcx, rdi, rsi, r8, r9, r10, r11];

/// What `common` notes of a hit.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Hit {
    number: u64,
    /// The thunk's, before it has pushed the number.
    stack: u64,
    frame: u64,
    first: u64,
    second: u64,
}

/// What is given to a function, and what comes of it.
#[repr(C)]
#[derive(Clone, Debug, Default)]
struct Registers {
    integers: [u64; 9],
    /// BP before and behind the call.
    frame: [u64; 2],
    /// The stack pointer at the call, and behind it.
    stack: [u64; 2],
}

/// The functions at their distances from each other, with room for thunks before them.
struct Copied {
    memory: MmapMut,
    load_bias: u64,
}

impl Copied {
    fn new(binary: &GoBinary<'_>, functions: &[Function], log: &mut Log) -> Self {
        let code = functions.iter().map(|function| (function.entry.0, binary.code(function).unwrap()));
        Self::of(&code.collect::<Vec<_>>(), log)
    }

    /// Of code with its addresses.
    fn of(functions: &[(u64, &[u8])], log: &mut Log) -> Self {
        let first = functions.iter().map(|(entry, _)| *entry).min().unwrap();
        let last = functions.iter().map(|(entry, code)| entry + code.len() as u64).max().unwrap();
        let length = usize::try_from(last - first).unwrap();
        let mut memory = MmapMut::map_anon(ROOM + length + 64).unwrap();
        let base = memory.as_ptr() as u64;
        let load_bias = (base + ROOM as u64).wrapping_sub(first);
        memory.fill(0xcc);
        for (entry, code) in functions {
            let at = ROOM + usize::try_from(entry - first).unwrap();
            memory[at..at + code.len()].copy_from_slice(code);
        }
        for (at, code) in [(ENTER, enter(base).unwrap()), (COMMON, common(base + COMMON as u64, log).unwrap())] {
            assert!(code.len() <= 0x200);
            memory[at..at + code.len()].copy_from_slice(&code);
        }
        // SAFETY: the pages are ours, and hold code that was copied from a program or assembled here.
        let result = unsafe {
            libc::mprotect(memory.as_mut_ptr().cast(), memory.len(), libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC)
        };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        Self { memory, load_bias }
    }

    fn base(&self) -> u64 {
        self.memory.as_ptr() as u64
    }

    fn place(&mut self, thunks: &Thunks) {
        assert!(THUNKS + thunks.code.len() <= ROOM);
        self.memory[THUNKS..THUNKS + thunks.code.len()].copy_from_slice(&thunks.code);
        for patch in &thunks.patches {
            let at = usize::try_from(patch.address - self.base()).unwrap();
            let there = &mut self.memory[at..at + patch.original.len()];
            assert_eq!(there, patch.original);
            there.copy_from_slice(&patch.replacement);
        }
    }

    /// Calls a function on a goroutine of which nothing but `stackguard0`, its third word, is read: below that its stack is too small.
    fn call(&self, function: VirtAddr, registers: &mut Registers, stack_guard: u64) {
        let mut goroutine = [0, 0, stack_guard, 0, 0, 0, 0, 0];
        // SAFETY: `enter` keeps to the C ABI, with these three arguments; the page with it is executable.
        let enter: extern "sysv64" fn(*mut Registers, u64, *mut [u64; 8]) =
            unsafe { std::mem::transmute(self.memory.as_ptr().add(ENTER)) };
        enter(registers, function.0.wrapping_add(self.load_bias), &raw mut goroutine);
    }
}

/// Hits, as `common` writes them.
struct Log {
    count: Box<u64>,
    hits: Vec<Hit>,
}

impl Log {
    fn new() -> Self {
        Self { count: Box::new(0), hits: vec![Hit::default(); 256] }
    }

    /// Those since the last time.
    fn take(&mut self) -> Vec<Hit> {
        let count: *mut u64 = &raw mut *self.count;
        // SAFETY: it lives, and nothing but the code that has returned has written there.
        let found = unsafe { std::ptr::replace(count, 0) };
        self.hits[..usize::try_from(found).unwrap()].to_vec()
    }
}

/// Calls the function at RSI with the registers at RDI, for the goroutine at RDX.
fn enter(at: u64) -> Result<Vec<u8>, IcedError> {
    const KEPT: [AsmRegister64; 6] = [rbx, rbp, r12, r13, r14, r15];
    let field = |index: i32| qword_ptr(r15 + index * 8);
    let mut asm = CodeAssembler::new(64)?;
    KEPT.into_iter().try_for_each(|register| asm.push(register))?;
    // Room in which the function may spill its arguments.
    asm.sub(rsp, 0x108)?;
    asm.mov(qword_ptr(rsp + 0x100), rdi)?;
    asm.mov(r15, rdi)?;
    asm.mov(r14, rdx)?;
    asm.mov(r12, rsi)?;
    asm.mov(field(9), rbp)?;
    asm.mov(field(11), rsp)?;
    for (index, register) in (0..).zip(INTEGERS) {
        asm.mov(register, field(index))?;
    }
    asm.call(r12)?;
    asm.mov(r15, qword_ptr(rsp + 0x100))?;
    for (index, register) in (0..).zip(INTEGERS) {
        asm.mov(field(index), register)?;
    }
    asm.mov(field(10), rbp)?;
    asm.mov(field(12), rsp)?;
    asm.add(rsp, 0x108)?;
    KEPT.into_iter().rev().try_for_each(|register| asm.pop(register))?;
    asm.ret()?;
    asm.assemble(at)
}

/// Notes the hit whose number lies behind the return address, and changes neither registers nor flags.
fn common(at: u64, log: &mut Log) -> Result<Vec<u8>, IcedError> {
    let mut asm = CodeAssembler::new(64)?;
    asm.push(rax)?;
    asm.lahf()?;
    asm.seto(al)?;
    asm.push(rax)?;
    asm.push(rcx)?;
    asm.push(rdx)?;
    asm.mov(rcx, &raw mut *log.count as u64)?;
    asm.mov(rax, qword_ptr(rcx))?;
    asm.inc(qword_ptr(rcx))?;
    asm.imul_3(rax, rax, i32::try_from(size_of::<Hit>()).unwrap())?;
    asm.mov(rcx, log.hits.as_mut_ptr() as u64)?;
    asm.add(rcx, rax)?;
    asm.mov(rax, qword_ptr(rsp + 40))?;
    asm.mov(qword_ptr(rcx), rax)?;
    asm.lea(rax, qword_ptr(rsp + 48))?;
    asm.mov(qword_ptr(rcx + 8), rax)?;
    asm.mov(qword_ptr(rcx + 16), rbp)?;
    asm.mov(rax, qword_ptr(rsp + 24))?;
    asm.mov(qword_ptr(rcx + 24), rax)?;
    asm.mov(qword_ptr(rcx + 32), rbx)?;
    // Other flags than before.
    asm.xor(eax, eax)?;
    asm.pop(rdx)?;
    asm.pop(rcx)?;
    asm.pop(rax)?;
    asm.add(al, 127)?;
    asm.sahf()?;
    asm.pop(rax)?;
    asm.ret()?;
    asm.assemble(at)
}

/// Start, ends and own calls of each function, all twice.
fn plan(binary: &GoBinary<'_>, functions: &[Function]) -> Plan {
    let ends = Ends { results: 1, reads_memory: true, is_final: true, is_whole: true, behind: None, load_bias: Some(0) };
    let mut probes = Vec::new();
    for function in functions {
        let mut add = |point: Point, sites: Vec<Site>| {
            let event = Event { meaning: "", when: When::Start, body: Body::Operations, number: point as u32 };
            probes.push(Probe { function: function.name.clone(), event, point, sites });
        };
        for _ in 0..2 {
            add(Point::Entry, vec![Detours.entry(binary, function).unwrap()]);
            let own = binary.calls(function).unwrap().filter(|call| call.target == function.entry);
            add(Point::Call, own.map(|call| Detours.call(binary, function, call.site).unwrap()).collect());
            add(Point::End, Detours.ends(binary, function, ends).unwrap());
        }
    }
    Plan { planned: vec![Planned { probes, ..Planned::default() }], ..Plan::default() }
}

#[test]
fn functions_do_the_same_by_way_of_thunks() {
    for version in super::VERSIONS {
        let file = std::fs::read(apps::build("functions", version, Variant::Stripped)).unwrap();
        let binary = GoBinary::parse(&file).unwrap();
        let name = |name: &str| format!("example.test/functions/shop.{name}");
        let names: Vec<String> = CALLS.iter().map(|(function, ..)| name(function)).collect();
        let found = binary.functions(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let functions: Vec<Function> = found.iter().cloned().collect();
        let mut log = Log::new();
        let mut copied = Copied::new(&binary, &functions, &mut log);
        let mut run = |copied: &Copied| -> Vec<(Registers, Vec<Hit>)> {
            let mut results = Vec::new();
            for (function, arguments, _) in CALLS {
                let mut registers = Registers::default();
                for (register, argument) in registers.integers.iter_mut().zip(arguments) {
                    *register = if *argument == ITEMS { SOLD.as_ptr() as u64 } else { *argument };
                }
                copied.call(found.only(&name(function)).unwrap().unwrap().entry, &mut registers, 0);
                results.push((registers, log.take()));
            }
            results
        };
        let before = run(&copied);
        assert!(before.iter().all(|(_, hits)| hits.is_empty()));

        let plan = plan(&binary, &functions);
        let base = copied.base();
        let thunks = assemble(&plan, copied.load_bias, base + THUNKS as u64, base + COMMON as u64).unwrap();
        copied.place(&thunks);
        let by_thunks = run(&copied);
        for (((function, arguments, result), (plain, _)), (registers, hits)) in CALLS.iter().zip(before).zip(by_thunks) {
            let what = format!("{version:?}: {function} {arguments:?}");
            assert_eq!(registers.integers[0], *result, "{what}");
            assert_eq!(registers.integers, plain.integers, "{what}");
            for Registers { frame, stack, .. } in [&registers, &plain] {
                assert_eq!((frame[0], stack[0]), (frame[1], stack[1]), "{what}");
            }
            let depth = if *function == "Factorial" { arguments[0] } else { 1 };
            hits_are_right(&thunks.sites, &hits, &registers, depth, &what);
        }
    }
}

/// Each call is an entry, perhaps a call of its own, and an end, all twice.
fn hits_are_right(sites: &[SiteEntry], hits: &[Hit], registers: &Registers, depth: u64, what: &str) {
    let site = |hit: &Hit| sites[usize::try_from(hit.number).unwrap()];
    let of = |point: Point| {
        let wanted = Cookie { event: point as u32, recipe: 0 };
        hits.iter().filter(move |hit| site(hit).cookie == wanted).collect::<Vec<_>>()
    };
    let seen = |hit: &Hit| hit.stack + u64::from(site(hit).stack);
    let (entries, calls, ends) = (of(Point::Entry), of(Point::Call), of(Point::End));
    let counts = [entries.len(), calls.len(), ends.len()].map(|count| count as u64);
    assert_eq!(counts, [2 * depth, 2 * (depth - 1), 2 * depth], "{what}: {hits:?}");
    // At the outermost start and end the return address of `enter` is on top of the stack, and BP is its.
    let [outer, .., last] = [entries[0], ends[0], ends[ends.len() - 1]];
    let expected = (registers.stack[0] - 8, registers.frame[0]);
    assert_eq!((seen(outer), outer.frame), expected, "{what}");
    assert_eq!((seen(last), last.frame), expected, "{what}");
    assert_eq!(last.first, registers.integers[0], "{what}");
    assert_eq!(last.second, registers.integers[1], "{what}");
    for [one, two] in entries.as_chunks().0.iter().chain(calls.as_chunks().0).chain(ends.as_chunks().0) {
        assert!(one.number < two.number && (one.stack, one.frame) == (two.stack, two.frame), "{what}");
        assert_eq!(site(one).address, site(two).address, "{what}");
    }
    // What is called begins with the return address below what the call has seen.
    for (call, entry) in calls.iter().zip(&entries[2..]) {
        assert_eq!(seen(call) - 8, seen(entry), "{what}");
        assert_eq!(call.first, entry.first, "{what}");
    }
}

/// A function without a frame: its stack check runs in the thunk, and again when the stack has grown; then the body.
#[test]
fn a_stack_check_runs_in_the_thunk() {
    const START: u64 = 0x1000;
    let code = unframed(START).unwrap();
    let mut log = Log::new();
    let mut copied = Copied::of(&[(START, &code)], &mut log);
    let window = |at: usize, length: usize, turn: Turn| Window {
        address: VirtAddr(START + at as u64),
        bytes: code[at..at + length].to_vec(),
        turn,
        stack: 0,
    };
    let (offset, cost, recipes) = (FileOffset(0), Cost::Detour, Vec::new());
    let site = |address: u64, window: Window| {
        let (instruction, patch) = (Instruction::PushFrame, Some(window));
        vec![Site { address: VirtAddr(address), offset, instruction, cost, recipes: recipes.clone(), recipe: 0, patch }]
    };
    let probe = |point: Point, sites: Vec<Site>| {
        let event = Event { meaning: "", when: When::Start, body: Body::Operations, number: point as u32 };
        Probe { function: "f".to_owned(), event, point, sites }
    };
    let ret = code.iter().position(|byte| *byte == 0xc3).unwrap();
    let probes = vec![
        probe(Point::Entry, site(START + 6, window(0, 6, Turn::After))),
        probe(Point::End, site(START + ret as u64, window(ret - 4, 5, Turn::After))),
    ];
    let plan = Plan { planned: vec![Planned { probes, ..Planned::default() }], ..Plan::default() };
    let base = copied.base();
    let thunks = assemble(&plan, copied.load_bias, base + THUNKS as u64, base + COMMON as u64).unwrap();
    copied.place(&thunks);
    for stack_guard in [0, u64::MAX] {
        let mut registers = Registers::default();
        registers.integers[0] = 20;
        copied.call(VirtAddr(START), &mut registers, stack_guard);
        // 1 for each growth of the stack.
        assert_eq!(registers.integers[..2], [41, u64::from(stack_guard != 0)], "{registers:?}");
        let hits = log.take();
        let seen: Vec<_> = hits.iter().map(|hit| (hit.number, hit.stack, hit.frame, hit.first)).collect();
        let (stack, frame) = (registers.stack[0] - 8, registers.frame[0]);
        assert_eq!(seen, [(0, stack, frame, 20), (1, stack, frame, 41)]);
    }
}

/// `CMPQ SP, 16(R14); JBE grow; PUSHQ BP; MOVQ SP, BP; CALL double; POPQ BP; INCQ AX; RET`, with what grows the stack and `double`.
fn unframed(at: u64) -> Result<Vec<u8>, IcedError> {
    let mut asm = CodeAssembler::new(64)?;
    let (mut start, mut grow, mut double) = (asm.create_label(), asm.create_label(), asm.create_label());
    asm.set_label(&mut start)?;
    asm.cmp(rsp, qword_ptr(r14 + 16))?;
    asm.jbe(grow)?;
    asm.push(rbp)?;
    asm.mov(rbp, rsp)?;
    asm.call(double)?;
    asm.inc(rax)?;
    asm.pop(rbp)?;
    asm.ret()?;
    asm.set_label(&mut double)?;
    asm.add(rax, rax)?;
    asm.ret()?;
    asm.set_label(&mut grow)?;
    asm.mov(qword_ptr(r14 + 16), 0)?;
    asm.inc(rbx)?;
    asm.jmp(start)?;
    asm.assemble(at)
}
