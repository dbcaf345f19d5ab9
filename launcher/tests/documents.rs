//! What README.md repeats of the code is the same as in the code.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

use std::fmt::Write as _;
use std::process::Command;

use go_auto_launch::config::VARIABLES;

fn readme() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap()
}

/// What stands between `<!-- name -->` and `<!-- /name -->`.
fn section(text: &str, name: &str) -> String {
    let (_before, rest) = text.split_once(&format!("<!-- {name} -->\n")).unwrap();
    let (section, _after) = rest.split_once(&format!("<!-- /{name} -->\n")).unwrap();
    section.to_owned()
}

fn printed(option: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_go-auto-launch")).arg(option).env_clear().output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_readme_lists_the_supported_versions_as_the_launcher_prints_them() {
    let printed = printed("--supported-versions");
    assert_eq!(section(&readme(), "supported-versions").trim(), printed.trim(), "README.md should say:\n{printed}");
}

#[test]
fn the_readme_lists_every_variable() {
    let mut table = String::from("| variable | flag | values | default | meaning |\n|---|---|---|---|---|\n");
    for variable in VARIABLES {
        let flag = variable.flag.map_or_else(String::new, |flag| format!("`{flag}`"));
        writeln!(table, "| `{}` | {flag} | {} | {} | {} |", variable.name, variable.allowed, variable.default, variable.meaning)
            .unwrap();
    }
    assert_eq!(section(&readme(), "variables"), table, "README.md should say:\n{table}");
}

#[test]
fn the_readme_names_every_option() {
    let readme = readme();
    let help = printed("--help");
    let options: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim_start().split([' ', ',']).find(|word| word.starts_with("--") && line.starts_with("  ")))
        .collect();
    assert!(options.contains(&"--strict"), "{help}");
    for option in options {
        assert!(readme.contains(&format!("`{option}`")), "README.md does not name {option}");
    }
}
