//! What variables and flags mean.

use std::collections::HashMap;

use super::*;
use crate::parameters::{self, Parameter};

mod endpoints;
mod secrets;

fn read(args: &[&str], variables: &[(&str, &str)]) -> (Config, Vec<Problem>) {
    let args = ["go-auto-launch"].iter().chain(args).chain(&["--", "app"]);
    let typed = CommandLine::read(args.map(OsString::from)).unwrap();
    let map: HashMap<_, _> = variables.iter().copied().collect();
    for (name, _) in variables {
        assert!(Parameter::named(name).is_some(), "{name} is no parameter");
    }
    Config::from(&typed, &|name: &str| {
        assert!(Parameter::named(name).is_some(), "{name} is no parameter");
        map.get(name).map(OsString::from)
    })
}

fn config(variables: &[(&str, &str)]) -> Config {
    let (config, problems) = read(&[], variables);
    assert!(problems.is_empty(), "{problems:?}");
    config
}

/// The configuration and the one problem there is.
fn problem(variables: &[(&str, &str)]) -> (Config, String) {
    let (config, problems) = read(&[], variables);
    assert_eq!(problems.len(), 1, "{problems:?}");
    (config, problems[0].to_string())
}

const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const TRACES: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";

#[test]
fn defaults_are_those_of_the_specification() {
    let config = config(&[]);
    let otlp = config.otlp.unwrap();
    assert_eq!(otlp.endpoint.url(), "http://localhost:4318/v1/traces");
    assert_eq!(otlp.protocol, Protocol::HttpProtobuf);
    assert_eq!(otlp.timeout, Duration::from_secs(10));
    assert!(!otlp.gzip && !config.console && !config.disabled && config.may_write);
    assert_eq!(config.mode, Mode::Launch);
    assert_eq!(config.sampler, Sampler::default());
    assert_eq!(config.propagators, [Propagator::TraceContext, Propagator::Baggage]);
    assert_eq!(config.batch.max_queue_size, 20_480);
    assert_eq!(config.batch.max_export_batch_size, 512);
    assert_eq!(config.limits.span_attributes, 128);
    assert_eq!(config.limits.attribute_value_length, None);
    assert_eq!(config.flush_timeout, Duration::from_secs(2));
    assert_eq!(config.log_level, Level::Info);
}

#[test]
fn an_empty_variable_is_an_unset_one() {
    let empty: Vec<_> = parameters::all().map(|parameter| (parameter.name, " ")).collect();
    assert_eq!(config(&empty), config(&[]));
}

#[test]
fn a_flag_wins_over_every_variable_and_a_bad_one_over_none() {
    let variables = [(TRACES, "http://t/x"), (PROTOCOL, "http/json")];
    let (config, problems) = read(&["--endpoint", "http://f", "--protocol", "grpc"], &variables);
    let otlp = config.otlp.unwrap();
    assert_eq!((otlp.endpoint.url(), otlp.protocol), ("http://f", Protocol::Grpc));
    assert!(problems.is_empty());
    let (config, problems) = read(&["--protocol", "udp"], &variables);
    assert_eq!(config.otlp.unwrap().protocol, Protocol::HttpJson);
    assert!(problems[0].to_string().starts_with("--protocol=\"udp\""));
}

#[test]
fn times_are_cut_to_what_can_be_added_up() {
    assert_eq!(time("9223372036854775807s"), Some(super::LONGEST_TIME));
    let config = config(&[("OTEL_BSP_EXPORT_TIMEOUT", "18446744073709551615")]);
    assert_eq!(config.batch.export_timeout, super::LONGEST_TIME);
}

#[test]
fn exporters_are_a_list_and_the_console_needs_no_collector() {
    let console_and_otlp = |args: &[&str], variables: &[(&str, &str)]| {
        let (config, _) = read(args, variables);
        (config.console, config.otlp.is_some())
    };
    let name = "OTEL_TRACES_EXPORTER";
    assert_eq!(console_and_otlp(&[], &[(name, "otlp, console")]), (true, true));
    assert_eq!(console_and_otlp(&[], &[(name, "console")]), (true, false));
    assert_eq!(console_and_otlp(&[], &[(name, "none")]), (false, false));
    assert_eq!(console_and_otlp(&["--console"], &[]), (true, false));
    assert_eq!(console_and_otlp(&["--console"], &[(BASE, "http://c")]), (true, true));
    assert_eq!(console_and_otlp(&["--console"], &[(name, "otlp")]), (true, true));
    let (config, said) = problem(&[(name, "zipkin,console")]);
    assert!(config.console && config.otlp.is_none() && said.contains("rest"));
    let (config, _) = problem(&[(name, "zipkin")]);
    assert!(config.otlp.is_some());
}

