//! How the code in the program tells the time: a line from the processor's counter to `CLOCK_BOOTTIME`, drawn anew with each look at the
//! ring; or the kernel's function in the vDSO, where the kernel does not trust the counter either.

use std::io;
use std::path::Path;
use std::sync::OnceLock;

use native::clock::{Clock, FRACTION, Line};

use crate::clock::boot_time;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    counter: u64,
    time: u64,
}

/// Readings of which the closest is taken: between two clocks the thread may have to wait.
const READINGS: usize = 8;

impl Pair {
    /// Now.
    pub(super) fn now() -> Self {
        let reading = |_| {
            let before = counter();
            let time = boot_time();
            (counter().wrapping_sub(before), Self { counter: before, time })
        };
        let closest = (0..READINGS).map(reading).min_by_key(|(took, _)| *took);
        // Half-way between the two readings of the counter.
        closest.map_or(Self { counter: 0, time: 0 }, |(took, pair)| Self { counter: pair.counter + took / 2, ..pair })
    }

    /// Nanoseconds of each count from an earlier pair to this one, times 2^[`FRACTION`]; `None` where that is nothing.
    fn rate_since(self, earlier: Self) -> Option<u64> {
        let (counts, time) = (self.counter.checked_sub(earlier.counter)?, self.time.checked_sub(earlier.time)?);
        let rate = (u128::from(time) << FRACTION).checked_div(counts.into())?;
        u64::try_from(rate).ok().filter(|rate| *rate != 0)
    }
}

/// When the launcher began: from then on the rate of the counter is measured.
static BEGIN: OnceLock<Pair> = OnceLock::new();

/// Notes the time at which the launcher begins.
pub fn begin() {
    BEGIN.get_or_init(Pair::now);
}

