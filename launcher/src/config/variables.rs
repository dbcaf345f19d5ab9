//! Every variable the launcher reads, as data: for `--help`, the documentation, and the text of problems.

/// One environment variable.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// The flag that wins over it.
    pub flag: Option<&'static str>,
    /// What it may be.
    pub allowed: &'static str,
    /// What holds without it.
    pub default: &'static str,
    /// What it is for.
    pub meaning: &'static str,
    /// Its value is not to be shown.
    pub secret: bool,
}

const fn variable(name: &'static str, allowed: &'static str, default: &'static str, meaning: &'static str) -> Variable {
    Variable { name, flag: None, allowed, default, meaning, secret: false }
}

impl Variable {
    const fn flag(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }

    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Whether this value of it may hold credentials. A URL's user and query may, where a URL does not belong too.
    pub(super) fn may_be_secret(&self, value: &str) -> bool {
        let is_url = self.allowed == URL || value.contains("://");
        self.secret || is_url && value.contains(['@', '?'])
    }

    /// The variable of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        VARIABLES.iter().find(|variable| variable.name == name)
    }
}

const BOOLEAN: &str = "true or false";
const COUNT: &str = "a whole number, 0 or more";
const POSITIVE: &str = "a whole number, 1 or more";
const MILLISECONDS: &str = "a whole number of milliseconds";
const TIMEOUT: &str = "a whole number of milliseconds; 0 is no limit";
const PATH: &str = "the path of a PEM file";
const PAIRS: &str = "key=value pairs separated by commas, percent-encoded";
const URL: &str = "an http:// or https:// URL";
const PROXY: &str = "host:port, or an http:// or https:// URL with or without user:password";
const EXCEPTIONS: &str = "domains, addresses and networks separated by commas, with or without port, or *";
const PROTOCOLS: &str = "grpc, http/protobuf or http/json";
const COMPRESSIONS: &str = "gzip or none";
const SIGNAL: &str = "a signal's name or number, such as TERM, SIGTERM, 15 or RTMIN+3";
const REWRITES: &str = "FROM:TO pairs of signals separated by commas, such as TERM:QUIT or 15:0 (FROM not KILL, STOP or CHLD)";
const REMAPS: &str = "FROM:TO pairs of codes from 0 to 255 separated by commas; 143 alone means 143:0";
const GENERAL: &str = "the general variable";

