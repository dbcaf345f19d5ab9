//! Whether a process still runs the program that it ran: noticed without ptrace, and without asking the process.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroU32;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};

use nix::unistd::{SysconfVar, sysconf};

/// The memory of a process, as it was at a time. Kept by a descriptor of its `/proc/PID/maps`, which stays with this memory and
/// says nothing any more when an exec has replaced it (`m_start`, `fs/proc/task_mmu.c`).
#[derive(Debug)]
pub struct Image {
    pid: NonZeroU32,
    maps: File,
    /// Device and inode of the executed file.
    file: (u64, u64),
}

/// What a process is after an exec.
#[derive(Debug)]
pub enum Successor {
    /// The same file once more.
    Again(Image),
    /// Another program, or one that we may not look into.
    Other,
}

impl Image {
    /// That of `pid` as it is now.
    ///
    /// # Errors
    /// When we may not look into the process, or it has ended.
    pub fn of(pid: NonZeroU32) -> io::Result<Self> {
        let file = fs::metadata(format!("/proc/{pid}/exe"))?;
        Ok(Self { pid, maps: File::open(format!("/proc/{pid}/maps"))?, file: (file.dev(), file.ino()) })
    }

    /// Whether the process has executed a program since, this one again or another. Costs some microseconds.
    #[must_use]
    pub fn is_replaced(&self) -> bool {
        matches!(self.maps.read_at(&mut [0], 0), Ok(0))
            // One that is about to end has no memory either, and no new one.
            && fs::read_to_string(format!("/proc/{}/status", self.pid)).is_ok_and(|status| status.contains("\nVmSize:"))
    }

    /// What the process has executed since, if anything.
    #[must_use]
    pub fn successor(&self) -> Option<Successor> {
        self.is_replaced().then(|| match Self::of(self.pid) {
            Ok(image) if image.file == self.file => Successor::Again(image),
            Ok(_) | Err(_) => Successor::Other,
        })
    }

    /// Whether there are breakpoints in the process's code: the kernel writes each into a copy of its page, and such a page is
    /// anonymous. (`__replace_page`, `kernel/events/uprobes.c`.)
    ///
    /// They come back with an exec by the thread that leads the process; one by another thread takes the place of the leader,
    /// for which the probes were attached. (`uprobe_multi_link_filter`, `kernel/trace/bpf_trace.c`; `de_thread`, `fs/exec.c`.)
    #[must_use]
    pub fn has_breakpoints(&self) -> bool {
        let process = format!("/proc/{}", self.pid);
        let (Ok(exe), Ok(mappings)) = (fs::read_link(format!("{process}/exe")), fs::read_to_string(format!("{process}/smaps")))
        else {
            return false;
        };
        has_anonymous_code(&mappings, &exe.to_string_lossy())
    }

    /// A time after which this image's first threads have started (nanoseconds of `CLOCK_BOOTTIME`), and at most a clock tick
    /// more: an exec ends all threads but its own, and Go's runtime starts others at once. `None` where there is no other.
    #[must_use]
    pub fn threads_since(&self) -> Option<u64> {
        let ticks_per_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().and_then(|ticks| u64::try_from(ticks).ok())?;
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid)).ok()?.flatten();
        let others = threads.filter(|thread| thread.file_name().to_str() != Some(&self.pid.to_string()));
        let starts = others.filter_map(|thread| start_time(&fs::read_to_string(thread.path().join("stat")).ok()?));
        // The tick is cut off.
        starts.min().map(|ticks| (ticks + 1).saturating_mul(1_000_000_000 / ticks_per_second.max(1)))
    }
}

/// Field 22 of `/proc/PID/stat`, in clock ticks; the name in field 2 may hold anything.
fn start_time(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    behind_name.split_whitespace().nth(19)?.parse().ok()
}

/// Whether an executable mapping of the file called `exe` has pages of its own, in the text of `/proc/PID/smaps`.
fn has_anonymous_code(smaps: &str, exe: &str) -> bool {
    let mut is_code = false;
    smaps.lines().any(|line| {
        if let Some(size) = line.strip_prefix("Anonymous:") {
            return is_code && size.trim() != "0 kB";
        }
        // Address, permissions, offset, device, inode, name.
        if let Some(permissions) = line.split(' ').nth(1).filter(|field| field.len() == 4 && field.ends_with(['p', 's'])) {
            is_code = permissions.contains('x') && line.ends_with(exe);
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn an_exec_is_noticed_and_an_end_is_none() {
        let script = "echo; read -r line; exec sh -c 'echo; read -r line'";
        let mut child = Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut go_on = || output.read_line(&mut String::new()).unwrap();
        go_on();
        let pid = NonZeroU32::new(child.id()).unwrap();
        let first = Image::of(pid).unwrap();
        assert!(!first.is_replaced());
        input.write_all(b"\n").unwrap();
        go_on();
        let second = Image::of(pid).unwrap();
        assert!(first.is_replaced() && !second.is_replaced());
        input.write_all(b"\n").unwrap();
        // It has closed its output: it is about to end, or is a zombie.
        go_on();
        assert!(!second.is_replaced());
        child.wait().unwrap();
    }

    #[test]
    fn the_same_file_is_no_other_and_its_threads_are_younger() {
        let script = "echo; read -r line; exec sh -c 'echo; read -r line; exec cat'";
        let mut child = Command::new("sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut go_on = || output.read_line(&mut String::new()).unwrap();
        go_on();
        let first = Image::of(NonZeroU32::new(child.id()).unwrap()).unwrap();
        assert!(first.successor().is_none());
        input.write_all(b"\n").unwrap();
        go_on();
        let Some(Successor::Again(second)) = first.successor() else { panic!("sh has executed sh") };
        assert!(!second.has_breakpoints());
        // `cat` says when it runs.
        input.write_all(b"\n\n").unwrap();
        go_on();
        assert!(matches!(second.successor(), Some(Successor::Other)));
        drop(input);
        child.wait().unwrap();

        let own = Image::of(NonZeroU32::new(std::process::id()).unwrap()).unwrap();
        let before = crate::clock::boot_time();
        // This test's own thread is one of them.
        assert!(own.threads_since().is_some_and(|since| since < before + 1_000_000_000));
    }

    #[test]
    fn pages_of_its_own_are_told_by_smaps() {
        let mapping = |permissions, name, anonymous| {
            format!(
                "00400000-00401000 {permissions} 00000000 fe:00 7 {name}\nRss: 4 kB\nAnonymous:  {anonymous} kB\nVmFlags: rd ex\n"
            )
        };
        let data = mapping("rw-p", "/srv/app", 8);
        assert!(has_anonymous_code(&(mapping("r-xp", "/srv/app", 4) + &data), "/srv/app"));
        assert!(!has_anonymous_code(&(mapping("r-xp", "/srv/app", 0) + &data), "/srv/app"));
        assert!(!has_anonymous_code(&(mapping("r-xp", "/lib/libc.so", 4) + &data), "/srv/app"));
        assert_eq!(start_time("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"), Some(4711));
    }
}
