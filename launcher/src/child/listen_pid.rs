//! Socket activation (`sd_listen_fds(3)`): descriptors are meant for the process that `LISTEN_PID` names. That is the
//! launcher; the command behind it is told that it is meant.
//!
//! The command's pid is known only after the fork, where nothing may be allocated: the string is prepared with room for
//! any pid, and the child writes its own into it.

use std::ffi::c_char;

use super::environment::Environment;

const NAME: &[u8] = b"LISTEN_PID=";
/// systemd's second check, by the inode of the pidfd. It is optional, and would name the launcher.
const PIDFD_ID: &str = "LISTEN_PIDFDID=";
/// The longest pid (`PID_MAX_LIMIT` is 2^22) and the NUL byte fit well.
const ROOM: usize = 24;

/// The string `LISTEN_PID=…` of the command's environment, NUL-terminated.
#[derive(Debug)]
pub(super) struct ListenPid(Box<[u8; ROOM]>);

impl ListenPid {
    /// Makes the string if `environment` says that `own` is meant, and takes the old one out. `None` leaves all as it is.
    pub(super) fn take(environment: &mut Environment, own: u32) -> Option<Self> {
        if environment.get("LISTEN_PID") != Some(own.to_string().as_bytes()) {
            return None;
        }
        *environment = std::mem::take(environment).without("LISTEN_PID=").without(PIDFD_ID);
        let mut string = Self(Box::new([0; ROOM]));
        string.set(own);
        Some(string)
    }

    /// Writes `pid` into the string. Async-signal-safe; the string stays where it is.
    pub(super) fn set(&mut self, pid: u32) {
        let digits = pid.checked_ilog10().unwrap_or(0) as usize + 1;
        let mut rest = pid;
        self.0.fill(0);
        self.0[..NAME.len()].copy_from_slice(NAME);
        for place in self.0[NAME.len()..NAME.len() + digits].iter_mut().rev() {
            *place = b"0123456789"[rest as usize % 10];
            rest /= 10;
        }
    }

    /// Where the string is, for as long as this value lives, wherever it moves.
    pub(super) fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::{CStr, CString};

    use super::*;

    fn environment(strings: &[&CStr]) -> Environment {
        Environment::from_strings(strings.iter().map(|&string| CString::from(string)).collect())
    }

    #[test]
    fn the_commands_pid_takes_the_place_of_ours() {
        let mut given = environment(&[c"A=1", c"LISTEN_PID=70", c"LISTEN_FDS=2", c"LISTEN_PIDFDID=9"]);
        let mut string = ListenPid::take(&mut given, 70).unwrap();
        assert_eq!(given.strings(), [CString::from(c"A=1"), CString::from(c"LISTEN_FDS=2")]);
        for pid in [70, 7, 0, 4_194_304, u32::MAX] {
            string.set(pid);
            let text = CStr::from_bytes_until_nul(&string.0[..]).unwrap().to_str().unwrap();
            assert_eq!(text, format!("LISTEN_PID={pid}"));
        }
    }

    #[test]
    fn descriptors_for_somebody_else_stay_his() {
        for other in [c"LISTEN_PID=71", c"LISTEN_PID=", c"LISTEN_FDS=1"] {
            let mut given = environment(&[other]);
            assert!(ListenPid::take(&mut given, 70).is_none());
            assert_eq!(given.strings(), [CString::from(other)]);
        }
    }
}
