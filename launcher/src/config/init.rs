//! The options of an init process, with the meaning they have in tini and dumb-init.

use std::ffi::OsString;

use super::reader::Reader;
use super::signal;

/// How signals are forwarded, and with which status the launcher ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Init {
    /// Signals go to the program's process group, not to the program alone (tini `-g`).
    pub kill_group: bool,
    /// Signals to be sent as other ones: the number that arrives, and the number that is sent; 0 for none (dumb-init
    /// `-r`).
    pub rewrites: Vec<(i32, i32)>,
    /// The signal that is to arrive when the launcher's parent dies (tini `-p`).
    pub parent_death_signal: Option<i32>,
    /// Exit codes of the program to be replaced: the program's, and the launcher's (tini `-e` for 0).
    pub remapped_exits: Vec<(u8, u8)>,
    /// The program keeps the capabilities that the launcher uses.
    pub keep_capabilities: bool,
}

impl Init {
    pub(super) fn read<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Self {
        Self {
            kill_group: reader.switch("GO_AUTO_LAUNCH_KILL_GROUP"),
            rewrites: reader.list("GO_AUTO_LAUNCH_REWRITE", rewrite).unwrap_or_default(),
            parent_death_signal: reader.first(&["GO_AUTO_LAUNCH_PARENT_DEATH_SIGNAL"], signal::number),
            remapped_exits: reader.list("GO_AUTO_LAUNCH_REMAP_EXIT", remap).unwrap_or_default(),
            keep_capabilities: reader.switch("GO_AUTO_LAUNCH_KEEP_CAPS"),
        }
    }
}

/// `FROM:TO`. KILL and STOP cannot be caught and CHLD is the launcher's own, so these three never arrive.
fn rewrite(pair: &str) -> Option<(i32, i32)> {
    let (from, to) = pair.split_once(':')?;
    let from = signal::number(from.trim()).filter(|from| ![libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD].contains(from))?;
    let to = to.trim();
    let to = if to == "0" { 0 } else { signal::number(to)? };
    Some((from, to))
}

/// `FROM:TO`, or `FROM` for `FROM:0`.
fn remap(pair: &str) -> Option<(u8, u8)> {
    let (from, to) = pair.split_once(':').unwrap_or((pair, "0"));
    Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_are_pairs_of_signals() {
        assert_eq!(rewrite("SIGTERM:SIGQUIT"), Some((15, 3)));
        assert_eq!(rewrite("TERM : 0"), Some((15, 0)));
        assert_eq!(rewrite("15:kill"), Some((15, 9)));
        assert_eq!(rewrite("RTMIN+3:TERM"), Some((37, 15)));
        for wrong in ["", "15", "15:", ":15", "0:15", "15:65", "KILL:TERM", "STOP:0", "CHLD:TERM", "15:3:2"] {
            assert_eq!(rewrite(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn remaps_are_pairs_of_codes_or_one_that_becomes_0() {
        assert_eq!(remap("143"), Some((143, 0)));
        assert_eq!(remap("143:7"), Some((143, 7)));
        for wrong in ["", "256", "-1", "1:256", "a", "1:", "1:2:3"] {
            assert_eq!(remap(wrong), None, "{wrong}");
        }
    }
}
