//! The code is executed: by a caller that sets R14 and looks at registers, flags and memory afterwards.

use bpf::slots::meant_for;

use super::*;

mod fields;

/// Executable memory with a "function" that has a detour, and slots.
struct Machine {
    code: memmap2::Mmap,
    buckets: Box<[Bucket]>,
    entry: usize,
    /// RBX behind the last call.
    taken: std::cell::Cell<*const u8>,
}

const SITE: u32 = 3;
/// The upper end of all stacks here.
const STACK_HIGH: u64 = 0x8000_0000_0000;

/// The first argument of `WriteField` and of `writeHeaders`.
const ENCODER: u64 = 0x1234;
const CONNECTION: u64 = 0x5678;

/// Memory for the structs of goroutines, of which only `stack.hi` matters.
struct Goroutines(Vec<u64>);

impl Goroutines {
    fn new() -> Self {
        Self(vec![STACK_HIGH; 1024])
    }

    /// The address of one; the next ones with the same hash follow at a fixed distance.
    fn address(&self) -> u64 {
        (self.0.as_ptr() as u64).next_multiple_of(64)
    }
}
use bpf::shared::Shared;
use bpf::slots::{BUCKETS, EMPTY};

impl Machine {
    /// PUSHQ BP; MOVQ SP, BP; LEAQ -0x18(SP), SP (by detour; SUBQ would change the flags); LEAQ 0x18(SP), SP; POPQ BP; RET.
    fn new(moment: Moment) -> Self {
        let buckets: Box<[Bucket]> = (0..BUCKETS).map(|_| EMPTY).collect();
        let mut map = memmap2::MmapMut::map_anon(8192).unwrap();
        let base = map.as_ptr() as u64;
        let bytes = vec![0x48, 0x89, 0xe5, 0x48, 0x8d, 0x64, 0x24, 0xe8];
        let detour = Detour { site: SITE, moment, address: base + 1, bytes };
        let stub =
            Stub::assemble(std::slice::from_ref(&detour), Places { slots: buckets.as_ptr() as u64, stack_high: 8 }, base + 4096)
                .unwrap();
        assert!(stub.code.len() <= MOST_BYTES);
        map[0] = 0x55;
        let jump = Stub::jump(&detour, stub.entries[0]).unwrap();
        map[1..=jump.len()].copy_from_slice(&jump);
        map[1 + jump.len()..][..7].copy_from_slice(&[0x48, 0x8d, 0x64, 0x24, 0x18, 0x5d, 0xc3]);
        map[4096..4096 + stub.code.len()].copy_from_slice(&stub.code);
        Self { code: map.make_exec().unwrap(), buckets, entry: 0, taken: std::cell::Cell::new(std::ptr::null()) }
    }

    /// Calls the function as goroutine `g` with known registers and `flags`; returns the registers and flags behind, and
    /// the stack pointer that the detour has seen, which is the same for all calls from one function.
    fn call(&self, g: u64, flags: u64) -> ([u64; 7], u64, u64) {
        self.call_with(g, flags, [1, 2, 3, 4, 5, 6, 7], "")
    }

    /// The same for a function that takes `p` in RBX; also the bytes that it finds there, as many as RCX says then.
    fn write(&self, g: u64, registers: [u64; 7], p: &str) -> (([u64; 7], u64, u64), Vec<u8>) {
        let called = self.call_with(g, ARITHMETIC | FIXED, registers, p);
        let length = usize::try_from(called.0[1]).unwrap();
        // SAFETY: the function has just been given these bytes: `p`, or memory of a slot.
        (called, unsafe { std::slice::from_raw_parts(self.taken.get(), length) }.to_vec())
    }

    /// The same with these in RAX, RCX, RDX, RSI, RDI, R8 and R9, and the address of `name` in RBX.
    #[inline(never)]
    fn call_with(&self, g: u64, flags: u64, mut registers: [u64; 7], name: &str) -> ([u64; 7], u64, u64) {
        let function = self.code.as_ptr() as usize + self.entry;
        let [a, c, d, si, di, eight, nine] = &mut registers;
        let (after, stack_pointer): (u64, u64);
        let taken: *const u8;
        // SAFETY: the function keeps all registers but those listed, and writes only below the stack pointer, where the
        // 128 bytes that this code may use itself are skipped, and where a slot tells it to.
        unsafe {
            std::arch::asm!(
                "sub rsp, 256",
                "push {flags}",
                "popfq",
                "mov {stack_pointer}, rsp",
                "xchg rbx, {name}",
                "call {function}",
                "xchg rbx, {name}",
                "pushfq",
                "pop {flags}",
                "lea rsp, [rsp + 256]",
                function = in(reg) function,
                flags = inout(reg) flags => after,
                stack_pointer = out(reg) stack_pointer,
                name = inout(reg) name.as_ptr() => taken,
                inout("rax") *a, inout("rcx") *c, inout("rdx") *d, inout("rsi") *si, inout("rdi") *di,
                inout("r8") *eight, inout("r9") *nine, in("r14") g,
            );
        }
        self.taken.set(taken);
        // The return address and BP lie below.
        (registers, after, stack_pointer - 16)
    }
}

