//! Kernel time into wall-clock time.
//!
//! Probes take `CLOCK_BOOTTIME`, which goes on while the machine sleeps and is never stepped. The difference to the
//! wall clock is measured anew for each batch of records, so that a stepped clock is followed.

use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

/// `wall clock = boot time + offset`, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallClock {
    /// The wall clock when the machine's boot time was `boot`.
    wall: SystemTime,
    boot: u64,
}

impl WallClock {
    /// Measures the offset now: as exactly as the best of a few readings, for between two clocks the thread may have to wait.
    #[must_use]
    pub fn now() -> Self {
        closest(std::array::from_fn::<_, READINGS, _>(|_| Reading {
            before: boot_time(),
            wall: SystemTime::now(),
            after: boot_time(),
        }))
    }

    /// The offset for a known pair of readings.
    #[must_use]
    pub const fn at(wall: SystemTime, boot: u64) -> Self {
        Self { wall, boot }
    }

    /// The wall-clock time of a moment given in nanoseconds of `CLOCK_BOOTTIME`: `wall + (time − boot)`.
    #[must_use]
    pub fn time(&self, time: u64) -> SystemTime {
        let moment = if time >= self.boot {
            self.wall.checked_add(Duration::from_nanos(time - self.boot))
        } else {
            self.wall.checked_sub(Duration::from_nanos(self.boot - time))
        };
        moment.unwrap_or(self.wall)
    }
}

/// Readings of which the best one is taken. Each is three calls into the vDSO, together a fraction of a microsecond.
const READINGS: usize = 4;

/// The wall clock, read between two readings of boot time.
#[derive(Clone, Copy, Debug)]
struct Reading {
    before: u64,
    wall: SystemTime,
    after: u64,
}

/// The offset of the reading that took least; its wall clock was read half-way, or at most half of its time from there.
fn closest(readings: [Reading; READINGS]) -> WallClock {
    let [first, rest @ ..] = readings;
    let took = |reading: &Reading| reading.after.saturating_sub(reading.before);
    let best = rest.into_iter().fold(first, |best, other| if took(&other) < took(&best) { other } else { best });
    WallClock::at(best.wall, best.before + took(&best) / 2)
}

/// Nanoseconds of `CLOCK_BOOTTIME`.
#[must_use]
pub fn boot_time() -> u64 {
    let boot = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    u64::try_from(boot.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    /// A thread that has to wait between two clocks was seen to be off by 130 µs.
    #[test]
    fn a_pause_between_the_clocks_is_not_taken_for_time() {
        let wall = |micros: u64| UNIX_EPOCH + Duration::from_micros(micros);
        let reading = |before: u64, at, after: u64| Reading { before: before * 1_000, wall: wall(at), after: after * 1_000 };
        // Boot time and wall clock are the same here; each reading but the third waits somewhere.
        let readings = [reading(10, 140, 141), reading(200, 201, 330), reading(400, 401, 402), reading(500, 900, 1_300)];
        let clock = closest(readings);
        assert_eq!(clock, WallClock::at(wall(401), 401_000));
        assert_eq!(clock.time(77_000), wall(77));
        // A boot time that is read as one moment, or even goes back, is no reason to panic.
        assert_eq!(closest([reading(7, 7, 7); READINGS]), WallClock::at(wall(7), 7_000));
        assert_eq!(closest([reading(u64::MAX / 1_000, 7, 0); READINGS]).wall, wall(7));
    }

    #[test]
    fn times_before_and_after_the_measurement() {
        let wall = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let clock = WallClock::at(wall, 5_000_000_000);
        assert_eq!(clock.time(5_000_000_000), wall);
        assert_eq!(clock.time(4_000_000_001), wall - Duration::from_nanos(999_999_999));
        assert_eq!(clock.time(7_000_000_000), wall + Duration::from_secs(2));
    }

    #[test]
    fn a_stepped_wall_clock_is_followed_by_the_next_measurement() {
        // The wall clock was set back by an hour while boot time went on by one second.
        let before = WallClock::at(UNIX_EPOCH + Duration::from_secs(10_000), 1_000_000_000);
        let after = WallClock::at(UNIX_EPOCH + Duration::from_secs(6_401), 2_000_000_000);
        assert_eq!(before.time(1_500_000_000), UNIX_EPOCH + Duration::from_millis(10_000_500));
        assert_eq!(after.time(1_500_000_000), UNIX_EPOCH + Duration::from_millis(6_400_500));
    }

    #[test]
    fn sleep_counts_because_boot_time_goes_on() {
        // Both clocks advanced by the hour of sleep: an event before it keeps its wall-clock time.
        let event = 1_000_000_000;
        let before = WallClock::at(UNIX_EPOCH + Duration::from_secs(100), 2_000_000_000);
        let after = WallClock::at(UNIX_EPOCH + Duration::from_secs(3_700), 3_602_000_000_000);
        assert_eq!(before.time(event), after.time(event));
    }

    #[test]
    fn impossible_times_do_not_panic() {
        let clock = WallClock::at(UNIX_EPOCH, u64::MAX);
        let _earlier = clock.time(0);
        let _later = WallClock::at(UNIX_EPOCH, 0).time(u64::MAX);
    }

    #[test]
    fn now_agrees_with_the_system() {
        let boot = Duration::from(clock_gettime(ClockId::CLOCK_BOOTTIME).unwrap());
        let time = WallClock::now().time(u64::try_from(boot.as_nanos()).unwrap());
        let difference = SystemTime::now().duration_since(time).unwrap_or_default();
        assert!(difference < Duration::from_secs(1), "{difference:?}");
    }
}
