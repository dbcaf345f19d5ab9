//! The environment as it was handed to this process, byte for byte.

use std::ffi::{CStr, CString, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::{fmt, io};

use nix::unistd::Pid;

/// The strings of an environment, in order, duplicates and strings without `=` included: what a command gets must
/// not be cleaned up on the way. `Debug` shows only how many there are: values may be secrets.
#[derive(Clone, Default)]
pub struct Environment(Vec<CString>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Environment({} strings)", self.0.len())
    }
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn inherited() -> Self {
        unsafe extern "C" {
            static environ: *const *const libc::c_char;
        }
        let mut strings = Vec::new();
        // SAFETY: the C library keeps `environ` as a null-terminated array of NUL-terminated strings (or null after
        // clearenv). The launcher never changes it and reads it before it starts a thread.
        unsafe {
            let mut next = environ;
            while !next.is_null() && !(*next).is_null() {
                strings.push(CStr::from_ptr(*next).to_owned());
                next = next.add(1);
            }
        }
        Self(strings)
    }

    /// The environment that `pid` was started with.
    ///
    /// # Errors
    /// When there is no such process, or we may not look into it.
    pub(super) fn of(pid: Pid) -> io::Result<Self> {
        let bytes = std::fs::read(format!("/proc/{pid}/environ"))?;
        let strings = bytes.split(|byte| *byte == 0).filter(|string| !string.is_empty());
        Ok(Self(strings.filter_map(|string| CString::new(string).ok()).collect()))
    }

    /// The variables whose name starts with `prefix`.
    pub(super) fn starting_with(&self, prefix: &str) -> Vec<(OsString, OsString)> {
        let matching = self.0.iter().map(CString::as_bytes).filter(|string| string.starts_with(prefix.as_bytes()));
        matching.filter_map(split).collect()
    }

    /// An environment of these strings.
    #[must_use]
    pub fn from_strings(strings: Vec<CString>) -> Self {
        Self(strings)
    }

    /// The environment without the variables whose name starts with `prefix`.
    #[must_use]
    pub fn without(mut self, prefix: &str) -> Self {
        self.0.retain(|string| !string.to_bytes().starts_with(prefix.as_bytes()));
        self
    }

    /// The first value of `name`, as getenv gives it.
    pub(super) fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find_map(|string| {
            let rest = string.to_bytes().strip_prefix(name.as_bytes())?;
            rest.strip_prefix(b"=")
        })
    }

    pub(super) fn strings(&self) -> &[CString] {
        &self.0
    }
}

/// Name and value.
pub(super) fn split(variable: &[u8]) -> Option<(OsString, OsString)> {
    let middle = variable.iter().position(|byte| *byte == b'=')?;
    let (name, value) = variable.split_at(middle);
    Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value.get(1..)?.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_prefix_is_removed_and_the_order_is_kept() {
        let strings = [c"B=1", c"GO_AUTO_LAUNCH_X=2", c"odd", c"B=3", c"XGO_AUTO_LAUNCH_=4"];
        let environment = Environment::from_strings(strings.map(CStr::to_owned).to_vec()).without("GO_AUTO_LAUNCH_");
        assert_eq!(environment.get("B"), Some(&b"1"[..]));
        assert_eq!(environment.get("odd"), None);
        let kept: Vec<_> = environment.strings().iter().map(CString::as_c_str).collect();
        assert_eq!(kept, [c"B=1", c"odd", c"B=3", c"XGO_AUTO_LAUNCH_=4"]);
        assert_eq!(format!("{environment:?}"), "Environment(4 strings)");
    }

    #[test]
    fn the_inherited_environment_is_that_of_the_process() {
        let path = std::env::var("PATH").unwrap();
        assert_eq!(Environment::inherited().get("PATH"), Some(path.into_bytes().as_slice()));
    }
}
