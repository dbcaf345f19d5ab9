//! The code is executed: by a caller that sets R28 and looks at registers and memory afterwards.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bpf::shared::Shared;
use bpf::slots::{BUCKETS, EMPTY};

use super::*;

mod fields;

/// Executable memory with a "function" that has a detour, and slots.
struct Machine {
    code: memmap2::Mmap,
    buckets: Box<[Bucket]>,
}

const SITE: u32 = 3;

/// The first argument of `WriteField` and of `writeHeaders`.
const ENCODER: u64 = 0x1234;
const CONNECTION: u64 = 0x5678;
/// A goroutine; the next ones with the same hash follow at a fixed distance. Nothing is read of it.
const GOROUTINE: u64 = 0x40_0000_1000;
const NEXT: u64 = 1 << 37;

/// R0 to R15, and how often the function's body has run.
type Registers = [u64; 17];

/// Where the body counts.
const RUN: usize = 16;

// Calls the function in R0 with R0 to R15 and R26, in which it counts, from what R1 points to, and R28 from R2; stores what is in them
// then. Of what Go takes for scratch, some has garbage in it.
std::arch::global_asm!(
    ".globl call_detour",
    "call_detour:",
    "stp x29, x30, [sp, #-112]!",
    "mov x29, sp",
    "stp x19, x20, [sp, #16]",
    "stp x21, x22, [sp, #32]",
    "stp x23, x24, [sp, #48]",
    "stp x25, x26, [sp, #64]",
    "stp x27, x28, [sp, #80]",
    "str x1, [sp, #96]",
    "mov x28, x2",
    "mov x17, x1",
    "mov x16, x0",
    "ldp x2, x3, [x17, #16]",
    "ldp x4, x5, [x17, #32]",
    "ldp x6, x7, [x17, #48]",
    "ldp x8, x9, [x17, #64]",
    "ldp x10, x11, [x17, #80]",
    "ldp x12, x13, [x17, #96]",
    "ldp x14, x15, [x17, #112]",
    "ldr x26, [x17, #128]",
    "ldp x0, x1, [x17]",
    "movn x19, #0",
    "movn x23, #0",
    "movn x27, #0",
    "blr x16",
    "ldr x16, [x29, #96]",
    "stp x0, x1, [x16]",
    "stp x2, x3, [x16, #16]",
    "stp x4, x5, [x16, #32]",
    "stp x6, x7, [x16, #48]",
    "stp x8, x9, [x16, #64]",
    "stp x10, x11, [x16, #80]",
    "stp x12, x13, [x16, #96]",
    "stp x14, x15, [x16, #112]",
    "str x26, [x16, #128]",
    "mov x0, sp",
    "eor x0, x0, x29",
    "mov x1, x28",
    "mov sp, x29",
    "ldp x19, x20, [sp, #16]",
    "ldp x21, x22, [sp, #32]",
    "ldp x23, x24, [sp, #48]",
    "ldp x25, x26, [sp, #64]",
    "ldp x27, x28, [sp, #80]",
    "ldp x29, x30, [sp], #112",
    "ret",
);

/// Two words, as the calling convention of C returns them.
#[repr(C)]
struct Kept {
    /// Zero where the stack pointer is that of before.
    stack: u64,
    goroutine: u64,
}

unsafe extern "C" {
    fn call_detour(function: *const u8, registers: &mut Registers, goroutine: u64) -> Kept;
}

/// `MOVD.W R30, -32(RSP)`.
const FRAME: u32 = 0xf81e_0ffe;

