//! On which machine it was measured.

use std::fs;
use std::process::Command;

/// Name and value of each line.
pub(crate) fn describe() -> Vec<(&'static str, String)> {
    let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu_info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let vulnerability = |name: &str| read(&format!("/sys/devices/system/cpu/vulnerabilities/{name}"));
    vec![
        ("date", output("date", &["--utc", "+%Y-%m-%d %H:%M UTC"])),
        ("CPU", format!("{}, {cores} cores", model.unwrap_or("unknown"))),
        ("hypervisor", if cpu_info.contains(" hypervisor ") { "yes" } else { "no" }.to_owned()),
        ("kernel", output("uname", &["-sr"])),
        ("mitigation spec_rstack_overflow", vulnerability("spec_rstack_overflow")),
        ("mitigation spectre_v2", vulnerability("spectre_v2")),
        ("mitigation retbleed", vulnerability("retbleed")),
        ("load average at the start", read("/proc/loadavg")),
        // Costs something at every hit: 0 where nobody else is measuring.
        ("kernel.bpf_stats_enabled at the start", read("/proc/sys/kernel/bpf_stats_enabled")),
        ("Go", output("go", &["env", "GOVERSION"])),
    ]
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