/// <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#enum>, and `#timeout` of its common part.
#[test]
fn names_are_read_in_any_case_and_a_timeout_of_0_is_none() {
    let (config, problems) = read(
        &[],
        &[
            ("OTEL_TRACES_SAMPLER", "Always_Off"),
            ("OTEL_PROPAGATORS", "B3,TraceContext"),
            ("OTEL_TRACES_EXPORTER", "OTLP,Console"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "GZIP"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "GRPC"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
            ("OTEL_BSP_EXPORT_TIMEOUT", "0"),
            ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ],
    );
    assert_eq!(problems, []);
    assert_eq!(config.sampler, Sampler::AlwaysOff);
    assert_eq!(config.propagators, [Propagator::B3, Propagator::TraceContext]);
    assert!(config.console);
    let otlp = config.otlp.unwrap();
    assert_eq!((otlp.gzip, otlp.protocol), (true, Protocol::Grpc));
    assert_eq!((otlp.timeout, config.batch.export_timeout), (LONGEST_TIME, LONGEST_TIME));
    assert_eq!(config.batch.schedule_delay, Duration::ZERO);
}

#[test]
fn samplers_and_their_argument() {
    let sampler = |name, arg| {
        let (config, problems) = read(&[], &[("OTEL_TRACES_SAMPLER", name), ("OTEL_TRACES_SAMPLER_ARG", arg)]);
        (config.sampler, problems.len())
    };
    assert_eq!(sampler("always_off", "ignored"), (Sampler::AlwaysOff, 0));
    assert_eq!(sampler("traceidratio", "0.25"), (Sampler::TraceIdRatio(0.25), 0));
    assert_eq!(sampler("traceidratio", "2"), (Sampler::TraceIdRatio(1.0), 1));
    assert_eq!(sampler("traceidratio", "NaN"), (Sampler::TraceIdRatio(1.0), 1));
    let root = RootSampler::TraceIdRatio(0.5);
    assert_eq!(sampler("parentbased_traceidratio", "0.5"), (Sampler::ParentBased { root }, 0));
    assert_eq!(sampler("xray", ""), (Sampler::default(), 1));
}

#[test]
fn resource_attributes_and_their_precedence() {
    let resource = |variables: &[(&str, &str)]| config(variables).resource;
    let list = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=l,service.version=1,a=b%2Cc,a=d");
    let found = resource(&[list]);
    assert_eq!(found.service_name.as_deref(), Some("l"));
    assert_eq!(found.service_version.as_deref(), Some("1"));
    assert_eq!(found.attributes, [("a".to_owned(), "d".to_owned())]);
    let found = resource(&[list, ("OTEL_SERVICE_NAME", "v"), ("OTEL_SERVICE_VERSION", "2")]);
    assert_eq!(found.service_name.as_deref(), Some("v"));
    assert_eq!(found.service_version.as_deref(), Some("2"));
    let (config, _) = read(&["--service-name", "f"], &[list]);
    assert_eq!(config.resource.service_name.as_deref(), Some("f"));
    let (config, _) = problem(&[("OTEL_RESOURCE_ATTRIBUTES", "a=1,b=%")]);
    assert!(config.resource.attributes.is_empty());
}

#[test]
fn limits_fall_back_to_the_general_ones() {
    let limits = config(&[
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "7"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "9"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "0"),
    ])
    .limits;
    assert_eq!((limits.span_attributes, limits.event_attributes), (9, 7));
    assert_eq!(limits.attribute_value_length, Some(0));
    let (config, _) = problem(&[("OTEL_SPAN_EVENT_COUNT_LIMIT", "-1")]);
    assert_eq!(config.limits.span_events, 128);
}

#[test]
fn a_batch_is_not_larger_than_the_queue() {
    let queue = ("OTEL_BSP_MAX_QUEUE_SIZE", "100");
    assert_eq!(config(&[queue]).batch.max_export_batch_size, 100);
    let (config, _) = problem(&[queue, ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "200")]);
    assert_eq!(config.batch.max_export_batch_size, 100);
    problem(&[("OTEL_BSP_MAX_QUEUE_SIZE", "0")]);
}

#[test]
fn times_have_units() {
    assert_eq!(time("500ms"), Some(Duration::from_millis(500)));
    assert_eq!(time("1.5s"), Some(Duration::from_millis(1500)));
    assert_eq!(time("3"), Some(Duration::from_secs(3)));
    assert_eq!(time("1m"), Some(Duration::from_mins(1)));
    assert_eq!(time("0"), Some(Duration::ZERO));
    for bad in ["", "s", "-1s", "2h", "inf", "NaN", "1e400"] {
        assert_eq!(time(bad), None, "{bad}");
    }
}

