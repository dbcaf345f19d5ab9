//! Names and numbers of signals.

/// The signals with a name of their own, as `kill -l` lists them, and the other names some of them have (signal(7)).
const NAMES: [(&str, i32); 34] = [
    ("HUP", libc::SIGHUP),
    ("INT", libc::SIGINT),
    ("QUIT", libc::SIGQUIT),
    ("ILL", libc::SIGILL),
    ("TRAP", libc::SIGTRAP),
    ("ABRT", libc::SIGABRT),
    ("IOT", libc::SIGABRT),
    ("BUS", libc::SIGBUS),
    ("FPE", libc::SIGFPE),
    ("KILL", libc::SIGKILL),
    ("USR1", libc::SIGUSR1),
    ("SEGV", libc::SIGSEGV),
    ("USR2", libc::SIGUSR2),
    ("PIPE", libc::SIGPIPE),
    ("ALRM", libc::SIGALRM),
    ("TERM", libc::SIGTERM),
    ("STKFLT", libc::SIGSTKFLT),
    ("CHLD", libc::SIGCHLD),
    ("CONT", libc::SIGCONT),
    ("STOP", libc::SIGSTOP),
    ("TSTP", libc::SIGTSTP),
    ("TTIN", libc::SIGTTIN),
    ("TTOU", libc::SIGTTOU),
    ("URG", libc::SIGURG),
    ("XCPU", libc::SIGXCPU),
    ("XFSZ", libc::SIGXFSZ),
    ("VTALRM", libc::SIGVTALRM),
    ("PROF", libc::SIGPROF),
    ("WINCH", libc::SIGWINCH),
    ("IO", libc::SIGIO),
    ("POLL", libc::SIGIO),
    ("PWR", libc::SIGPWR),
    ("SYS", libc::SIGSYS),
    ("CLD", libc::SIGCHLD),
];

/// The first real-time signal that programs use: 32 and 33 are glibc's own (signal(7)). What `kill -l` calls RTMIN.
const RTMIN: i32 = 34;
/// The last one.
const RTMAX: i32 = 64;

/// A signal by its number (1–64) or name: `15`, `TERM`, `SIGTERM`, `sigterm`, `RTMIN+3`, `SIGRTMAX-1`.
pub(super) fn number(text: &str) -> Option<i32> {
    let valid = |number: &i32| (1..=RTMAX).contains(number);
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().ok().filter(valid);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let distance = |rest: &str, sign| if rest.is_empty() { Some(0) } else { rest.strip_prefix(sign)?.parse::<u8>().ok() };
    if let Some(rest) = name.strip_prefix("RTMIN") {
        return Some(RTMIN + i32::from(distance(rest, '+')?)).filter(valid);
    }
    if let Some(rest) = name.strip_prefix("RTMAX") {
        return Some(RTMAX - i32::from(distance(rest, '-')?)).filter(|&number| number >= RTMIN);
    }
    NAMES.iter().find(|(found, _)| *found == name).map(|&(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_in_every_spelling() {
        for term in ["15", "TERM", "SIGTERM", "sigterm", "Term"] {
            assert_eq!(number(term), Some(15), "{term}");
        }
        assert_eq!(number("RTMIN"), Some(34));
        assert_eq!(number("SIGRTMIN+3"), Some(37));
        assert_eq!(number("rtmax-1"), Some(63));
        assert_eq!(number("64"), Some(64));
        for wrong in ["", "0", "65", "-15", "+15", "SIG", "TERMS", "RTMIN+31", "RTMIN+", "RTMIN3", "RTMAX-31", "RTMAX+1", "1 5"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }
}
