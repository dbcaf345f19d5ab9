//! Lists of exporters and of propagators, by their names in OpenTelemetry.

use std::ffi::OsString;

use super::reader::Reader;
use super::{Otlp, Propagator, otlp};

/// The exporters a list may name; `None` stands for `none`.
pub(super) fn exporters<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> (bool, Option<Otlp>) {
    #[derive(PartialEq)]
    enum Exporter {
        Otlp,
        Console,
        Nothing,
    }
    const NAME: &str = "OTEL_TRACES_EXPORTER";
    let flag = reader.switch("GO_AUTO_LAUNCH_CONSOLE");
    let listed = reader.list(NAME, |name| match &*name.to_ascii_lowercase() {
        "otlp" => Some(Exporter::Otlp),
        "console" | "logging" => Some(Exporter::Console),
        "none" => Some(Exporter::Nothing),
        _ => None,
    });
    // `--console` alone means: no collector is needed. With an endpoint or a list, it is added to what they say.
    let (otlp, console) = match &listed {
        Some(list) if list.contains(&Exporter::Nothing) => (false, false),
        Some(list) => (list.contains(&Exporter::Otlp), list.contains(&Exporter::Console)),
        None => (!flag || reader.is_set(&otlp::ENDPOINTS), false),
    };
    (flag || console, otlp.then(|| Otlp::read(reader)))
}

/// The formats in which the trace context is extracted and injected.
pub(super) fn propagators<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Vec<Propagator> {
    let listed = reader.list("OTEL_PROPAGATORS", |name| match &*name.to_ascii_lowercase() {
        "tracecontext" => Some(Some(Propagator::TraceContext)),
        "baggage" => Some(Some(Propagator::Baggage)),
        "b3" => Some(Some(Propagator::B3)),
        "b3multi" => Some(Some(Propagator::B3Multi)),
        "none" => Some(None),
        _ => None,
    });
    match listed {
        // `none` anywhere in the list switches all off: collecting options gives None.
        Some(list) => list.into_iter().collect::<Option<_>>().unwrap_or_default(),
        None => vec![Propagator::TraceContext, Propagator::Baggage],
    }
}