/// All of them, the standard ones first.
pub const VARIABLES: &[Variable] = &[
    variable("OTEL_SERVICE_NAME", "any text", "the program's name", "The service name of the spans").flag("--service-name"),
    variable("OTEL_SERVICE_VERSION", "any text", "the program's module version", "The attribute service.version"),
    variable("OTEL_DEPLOYMENT_ENVIRONMENT", "any text", "none", "The attribute deployment.environment.name"),
    variable("OTEL_RESOURCE_ATTRIBUTES", PAIRS, "none", "More attributes of the resource"),
    variable("OTEL_SDK_DISABLED", BOOLEAN, "false", "Run the program untraced"),
    variable("OTEL_LOG_LEVEL", "none, error, warn, info or debug", "info", "How much the launcher says on standard error"),
    variable("OTEL_TRACES_EXPORTER", "a list of otlp and console, or none", "otlp", "Where spans go"),
    variable(
        "OTEL_TRACES_SAMPLER",
        "always_on, always_off, traceidratio, or one of these with parentbased_ before it",
        "parentbased_always_on",
        "Which traces are recorded",
    ),
    variable("OTEL_TRACES_SAMPLER_ARG", "a ratio between 0 and 1", "1", "The ratio of the traceidratio samplers"),
    variable(
        "OTEL_PROPAGATORS",
        "a list of tracecontext, baggage, b3 and b3multi, or none",
        "tracecontext,baggage",
        "The headers that carry the trace",
    ),
    variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        URL,
        "http://localhost:4318, for grpc http://localhost:4317",
        "The base URL of the collector; /v1/traces is appended for http",
    )
    .flag("--endpoint"),
    variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", URL, GENERAL, "The URL for traces, used as it is"),
    variable("OTEL_EXPORTER_OTLP_PROTOCOL", PROTOCOLS, "http/protobuf", "How spans are sent").flag("--protocol"),
    variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", PROTOCOLS, GENERAL, "The same, for traces"),
    variable("OTEL_EXPORTER_OTLP_HEADERS", PAIRS, "none", "Headers of each request, such as credentials").secret(),
    variable("OTEL_EXPORTER_OTLP_TRACES_HEADERS", PAIRS, GENERAL, "The same, for traces").secret(),
    variable("OTEL_EXPORTER_OTLP_TIMEOUT", TIMEOUT, "10000", "How long one request may take"),
    variable("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", TIMEOUT, GENERAL, "The same, for traces"),
    variable("OTEL_EXPORTER_OTLP_COMPRESSION", COMPRESSIONS, "none", "The compression of requests"),
    variable("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", COMPRESSIONS, GENERAL, "The same, for traces"),
    variable(
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        PATH,
        "the built-in and the system's authorities",
        "The certificates the collector is trusted by",
    ),
    variable("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", PATH, GENERAL, "The same, for traces"),
    variable("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", PATH, "none", "The launcher's certificate for mutual TLS"),
    variable("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", PATH, GENERAL, "The same, for traces"),
    variable("OTEL_EXPORTER_OTLP_CLIENT_KEY", PATH, "none", "The key of that certificate"),
    variable("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", PATH, GENERAL, "The same, for traces"),
    variable("OTEL_EXPORTER_OTLP_INSECURE", BOOLEAN, "false", "No TLS for a grpc endpoint without http:// or https://"),
    variable("OTEL_EXPORTER_OTLP_TRACES_INSECURE", BOOLEAN, GENERAL, "The same, for traces"),
    variable("HTTP_PROXY", PROXY, "http_proxy", "The proxy to a collector by http; http/protobuf and http/json only").secret(),
    variable("http_proxy", PROXY, "none", "The same; HTTP_PROXY counts first").secret(),
    variable(
        "HTTPS_PROXY",
        PROXY,
        "https_proxy",
        "The proxy to a collector by https, and to any by grpc, which it must let through (CONNECT)",
    )
    .secret(),
    variable("https_proxy", PROXY, "none", "The same; HTTPS_PROXY counts first").secret(),
    variable("NO_PROXY", EXCEPTIONS, "no_proxy", "Where no proxy is used; never for localhost"),
    variable("no_proxy", EXCEPTIONS, "none", "The same; NO_PROXY counts first"),
    variable("REQUEST_METHOD", "any text", "none", "Set by CGI servers: then neither HTTP_PROXY nor http_proxy is used"),
    variable("OTEL_BSP_SCHEDULE_DELAY", MILLISECONDS, "5000", "The longest time a span waits to be sent"),
    variable("OTEL_BSP_EXPORT_TIMEOUT", TIMEOUT, "30000", "How long one batch may take, retries included"),
    variable(
        "OTEL_BSP_MAX_QUEUE_SIZE",
        POSITIVE,
        "20480",
        "How many spans may wait (the specification says 2048: too few for 100 ms at full speed)",
    ),
    variable(
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        "a whole number from 1 to OTEL_BSP_MAX_QUEUE_SIZE",
        "512",
        "How many spans one request carries at most",
    ),
    variable("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", COUNT, "no limit", "The longest attribute value, in characters"),
    variable("OTEL_ATTRIBUTE_COUNT_LIMIT", COUNT, "128", "How many attributes there may be"),
    variable("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", COUNT, GENERAL, "The longest attribute value of a span"),
    variable("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", COUNT, GENERAL, "How many attributes a span may have"),
    variable("OTEL_SPAN_EVENT_COUNT_LIMIT", COUNT, "128", "How many events a span may have"),
    variable("OTEL_SPAN_LINK_COUNT_LIMIT", COUNT, "128", "How many links a span may have"),
    variable("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", COUNT, GENERAL, "How many attributes an event may have"),
    variable("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", COUNT, GENERAL, "How many attributes a link may have"),
    variable(
        "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
        "a list of methods such as GET,POST,PROPFIND",
        "the methods of RFC 9110, PATCH and QUERY",
        "The HTTP methods that are not reported as _OTHER",
    ),
    variable(
        "OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS",
        "a list of names such as grpc,database/sql",
        "none",
        "Libraries that are not to be traced",
    ),
    variable("GO_AUTO_LAUNCH_CONSOLE", BOOLEAN, "false", "Draw each trace on standard error").flag("--console"),
    variable("GO_AUTO_LAUNCH_PID", "a process id", "none", "Attach to a running process").flag("--pid"),
    variable("GO_AUTO_LAUNCH_CHECK", BOOLEAN, "false", "Say what would be traced; do not run the program").flag("--check"),
    variable("GO_AUTO_LAUNCH_JSON", BOOLEAN, "false", "Print as JSON").flag("--json"),
    variable("GO_AUTO_LAUNCH_STRICT", BOOLEAN, "false", "Exit with 125 instead of running the program untraced").flag("--strict"),
    variable("GO_AUTO_LAUNCH_VERBOSE", BOOLEAN, "false", "Say step by step what the launcher does").flag("--verbose"),
    variable("GO_AUTO_LAUNCH_NO_WRITE", BOOLEAN, "false", "Never write into the program's memory").flag("--no-write"),
    variable(
        "GO_AUTO_LAUNCH_UPROBES",
        "auto, multi or perf-event",
        "auto",
        "How probes are attached: multi (one link for each BPF program) wherever the kernel can, else as perf events",
    )
    .flag("--uprobes"),
    variable("GO_AUTO_LAUNCH_FLUSH_TIMEOUT", "a time such as 500ms or 2s", "2s", "How long the last spans may take to be sent")
        .flag("--flush-timeout"),
    variable("GO_AUTO_LAUNCH_KILL_GROUP", BOOLEAN, "false", "Forward signals to the program's whole process group")
        .flag("--kill-group"),
    variable("GO_AUTO_LAUNCH_REWRITE", REWRITES, "none", "Forward signals as other ones; 0 drops a signal").flag("--rewrite"),
    variable("GO_AUTO_LAUNCH_REMAP_EXIT", REMAPS, "none", "Exit with other codes than the program's").flag("--remap-exit"),
    variable("GO_AUTO_LAUNCH_PARENT_DEATH_SIGNAL", SIGNAL, "none", "Forward this signal when the launcher's parent dies")
        .flag("--parent-death-signal"),
    variable(
        "GO_AUTO_LAUNCH_KEEP_CAPS",
        BOOLEAN,
        "false",
        "Let the program keep CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN and CAP_SYS_PTRACE, if it had them",
    )
    .flag("--keep-caps"),
    variable("GO_AUTO_LAUNCH_INSTALL", "a path", "none", "Copy the launcher to a path").flag("--install"),
    variable("GO_AUTO_LAUNCH_SUPPORTED_VERSIONS", BOOLEAN, "false", "Print the supported libraries and versions")
        .flag("--supported-versions"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (index, variable) in VARIABLES.iter().enumerate() {
            let first = VARIABLES.iter().position(|other| other.name == variable.name);
            assert_eq!(first, Some(index), "{}", variable.name);
        }
    }

    #[test]
    fn every_flag_is_an_option_of_the_command_line_and_every_option_has_a_variable() {
        use clap::CommandFactory as _;
        let command = crate::command_line::CommandLine::command();
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let options: Vec<String> = shown.filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect();
        for flag in VARIABLES.iter().filter_map(|variable| variable.flag) {
            assert!(options.iter().any(|option| option == flag), "{flag}");
        }
        for option in &options {
            assert!(VARIABLES.iter().any(|variable| variable.flag == Some(option)), "{option}");
        }
    }
}