impl Machine {
    /// The frame (by detour); `ADD $1, R26`; `MOVD.P 32(RSP), R30`; `RET`.
    fn new(moment: Moment) -> Self {
        let buckets: Box<[Bucket]> = (0..BUCKETS).map(|_| EMPTY).collect();
        let mut map = memmap2::MmapMut::map_anon(8192).unwrap();
        let base = map.as_ptr() as u64;
        let detour = Detour { site: SITE, moment, address: base, bytes: FRAME.to_le_bytes().to_vec() };
        let code = assemble(&detour, buckets.as_ptr() as u64, base + 4096).unwrap();
        assert!(code.len() <= MOST_BYTES, "{moment:?} has {} bytes", code.len());
        let words = [0x9100_075a_u32, 0xf842_07fe, 0xd65f_03c0].map(u32::to_le_bytes).concat();
        map[..4].copy_from_slice(&branch(&detour, base + 4096).unwrap());
        map[4..][..words.len()].copy_from_slice(&words);
        map[4096..][..code.len()].copy_from_slice(&code);
        // What becomes executable is made visible (mprotect(2); `__sync_icache_dcache`, `arch/arm64/mm/flush.c`).
        Self { code: map.make_exec().unwrap(), buckets }
    }

    /// Calls the function as goroutine `g` with these in R0 and up; returns what is there behind.
    fn call(&self, g: u64, arguments: [u64; 7]) -> Registers {
        let mut registers: Registers = std::array::from_fn(|number| number as u64 + 100);
        registers[..7].copy_from_slice(&arguments);
        registers[RUN] = 0;
        let before = registers;
        // SAFETY: the function is that of `new`, whose code keeps to C's registers but for those that `call_detour` saves; the arguments are
        // addresses where the slot makes it look at them.
        let kept = unsafe { call_detour(self.code.as_ptr(), &mut registers, g) };
        assert_eq!((kept.stack, kept.goroutine), (0, g));
        assert_eq!(registers[7..RUN], before[7..RUN]);
        registers
    }

    fn tag(&self, g: u64) -> &Shared<u64> {
        &self.buckets[bpf::slots::bucket(g) as usize].tags[2]
    }
}

#[test]
fn without_a_slot_nothing_changes() {
    for moment in [Moment::Field, Moment::Buffer, Moment::Headers, Moment::Frame] {
        let machine = Machine::new(moment);
        let registers = machine.call(GOROUTINE, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((&registers[..7], registers[RUN]), ([1, 2, 3, 4, 5, 6, 7].as_slice(), 1), "{moment:?}");
    }
}

#[test]
fn what_is_for_bpf_alone_is_refused() {
    let detour = Detour { site: SITE, moment: Moment::Depth, address: 0x1000, bytes: FRAME.to_le_bytes().to_vec() };
    assert!(matches!(assemble(&detour, 0, 0x2000), Err(StubError::NotMade)));
    let far = 0x1000 + (1 << 27);
    assert!(matches!(branch(&detour, far), Err(StubError::OutOfReach(to)) if to == far));
    let detour = Detour { moment: Moment::Frame, ..detour };
    assert!(matches!(assemble(&detour, 0, far + 4096), Err(StubError::OutOfReach(0x1004))));
}

/// Whoever swaps the tag first has the slot.
#[test]
fn a_slot_that_another_takes_is_not_armed() {
    const ROUNDS: u64 = 20_000;
    let machine = Machine::new(Moment::Field);
    let (queued, armed) = (GOROUTINE + u64::from(SITE), GOROUTINE + u64::from(SITE | site::ARMED));
    let bucket = &machine.buckets[bpf::slots::bucket(GOROUTINE) as usize];
    // SAFETY: nobody else has it.
    unsafe { bucket.slots[2].get() }.meant_for = [ENCODER, 0, 0];
    // SAFETY: aligned, and as long as the machine is; all who change it do so by this.
    let tag = unsafe { AtomicU64::from_ptr(machine.tag(GOROUTINE).as_ptr()) };
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let taker = scope.spawn(|| {
            let mut taken = 0;
            while !is_done.load(Ordering::Acquire) {
                taken += u64::from(tag.compare_exchange(queued, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok());
            }
            taken
        });
        let mut count = 0;
        for _ in 0..ROUNDS {
            tag.store(queued, Ordering::Release);
            machine.call(GOROUTINE, [ENCODER, "accept".as_ptr() as u64, 6, 3, 4, 5, 6]);
            let found = tag.load(Ordering::Acquire);
            assert!(found == armed || found == 1, "{found:#x}");
            count += u64::from(found == armed);
        }
        is_done.store(true, Ordering::Release);
        assert_eq!(count + taker.join().unwrap(), ROUNDS);
    });
}
