//! Parameters of how spans leave.

use super::values::{BOOLEAN, FILE, GENERAL, MILLISECONDS, PAIRS, POSITIVE, TEXT, TIMEOUT, URL};
use super::{Parameter, Takes, parameter};

const PROTOCOLS: &str = "grpc, http/protobuf or http/json";
const COMPRESSIONS: &str = "gzip or none";
const PROXY: &str = "host:port, or an http:// or https:// URL with or without user:password";
const EXCEPTIONS: &str = "domains, addresses and networks separated by commas, with or without port, or *";

pub(super) const OTLP: &[Parameter] = &[
    parameter("OTEL_TRACES_EXPORTER", "a list of otlp and console, or none", "otlp", "Where spans go"),
    parameter("GO_AUTO_LAUNCH_CONSOLE", BOOLEAN, "false", "Draw each trace on standard error")
        .more("without an endpoint or OTEL_TRACES_EXPORTER, spans go nowhere else then")
        .switch("--console"),
    parameter(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        URL,
        "http://localhost:4318, for grpc http://localhost:4317",
        "The base URL of the collector",
    )
    .more("/v1/traces is appended for http")
    .flag("--endpoint", Takes::One("URL")),
    parameter("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", URL, GENERAL, "The URL for traces, used as it is"),
    parameter("OTEL_EXPORTER_OTLP_PROTOCOL", PROTOCOLS, "http/protobuf", "How spans are sent")
        .flag("--protocol", Takes::One("PROTOCOL")),
    parameter("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", PROTOCOLS, GENERAL, "The same, for traces"),
    parameter("OTEL_EXPORTER_OTLP_HEADERS", PAIRS, "none", "Headers of each request, such as credentials").secret(),
    parameter("OTEL_EXPORTER_OTLP_TRACES_HEADERS", PAIRS, GENERAL, "The same, for traces").secret(),
    parameter("OTEL_EXPORTER_OTLP_TIMEOUT", TIMEOUT, "10000", "How long one request may take"),
    parameter("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", TIMEOUT, GENERAL, "The same, for traces"),
    parameter("OTEL_EXPORTER_OTLP_COMPRESSION", COMPRESSIONS, "none", "The compression of requests"),
    parameter("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", COMPRESSIONS, GENERAL, "The same, for traces"),
    parameter(
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        FILE,
        "the built-in and the system's authorities",
        "The certificates the collector is trusted by",
    ),
    parameter("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", FILE, GENERAL, "The same, for traces"),
    parameter("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", FILE, "none", "The launcher's certificate for mutual TLS"),
    parameter("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", FILE, GENERAL, "The same, for traces"),
    parameter("OTEL_EXPORTER_OTLP_CLIENT_KEY", FILE, "none", "The key of that certificate"),
    parameter("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", FILE, GENERAL, "The same, for traces"),
    parameter("OTEL_EXPORTER_OTLP_INSECURE", BOOLEAN, "false", "No TLS for a grpc endpoint without http:// or https://"),
    parameter("OTEL_EXPORTER_OTLP_TRACES_INSECURE", BOOLEAN, GENERAL, "The same, for traces"),
];

pub(super) const PROXIES: &[Parameter] = &[
    parameter("HTTP_PROXY", PROXY, "http_proxy", "The proxy to a collector by http")
        .more("http/protobuf and http/json only")
        .secret(),
    parameter("http_proxy", PROXY, "none", "The same; HTTP_PROXY counts first").secret(),
    parameter("HTTPS_PROXY", PROXY, "https_proxy", "The proxy to a collector by https, and to any by grpc")
        .more("grpc it must let through (CONNECT)")
        .secret(),
    parameter("https_proxy", PROXY, "none", "The same; HTTPS_PROXY counts first").secret(),
    parameter("NO_PROXY", EXCEPTIONS, "no_proxy", "Where no proxy is used; never for localhost"),
    parameter("no_proxy", EXCEPTIONS, "none", "The same; NO_PROXY counts first"),
    parameter("REQUEST_METHOD", TEXT, "none", "Set by CGI servers: then neither HTTP_PROXY nor http_proxy is used"),
];

pub(super) const BATCHES: &[Parameter] = &[
    parameter("OTEL_BSP_SCHEDULE_DELAY", MILLISECONDS, "5000", "The longest time a span waits to be sent"),
    parameter("OTEL_BSP_EXPORT_TIMEOUT", TIMEOUT, "30000", "How long one batch may take, retries included"),
    parameter("OTEL_BSP_MAX_QUEUE_SIZE", POSITIVE, "20480", "How many spans may wait")
        .more("the specification says 2048: too few for 100 ms at full speed"),
    parameter(
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        "a whole number from 1 to OTEL_BSP_MAX_QUEUE_SIZE",
        "512",
        "How many spans one request has at most",
    ),
    parameter("GO_AUTO_LAUNCH_FLUSH_TIMEOUT", "a time such as 500ms or 2s", "2s", "How long the last spans may take to be sent")
        .flag("--flush-timeout", Takes::One("TIME")),
];
