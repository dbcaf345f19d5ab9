//! Whether this kernel preempts itself: what it says of that → its way to, where BPF programs must not run.
//!
//! Since Linux 6.13 the stacks of BPF programs that call functions are one for each processor (`bpf_enable_private_stack`), and a uprobe's may
//! be preempted: another task that comes through the same probe then has the same stack.

use std::fs;

/// A kernel's way to preempt itself (`kernel/sched/core.c`, `preempt_modes`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preemption {
    /// `preempt=full`.
    Full,
    /// `preempt=lazy`.
    Lazy,
    /// A real-time kernel.
    RealTime,
}

impl std::fmt::Display for Preemption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Full => "preempt=full",
            Self::Lazy => "preempt=lazy",
            Self::RealTime => "PREEMPT_RT",
        })
    }
}

impl Preemption {
    /// That of this kernel, as far as it can be told; `None` where it does not preempt itself, or does not say.
    #[must_use]
    pub fn of_this_kernel() -> Option<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let version = nix::sys::utsname::uname().map(|name| name.version().to_string_lossy().into_owned()).unwrap_or_default();
        Self::of(&read("/sys/kernel/debug/sched/preempt"), &version, &read("/proc/cmdline"))
    }

    /// By `/sys/kernel/debug/sched/preempt` (`none voluntary (full)`), by `uname -v` (`#1 SMP PREEMPT_DYNAMIC …`), and by the kernel's command
    /// line, which chooses where it is dynamic; each may be empty.
    fn of(chosen: &str, version: &str, command_line: &str) -> Option<Self> {
        let built = |word: &str| version.split_whitespace().any(|found| found == word);
        if built("PREEMPT_RT") {
            return Some(Self::RealTime);
        }
        let in_brackets = chosen.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(name, _)| name);
        let asked = || command_line.split_whitespace().filter_map(|word| word.strip_prefix("preempt=")).next_back();
        match in_brackets.or_else(|| asked().filter(|_| built("PREEMPT_DYNAMIC"))) {
            Some("full") => Some(Self::Full),
            Some("lazy") => Some(Self::Lazy),
            Some(_) => None,
            None if built("PREEMPT") => Some(Self::Full),
            None => built("PREEMPT_LAZY").then_some(Self::Lazy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kernels_say() {
        let dynamic = "#1 SMP PREEMPT_DYNAMIC Debian 6.12.9-1 (2026-01-10)";
        let of = Preemption::of;
        assert_eq!(of("none voluntary (full) lazy\n", dynamic, ""), Some(Preemption::Full));
        assert_eq!(of("none voluntary full (lazy)\n", dynamic, "preempt=full"), Some(Preemption::Lazy));
        assert_eq!(of("none (voluntary) full\n", dynamic, "preempt=full"), None, "it was changed since");
        assert_eq!(of("", dynamic, "quiet preempt=full ro"), Some(Preemption::Full));
        assert_eq!(of("", dynamic, "preempt=full preempt=none"), None);
        assert_eq!(of("", dynamic, ""), None, "it does not say");
        assert_eq!(of("", "#1 SMP PREEMPT Thu Jan 1", ""), Some(Preemption::Full));
        assert_eq!(of("", "#1 SMP PREEMPT_LAZY Thu Jan 1", ""), Some(Preemption::Lazy));
        assert_eq!(of("", "#1 SMP PREEMPT_RT Thu Jan 1", ""), Some(Preemption::RealTime));
        assert_eq!(of("", "#1 SMP Thu Jan 1", "preempt=full"), None, "it cannot");
        assert_eq!(of("(", "", ""), None);
    }
}
