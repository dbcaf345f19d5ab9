//! How often the launcher's BPF programs ran, and for how long, and how large its maps are, as the kernel counts it.
//!
//! `kernel.bpf_stats_enabled` costs something at every hit, so it is on in one extra round only.

use std::collections::{HashMap, HashSet};
use std::fs;

use anyhow::Context as _;
use aya::programs::loaded_programs;

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Statistics are on while this exists, then as they were before.
pub(crate) struct Enabled {
    before: String,
}

/// One program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) hits: u64,
    pub(crate) nanoseconds: u64,
}

impl Enabled {
    /// Switches the statistics on. Programs loaded from here on count.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let before = fs::read_to_string(SWITCH).context(SWITCH)?;
        fs::write(SWITCH, "1").context(SWITCH)?;
        Ok(Self { before })
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        // Nothing can be done about a failure here.
        let _ = fs::write(SWITCH, self.before.trim());
    }
}

/// The programs that a launcher has attached: other launchers may run on the machine.
pub(crate) fn programs(launcher: u32) -> anyhow::Result<Vec<Program>> {
    let ids = attached(launcher)?;
    let infos = loaded_programs().flatten().filter(|info| ids.contains(&info.id()));
    let program = |info: aya::programs::ProgramInfo| Program {
        name: info.name_as_str().unwrap_or_default().to_owned(),
        hits: info.run_count(),
        nanoseconds: u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX),
    };
    Ok(infos.map(program).filter(|program| program.hits > 0).collect())
}

/// The programs' ids, as the kernel says of the descriptors of programs and links (`/proc/PID/fdinfo`).
fn attached(launcher: u32) -> anyhow::Result<HashSet<u32>> {
    let folder = format!("/proc/{launcher}/fdinfo");
    let entries = fs::read_dir(&folder).with_context(|| folder.clone())?;
    let texts = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let ids: HashSet<_> = texts.filter_map(|text| program_id(&text)).collect();
    anyhow::ensure!(!ids.is_empty(), "{folder} names no BPF program");
    Ok(ids)
}

/// The kernel's memory for the maps that a launcher holds, in bytes (`memlock` in `/proc/PID/fdinfo`).
pub(crate) fn map_bytes(launcher: u32) -> anyhow::Result<u64> {
    let folder = format!("/proc/{launcher}/fdinfo");
    let entries = fs::read_dir(&folder).with_context(|| folder.clone())?;
    let texts = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok());
    // A map may have several descriptors.
    let maps: HashMap<u64, u64> = texts.filter_map(|text| Some((field(&text, "map_id:")?, field(&text, "memlock:")?))).collect();
    Ok(maps.values().sum())
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

fn program_id(text: &str) -> Option<u32> {
    field(text, "prog_id:").and_then(|id| id.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_of_a_descriptor() {
        assert_eq!(program_id("pos:\t0\nlink_id:\t7\nprog_tag:\tabc\nprog_id:\t1234\n"), Some(1234));
        assert_eq!(program_id("pos:\t0\nflags:\t02\n"), None);
        assert_eq!(field("map_type:\t27\nmemlock:\t4223304\nmap_id:\t7\n", "memlock:"), Some(4_223_304));
    }
}