#[test]
fn modes_and_their_variables() {
    let mode = |args: &[&str], variables: &[(&str, &str)]| read(args, variables).0.mode;
    assert_eq!(mode(&["--check"], &[]), Mode::Check);
    assert_eq!(mode(&[], &[("GO_AUTO_LAUNCH_CHECK", "true")]), Mode::Check);
    assert_eq!(mode(&["--supported-versions"], &[]), Mode::SupportedVersions);
    // There is a program to run, and it runs.
    for (name, value) in [("GO_AUTO_LAUNCH_PID", "7"), ("GO_AUTO_LAUNCH_INSTALL", "/shared")] {
        let (config, line) = problem(&[(name, value)]);
        assert_eq!(config.mode, Mode::Launch);
        assert_eq!(line, format!("{name} has no effect where a command is given"));
        assert_eq!(read(&["--check"], &[(name, value)]).1, [], "a typed mode leaves it unread");
        let alone = Config::from(&CommandLine::default(), &|asked: &str| (asked == name).then(|| value.into()));
        assert!(alone.0.mode != Mode::Launch && alone.1.is_empty(), "{alone:?}");
    }
    let seven = std::num::NonZeroU32::new(7);
    let attach = CommandLine::read(["go-auto-launch", "--pid", "7"].map(OsString::from)).unwrap();
    assert_eq!(Config::from(&attach, &|_: &str| None).0.mode, Mode::Attach(seven.unwrap()));
}

#[test]
fn propagators_none_and_unknown_ones() {
    let name = "OTEL_PROPAGATORS";
    assert_eq!(config(&[(name, "b3multi,b3")]).propagators, [Propagator::B3Multi, Propagator::B3]);
    assert!(config(&[(name, "none")]).propagators.is_empty());
    let (config, _) = problem(&[(name, "jaeger,b3")]);
    assert_eq!(config.propagators, [Propagator::B3]);
}

#[test]
fn switches_levels_and_lists() {
    let (config, problems) = read(&["--verbose", "--strict", "--no-write"], &[("OTEL_SDK_DISABLED", "True")]);
    assert!(config.disabled && config.strict && !config.may_write && problems.is_empty());
    assert_eq!(config.log_level, Level::Debug);
    let (config, _) = problem(&[("OTEL_SDK_DISABLED", "1")]);
    assert!(!config.disabled);
    let uprobes = |flags: &[&str], variable: &str| read(flags, &[("GO_AUTO_LAUNCH_UPROBES", variable)]).0.uprobes;
    assert_eq!((uprobes(&[], ""), uprobes(&["--uprobes", "auto"], "multi")), (None, None));
    assert_eq!(uprobes(&[], "multi"), Some(UprobeKind::Multi));
    assert_eq!(uprobes(&["--uprobes", "perf-event"], "multi"), Some(UprobeKind::PerfEvent));
    assert_eq!(problem(&[("GO_AUTO_LAUNCH_UPROBES", "both")]).0.uprobes, None);
    let (config, _) = read(&[], &[("OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS", "grpc, database/sql,")]);
    assert_eq!(config.disabled_instrumentations, ["grpc", "database/sql"]);
}

#[test]
fn what_is_said_of_statements() {
    const STATEMENT: &str = "GO_AUTO_LAUNCH_DB_STATEMENT";
    const INCLUDE: &str = "OTEL_GO_AUTO_INCLUDE_DB_STATEMENT";
    let database = |variables: &[(&str, &str)]| config(variables).database;
    assert_eq!(database(&[]), Database { statement: StatementPolicy::Sanitized, parse: true });
    assert_eq!(database(&[(STATEMENT, "Raw"), (INCLUDE, "true")]).statement, StatementPolicy::Raw);
    assert_eq!(database(&[(STATEMENT, "raw"), (INCLUDE, "False")]).statement, StatementPolicy::LeftOut);
    let parse = ("OTEL_GO_AUTO_PARSE_DB_STATEMENT", "false");
    assert_eq!(database(&[parse]), Database { statement: StatementPolicy::Sanitized, parse: false });
    let (config, problems) = read(&["--db-statement", "sanitized"], &[(STATEMENT, "raw")]);
    assert_eq!((config.database.statement, problems.len()), (StatementPolicy::Sanitized, 0));
    let (config, line) = problem(&[(STATEMENT, "all")]);
    assert_eq!(config.database, Database::default());
    assert!(line.contains("allowed is sanitized or raw"), "{line}");
    problem(&[(INCLUDE, "1")]);
}
