//! What the documents repeat of the code is the same as in the code, and their links lead somewhere.
//!
//! `UPDATE_GOLDEN=1 cargo test --test documents` writes the tables of parameters anew.

#![expect(clippy::unwrap_used, reason = "tests panic rather than return errors")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use go_auto_launch::parameters::{self, GROUPS, Parameter};

const CONFIGURATION: &str = "docs/configuration.md";

fn document(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
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
    assert_eq!(section(&document("README.md"), "supported-versions").trim(), printed.trim(), "README.md should say:\n{printed}");
}

#[test]
fn every_parameter_is_listed_in_its_group() {
    let mut tables = String::new();
    for group in GROUPS {
        write!(tables, "\n### {}\n\n", group.title).unwrap();
        tables.push_str("| variable | flag | values | default | meaning |\n|---|---|---|---|---|\n");
        for parameter in group.parameters {
            let Parameter { name, flag, allowed, default, meaning, more, secret: _ } = parameter;
            let long = flag.map_or_else(String::new, |flag| format!("`{}`", flag.long));
            let short = flag.and_then(|flag| flag.short).map_or_else(String::new, |short| format!("`-{short}`, "));
            let more = if more.is_empty() { String::new() } else { format!("; {more}") };
            writeln!(tables, "| `{name}` | {short}{long} | {allowed} | {default} | {meaning}{more} |").unwrap();
        }
    }
    tables.push('\n');
    let written = document(CONFIGURATION);
    let listed = section(&written, "parameters");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let begin = "<!-- parameters -->\n";
        let new = written.replacen(&format!("{begin}{listed}"), &format!("{begin}{tables}"), 1);
        std::fs::write(root().join(CONFIGURATION), new).unwrap();
    } else {
        assert_eq!(listed, tables, "{CONFIGURATION} should say:\n{tables}");
    }
}

/// Variables of OpenTelemetry that concern traces: of the specification 1.57 (`configuration/sdk-environment-variables.md`,
/// `protocol/exporter.md`), of its semantic conventions 1.44, and those of other signals by their beginnings.
const SPECIFIED: [&str; 61] = [
    "OTEL_SDK_DISABLED",
    "OTEL_ENTITIES",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SERVICE_NAME",
    "OTEL_LOG_LEVEL",
    "OTEL_PROPAGATORS",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_BSP_SCHEDULE_DELAY",
    "OTEL_BSP_EXPORT_TIMEOUT",
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "OTEL_BLRP_*",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_SPAN_EVENT_COUNT_LIMIT",
    "OTEL_SPAN_LINK_COUNT_LIMIT",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_LOGRECORD_*",
    "OTEL_EXPORTER_ZIPKIN_*",
    "OTEL_EXPORTER_PROMETHEUS_*",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_*",
    "OTEL_METRIC_*",
    "OTEL_LOGS_*",
    "OTEL_CONFIG_FILE",
    "OTEL_EXPERIMENTAL_CONFIG_FILE",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_INSECURE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_INSECURE",
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_SPAN_INSECURE",
    "OTEL_EXPORTER_OTLP_METRIC_INSECURE",
    "OTEL_EXPORTER_OTLP_METRICS_*",
    "OTEL_EXPORTER_OTLP_LOGS_*",
    "OTEL_GO_X_OBSERVABILITY",
    "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
    "OTEL_SEMCONV_STABILITY_OPT_IN",
    "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN",
    "OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS",
    "OTEL_GO_AUTO_INCLUDE_DB_STATEMENT",
    "OTEL_GO_AUTO_PARSE_DB_STATEMENT",
    "OTEL_SERVICE_VERSION",
    "OTEL_DEPLOYMENT_ENVIRONMENT",
];

#[test]
fn a_specified_variable_is_honoured_or_is_said_not_to_be() {
    let unread = section(&document(CONFIGURATION), "unread-variables");
    for name in SPECIFIED {
        let is_read = parameters::all().any(|parameter| parameter.name == name);
        let is_said = unread.contains(&format!("`{name}`"));
        assert!(is_read != is_said, "{name}: read {is_read}, said to be unread {is_said}");
    }
    for parameter in parameters::all().filter(|parameter| parameter.name.starts_with("OTEL_")) {
        assert!(SPECIFIED.contains(&parameter.name), "{}", parameter.name);
    }
}

#[test]
fn every_option_of_the_help_is_documented() {
    let document = document(CONFIGURATION);
    let help = printed("--help");
    // A flag's line has two blanks before it, and what is said of it more.
    let heads = help.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let options: Vec<&str> = heads.filter_map(|line| line.split([' ', ',']).find(|word| word.starts_with("--"))).collect();
    assert!(options.contains(&"--strict"), "{help}");
    for option in options {
        assert!(document.contains(&format!("`{option}`")), "{CONFIGURATION} does not name {option}");
    }
}

/// The Markdown files below `folder`, but for what is built.
fn documents(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !["target", ".git"].contains(&name) {
            found.extend(documents(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found
}

/// What stands outside of code: no blocks, no spans.
fn prose(text: &str) -> String {
    let blocks = text.split("\n```").step_by(2);
    blocks.flat_map(|block| block.split('`').step_by(2)).collect()
}

/// Targets of `[text](target)`.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

/// The anchors that a renderer makes of the headings: small letters, hyphens for blanks, no other signs.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |char: char| char.is_alphanumeric() || "-_ ".contains(char);
    headings
        .map(|heading| heading.to_lowercase().chars().filter(|char| kept(*char)).collect::<String>().replace(' ', "-"))
        .collect()
}

#[test]
fn every_link_within_the_repository_leads_somewhere() {
    let mut seen = 0;
    for document in documents(&root()) {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            assert!(target.exists(), "{}: {link}", document.display());
            let has_anchor = || anchors(&std::fs::read_to_string(&target).unwrap()).iter().any(|one| one == anchor);
            assert!(anchor.is_empty() || has_anchor(), "{}: {link}", document.display());
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen}");
}