/// Carry, parity, adjust, zero, sign and overflow.
const ARITHMETIC: u64 = 0x8d5;
/// Always set, and interrupts on.
const FIXED: u64 = 0x202;

#[test]
fn without_a_slot_nothing_changes() {
    let (machine, goroutines) = (Machine::new(Moment::Depth), Goroutines::new());
    for flags in [0, ARITHMETIC, 0x801, 0x0d4, 0x840] {
        let (registers, after, _) = machine.call(goroutines.address(), flags | FIXED);
        assert_eq!(registers, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(after & ARITHMETIC, flags, "{flags:#x}");
    }
}

/// A store of these bytes at this address.
type Command<'b> = (u64, &'b [u8]);

fn fill(machine: &mut Machine, g: u64, stack_pointer: u64, site: u32, commands: &[Command<'_>]) {
    let bucket = &mut machine.buckets[bpf::slots::bucket(g) as usize];
    // SAFETY: nobody else has it.
    let slot = unsafe { bucket.slots[2].get() };
    let mut at = 0;
    for (address, bytes) in commands {
        slot.words[at] = *address;
        slot.words[at + 1] = bytes.len() as u64;
        at += 2;
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            slot.words[at] = u64::from_le_bytes(word);
            at += 1;
        }
    }
    // As if the goroutine's stack ended there.
    slot.meant_for[meant_for::DEPTH] = STACK_HIGH - stack_pointer;
    slot.length = commands.len() as u64;
    bucket.tags[2].set(g + u64::from(site));
}

#[test]
fn a_slot_is_obeyed_once_and_freed() {
    let (mut machine, goroutines) = (Machine::new(Moment::Depth), Goroutines::new());
    let g = goroutines.address();
    let (_, _, stack_pointer) = machine.call(g, FIXED);
    let mut buffer = [0_u8; 100];
    let text: Vec<u8> = (1..=70).collect();
    let mut length = 5_u64;
    let commands: [Command<'_>; 3] = [
        (buffer.as_mut_ptr() as u64 + 3, &text),
        (std::ptr::from_mut(&mut length) as u64, &75_u64.to_le_bytes()),
        (buffer.as_mut_ptr() as u64 + 90, &[9, 8, 7]),
    ];
    fill(&mut machine, g, stack_pointer, SITE, &commands);
    let (registers, after, _) = machine.call(g, ARITHMETIC | FIXED);
    assert_eq!(registers, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(after & ARITHMETIC, ARITHMETIC);
    let buffer = std::hint::black_box(&buffer);
    assert_eq!(&buffer[..3], [0; 3]);
    assert_eq!(&buffer[3..73], text.as_slice());
    assert_eq!(&buffer[73..90], [0; 17]);
    assert_eq!(&buffer[90..94], [9, 8, 7, 0]);
    assert_eq!(*std::hint::black_box(&length), 75);
    assert_eq!(machine.buckets[bpf::slots::bucket(g) as usize].tags.each_ref().map(Shared::get), [0; WAYS]);
}

#[test]
fn what_is_meant_for_another_call_site_or_goroutine_is_not_obeyed() {
    let (mut machine, goroutines) = (Machine::new(Moment::Depth), Goroutines::new());
    let g = goroutines.address();
    let (_, _, stack_pointer) = machine.call(g, FIXED);
    let mut target = 0_u64;
    let command: [Command<'_>; 1] = [(std::ptr::from_mut(&mut target) as u64, &[1])];
    // At another depth of the stack it is dropped; what is meant for another detour stays.
    for (pointer, site, left) in [(stack_pointer + 16, SITE, 0), (stack_pointer, SITE + 1, g + u64::from(SITE) + 1)] {
        fill(&mut machine, g, pointer, site, &command);
        machine.call(g, FIXED);
        assert_eq!(*std::hint::black_box(&target), 0);
        assert_eq!(machine.buckets[bpf::slots::bucket(g) as usize].tags[2].get(), left);
    }
    // Another goroutine with the same hash leaves it alone.
    fill(&mut machine, g, stack_pointer, SITE, &command);
    machine.call(g + (1 << 37), FIXED);
    assert_eq!(*std::hint::black_box(&target), 0);
    assert_eq!(machine.buckets[bpf::slots::bucket(g) as usize].tags[2].get(), g + u64::from(SITE));
}
