//! Asks the system for the facts of a resource. Nothing here fails: what cannot be found out is left out.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::sys::utsname::uname;
use nix::unistd::{Uid, User};

use super::container;
use super::{Facts, HostFacts, ProcessFacts};
use crate::binary::BuildInfo;
use crate::child::without_deletion;

/// The facts about process `pid`, of which [`process`] has told the part that goes with it, and whose binary says
/// `build`.
#[must_use]
pub fn facts(pid: u32, process: ProcessFacts, build: Option<BuildInfo>) -> Facts {
    // A process that has ended already ran where we run, most likely.
    let proc = Some(proc(pid)).filter(|proc| proc.exists()).unwrap_or_else(|| PathBuf::from("/proc/self"));
    Facts { build, process, host: host(&proc), instance_id: Some(uuid(fastrand::u128(..))) }
}

fn proc(pid: u32) -> PathBuf {
    Path::new("/proc").join(pid.to_string())
}

/// The facts that go with process `pid`.
#[must_use]
pub fn process(pid: u32) -> ProcessFacts {
    let proc = &proc(pid);
    let status = fs::read_to_string(proc.join("status")).unwrap_or_default();
    let number =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next_back()?.parse().ok());
    let command = fs::read(proc.join("cmdline")).ok().and_then(|line| {
        let first = line.split(|byte| *byte == 0).next()?;
        Some(String::from_utf8_lossy(first).into_owned())
    });
    ProcessFacts {
        // `NSpid` ends with the ID in the innermost namespace: the one that the program sees.
        pid: number("NSpid:").or(Some(i64::from(pid))),
        parent_pid: number("PPid:"),
        executable: fs::read_link(proc.join("exe")).ok().map(without_deletion),
        command,
        owner: fs::metadata(proc).ok().map(|metadata| owner(metadata.uid())),
    }
}

/// The user's name, or its number where there is none.
fn owner(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

fn host(proc: &Path) -> HostFacts {
    let name = gethostname::gethostname().to_string_lossy().into_owned();
    let system = uname().ok();
    let release = system.as_ref().map(|system| system.release().to_string_lossy().into_owned());
    let os_release = ["/etc/os-release", "/usr/lib/os-release"].iter().find_map(|path| fs::read_to_string(path).ok());
    let read = |file: &str| fs::read_to_string(proc.join(file)).unwrap_or_default();
    HostFacts {
        name: Some(name),
        machine: system.as_ref().map(|system| system.machine().to_string_lossy().into_owned()),
        os_description: Some(os_description(os_release.as_deref().and_then(pretty_name), release.as_deref())),
        container_id: container::id(&read("cgroup"), &read("mountinfo")),
    }
}

/// `Alpine Linux v3.22 (Linux 6.18.5)`, or `Linux 6.18.5` in an image without a distribution.
fn os_description(distribution: Option<&str>, release: Option<&str>) -> String {
    let kernel = release.map_or_else(|| "Linux".to_owned(), |release| format!("Linux {release}"));
    distribution.map_or_else(|| kernel.clone(), |name| format!("{name} ({kernel})"))
}

/// `PRETTY_NAME` of an os-release file.
fn pretty_name(os_release: &str) -> Option<&str> {
    let value = os_release.lines().find_map(|line| line.trim().strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches(['"', '\''])).filter(|name| !name.is_empty())
}

/// A random UUID (RFC 9562, version 4) from random bits.
fn uuid(random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instance_ids_are_version_4_uuids() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn the_system_has_a_description_with_and_without_a_distribution() {
        let alpine = "NAME=\"Alpine Linux\"\nPRETTY_NAME=\"Alpine Linux v3.22\"\n";
        assert_eq!(os_description(pretty_name(alpine), Some("6.18.5")), "Alpine Linux v3.22 (Linux 6.18.5)");
        assert_eq!(os_description(pretty_name(""), Some("6.18.5")), "Linux 6.18.5");
    }

    #[test]
    fn this_process_can_be_described() {
        let pid = std::process::id();
        let facts = facts(pid, process(pid), None);
        assert_eq!(facts.process.executable, std::env::current_exe().ok());
        assert!(facts.process.pid.is_some() && facts.process.parent_pid.is_some() && facts.process.owner.is_some());
        assert!(facts.host.name.is_some() && facts.host.machine.is_some());
    }
}