/// The counter: `RDTSC`.
#[cfg(target_arch = "x86_64")]
fn counter() -> u64 {
    // SAFETY: every processor has the instruction, and it changes nothing.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The counter: `CNTVCT_EL0`.
#[cfg(target_arch = "aarch64")]
fn counter() -> u64 {
    let count: u64;
    // SAFETY: the kernel lets programs read it, or reads it for them, and that changes nothing. Not before what stands before it.
    unsafe { std::arch::asm!("isb", "mrs {count}, cntvct_el0", count = out(reg) count, options(nostack, preserves_flags)) };
    count
}

/// Counts in a second; 0 where that is to be measured.
#[cfg(target_arch = "x86_64")]
fn frequency() -> u64 {
    0
}

/// Counts in a second: `CNTFRQ_EL0`.
#[cfg(target_arch = "aarch64")]
fn frequency() -> u64 {
    let frequency: u64;
    // SAFETY: programs may read it, and that changes nothing.
    unsafe { std::arch::asm!("mrs {frequency}, cntfrq_el0", frequency = out(reg) frequency, options(nostack, preserves_flags)) };
    frequency
}

/// What the kernel calls the counter.
const COUNTER: &str = if cfg!(target_arch = "aarch64") { "arch_sys_counter" } else { "tsc" };

/// Whether the kernel itself tells the time by the counter: then it is the same on all processors and never stops.
pub(super) fn is_trusted() -> bool {
    const SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    #[cfg(debug_assertions)]
    if super::planted::distrusts_counter() {
        return false;
    }
    std::fs::read_to_string(Path::new(SOURCE)).is_ok_and(|name| name.trim() == COUNTER)
}

/// Draws the line anew, so that time goes on without a jump and comes to what the kernel says by the next time.
#[derive(Debug)]
pub(super) struct Renewal {
    last: Pair,
    line: Line,
}

/// Beyond this many nanoseconds, time jumps: the machine was asleep, or has moved.
const JUMP: u64 = 1_000_000;
/// The time in which a difference is made up for, in nanoseconds: that between two looks.
const SOON: u64 = 100_000_000;
/// Pairs closer to each other than this many nanoseconds do not tell the rate better.
const CLOSE: u64 = 5_000_000;

impl Renewal {
    /// The first line.
    pub(super) fn begin(clock: &Clock) -> Self {
        let now = Pair::now();
        let known = (1_000_000_000_u64 << FRACTION).checked_div(frequency()).filter(|rate| *rate != 0);
        let measured = || BEGIN.get().and_then(|begin| now.rate_since(*begin));
        let rate = known.or_else(measured).unwrap_or(1 << FRACTION);
        let line = Line { at: now.counter, time: now.time, rate };
        clock.set(line);
        Self { last: now, line }
    }

    /// The next one.
    pub(super) fn renew(&mut self, clock: &Clock) {
        let now = Pair::now();
        if now.time.saturating_sub(self.last.time) < CLOSE {
            return;
        }
        self.line = self.next(now);
        self.last = now;
        clock.set(self.line);
    }

    fn next(&self, now: Pair) -> Line {
        let rate = now.rate_since(self.last).unwrap_or(self.line.rate);
        let said = self.line.time(now.counter);
        let ahead = now.time.wrapping_sub(said).cast_signed();
        if ahead.unsigned_abs() > JUMP {
            return Line { at: now.counter, time: now.time, rate };
        }
        // The difference, spread over the counts of the time until the next look.
        let correction = i128::from(ahead) * i128::from(rate) / i128::from(SOON);
        let corrected = u64::try_from(i128::from(rate) + correction).unwrap_or(rate);
        Line { at: now.counter, time: said, rate: corrected }
    }
}

/// The address of `__vdso_clock_gettime` in a process whose vDSO is at `base` (`AT_SYSINFO_EHDR`), where `read` reads. Not in this
/// process's own: a launcher with capabilities may not read its own memory by `/proc` (its files are root's then, proc(5)).
pub(super) fn function(base: u64, read: impl Fn(u64, usize) -> io::Result<Vec<u8>>) -> Option<u64> {
    use object::elf::FileHeader64;
    use object::{NativeEndian, Object as _, ObjectSymbol as _};
    const NAME: &str = "__vdso_clock_gettime";
    if cfg!(not(target_arch = "x86_64")) {
        // Every kernel tells the time by the counter there.
        return None;
    }
    let begin = read(base, size_of::<FileHeader64<NativeEndian>>()).ok()?;
    let (header, _) = object::pod::from_bytes::<FileHeader64<NativeEndian>>(&begin).ok()?;
    // The whole file is mapped, and at its end are the headers of its sections.
    let sections = u64::from(header.e_shentsize.get(NativeEndian)) * u64::from(header.e_shnum.get(NativeEndian));
    let size = header.e_shoff.get(NativeEndian).checked_add(sections).filter(|size| *size <= LARGEST_VDSO)?;
    let image = read(base, usize::try_from(size).ok()?).ok()?;
    let file = object::File::parse(image.as_slice()).ok()?;
    let symbol = file.dynamic_symbols().find(|symbol| symbol.name() == Ok(NAME))?;
    Some(base.wrapping_add(symbol.address()))
}

/// Those of kernels have two or three pages.
const LARGEST_VDSO: u64 = 1 << 16;

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn the_line_comes_back_to_the_kernels_time_without_a_jump() {
        // 2 GHz, drawn as if it were 2.002.
        let line = Line { at: 0, time: 0, rate: (1 << 31) - (1 << 21) };
        let mut renewal = Renewal { last: Pair { counter: 0, time: 0 }, line };
        let mut worst = u64::MAX;
        for turn in 1..=20_u64 {
            let now = Pair { counter: turn * 200_000_000, time: turn * 100_000_000 };
            let before = renewal.line.time(now.counter);
            let next = renewal.next(now);
            assert_eq!(next.time(now.counter), before, "time goes on");
            worst = before.abs_diff(now.time);
            renewal = Renewal { last: now, line: next };
        }
        assert!(worst < 10, "{worst} ns after two seconds");
    }

    #[test]
    fn a_machine_that_was_asleep_makes_time_jump() {
        let line = Line { at: 0, time: 0, rate: 1 << 31 };
        let renewal = Renewal { last: Pair { counter: 0, time: 0 }, line };
        // A second of sleep, in which the counter stood.
        let now = Pair { counter: 200_000_000, time: 1_100_000_000 };
        assert_eq!(renewal.next(now).time(now.counter), now.time);
    }

    type ClockGettime = extern "C" fn(libc::clockid_t, *mut libc::timespec) -> libc::c_int;

    #[test]
    fn the_kernels_function_is_found_and_tells_the_same_time() {
        // SAFETY: getauxval takes a number and touches no memory.
        let base = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
        let memory = File::open("/proc/self/mem").unwrap();
        let read = |address, size| {
            let mut bytes = vec![0; size];
            memory.read_exact_at(&mut bytes, address).map(|()| bytes)
        };
        let address = function(base, read).unwrap();
        assert_eq!(function(0, read), None);
        // SAFETY: it is the function of that name.
        let function: ClockGettime = unsafe { std::mem::transmute(usize::try_from(address).unwrap()) };
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let before = boot_time();
        assert_eq!(function(libc::CLOCK_BOOTTIME, &raw mut time), 0);
        let told = u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap();
        assert!((before..=boot_time()).contains(&told));
    }
}
