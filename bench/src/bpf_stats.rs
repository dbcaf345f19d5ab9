//! How often the launcher's BPF programs ran, and for how long, as the kernel counts it.
//!
//! `kernel.bpf_stats_enabled` costs something at every hit, so it is on in one extra round only.

use std::collections::HashSet;
use std::fs;

use anyhow::Context as _;
use aya::programs::loaded_programs;

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";
/// How the launcher's programs are named; the kernel keeps 15 bytes.
const PREFIXES: [&str; 2] = ["http_server", "http2_request_"];

/// Statistics are on while this exists, then as they were before.
pub(crate) struct Enabled {
    before: String,
    /// Programs of other launchers.
    others: HashSet<u32>,
}

/// One program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) hits: u64,
    pub(crate) nanoseconds: u64,
}

impl Enabled {
    /// Switches the statistics on. Programs loaded from here on count.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let before = fs::read_to_string(SWITCH).context(SWITCH)?;
        let others = programs().iter().map(|program| program.id).collect();
        fs::write(SWITCH, "1").context(SWITCH)?;
        Ok(Self { before, others })
    }

    /// The launcher's programs.
    pub(crate) fn read(&self) -> Vec<Program> {
        programs().into_iter().filter(|program| !self.others.contains(&program.id)).collect()
    }
}

impl Drop for Enabled {
    fn drop(&mut self) {
        // Nothing can be done about a failure here.
        let _ = fs::write(SWITCH, self.before.trim());
    }
}

fn programs() -> Vec<Program> {
    let infos = loaded_programs().flatten();
    infos
        .filter_map(|info| {
            let name = info.name_as_str().filter(|name| PREFIXES.iter().any(|prefix| name.starts_with(prefix)))?;
            Some(Program {
                id: info.id(),
                name: name.to_owned(),
                hits: info.run_count(),
                nanoseconds: u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX),
            })
        })
        .collect()
}
