//! What `/proc` says of a process: CPU time and memory.

use std::fs;
use std::path::PathBuf;

/// Nanoseconds of CPU that the threads of a process have used (`/proc/PID/task/TID/schedstat`, first number).
///
/// Neither a Go program nor the launcher ends threads while it serves; a thread that ended would be missing.
pub(crate) fn cpu_time(pid: u32) -> u64 {
    let Ok(tasks) = fs::read_dir(PathBuf::from(format!("/proc/{pid}/task"))) else { return 0 };
    let of_task = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    tasks.flatten().filter_map(of_task).sum()
}

/// A line of `/proc/PID/status` in bytes, such as `VmRSS` or `VmHWM`.
pub(crate) fn memory(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_this_process() {
        assert!(cpu_time(std::process::id()) > 0);
        assert!(memory(std::process::id(), "VmRSS") > 100_000);
        assert_eq!((cpu_time(u32::MAX), memory(u32::MAX, "VmRSS")), (0, 0));
    }
}
