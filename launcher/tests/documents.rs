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

/// Variables of OpenTelemetry that concern traces: of the specification 1.57 (`configuration/sdk-environment-variables.md`,
/// `protocol/exporter.md`), of its semantic conventions 1.44, and those of other signals by their beginnings.
const SPECIFIED: [&str; 59] = [
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
    "OTEL_SERVICE_VERSION",
    "OTEL_DEPLOYMENT_ENVIRONMENT",
];

#[test]
fn a_specified_variable_is_honoured_or_the_readme_says_that_it_is_not() {
    let unread = section(&readme(), "unread-variables");
    for name in SPECIFIED {
        let is_read = VARIABLES.iter().any(|variable| variable.name == name);
        let is_said = unread.contains(&format!("`{name}`"));
        assert!(is_read != is_said, "{name}: read {is_read}, said to be unread {is_said}");
    }
    for variable in VARIABLES.iter().filter(|variable| variable.name.starts_with("OTEL_")) {
        assert!(SPECIFIED.contains(&variable.name), "{}", variable.name);
    }
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
