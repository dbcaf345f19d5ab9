//! The OpenTelemetry API in a program without an SDK: the spans that it starts become spans, and what it adds to the current one is added to
//! ours.
//!
//! `bpf/src/instrumentations/otel_api.rs` says how. The API has two copies of what it needs for that: `go.opentelemetry.io/auto/sdk`, by which the
//! global provider starts spans (otel 1.33 and newer), and `go.opentelemetry.io/otel/trace` itself (1.36 and newer).

mod copies;
mod received;

use bpf::config::otel_api::{EMPTY_OTEL_API, OtelApiConfig, SDK_FUNCTIONS, event};
use bpf::config::{ABSENT, ReadOnlyData as _, Setting, instrumentation};
use bpf::slots::site;
use bpf::trace::stand_in::OBJECT_WORDS;

use crate::executor::Moment;
use crate::probes::facts::Facts;
use crate::probes::fields::FieldReader;
use crate::probes::plan::{How, Instrumentation, Layout, LeftOut, Planned};
use crate::probes::probe::{Body, Event, Probe, When};
use copies::{CALLS, COPIES, copy, is_known, of_copy};

/// The catalog entry.
pub static INSTRUMENTATION: Instrumentation = Instrumentation {
    name: "go.opentelemetry.io/otel",
    description: "spans that the program starts by the OpenTelemetry API, what it adds to the current span, and baggage",
    tested_versions: "1.28 to 1.47; spans of its own from 1.33 on",
    functions: &[
        NEW_SPAN,
        PROVIDER,
        CALLS_PROVIDER[0],
        CALLS_PROVIDER[1],
        CURRENT,
        SDK_START,
        SET_PROVIDER,
        SDK_ASKS[1],
        SDK_ASKS[2],
        COPIES[0].start,
        COPIES[0].ended,
        COPIES[0].is_recording,
        COPIES[1].is_recording,
        COPIES[1].start,
        COPIES[1].ended,
        COPIES[0].calls[0],
        COPIES[0].calls[1],
        COPIES[0].calls[2],
        COPIES[0].calls[3],
        COPIES[0].calls[4],
        COPIES[0].calls[5],
        COPIES[1].calls[0],
        COPIES[1].calls[1],
        COPIES[1].calls[2],
        COPIES[1].calls[3],
        COPIES[1].calls[4],
        COPIES[1].calls[5],
        received::LIST,
        received::PARSE,
    ],
    types: &[
        COPIES[0].span,
        COPIES[0].tracer,
        COPIES[1].span,
        COPIES[1].tracer,
        KEY_VALUE,
        VALUE,
        OLD_STAND_IN,
        SPAN_CONFIG,
        "runtime.g",
        "runtime.stack",
        received::TYPES[0],
        received::TYPES[1],
        received::TYPES[2],
        received::TYPES[3],
        received::TYPES[4],
        received::TYPES[5],
        received::TYPES[6],
        received::TYPES[7],
        received::TYPES[8],
        received::TYPES[9],
        received::TYPES[10],
        received::TYPES[11],
    ],
    wrappers: &[],
    layer: instrumentation::OTEL_API,
    has_parents: true,
    is_of_sdk: true,
    how: How::Code(plan),
};

/// Starts a span for the global provider, where nothing has taken its place.
const NEW_SPAN: &str = "go.opentelemetry.io/otel/internal/global.(*tracer).newSpan";
/// Gives the provider of a span that is none.
///
/// match-go: v1.36.0..: go.opentelemetry.io/otel/trace.noopSpan.tracerProvider(_, autoEnabled)
const PROVIDER: &str = "go.opentelemetry.io/otel/trace.noopSpan.tracerProvider";
/// What there is not where a probe does not store itself: the function has no frame, and so no place for a detour.
const BY_NO_SPAN: &str =
    "spans by the provider of a span that is none (trace.SpanFromContext of a context without any): by BPF it is not switched on";
/// Who asks it.
///
/// match-go: v1.36.0..: go.opentelemetry.io/otel/trace.noopSpan.TracerProvider(s)
/// match-go: v1.36.0..: go.opentelemetry.io/otel/trace.(*noopSpan).TracerProvider(s)
const CALLS_PROVIDER: [&str; 2] =
    ["go.opentelemetry.io/otel/trace.noopSpan.TracerProvider", "go.opentelemetry.io/otel/trace.(*noopSpan).TracerProvider"];
/// Gives the span of a context.
const CURRENT: &str = "go.opentelemetry.io/otel/trace.SpanFromContext";
/// Starts a span of the SDK.
///
/// match-go: v1.28.0..: go.opentelemetry.io/otel/sdk/trace.(*tracer).newSpan(tr, ctx, name, config)
const SDK_START: &str = "go.opentelemetry.io/otel/sdk/trace.(*tracer).newSpan";

/// Words of the itab of a span: its head, and the methods of `trace.Span`; what lies behind a shorter one is copied, too, and never looked at.
const TABLE_WORDS: u32 = 3 + 11;
/// Ask for the span of a context where the SDK begins one. The last is what calls the one before it by an interface.
///
/// match-go: v1.28.0..: go.opentelemetry.io/otel/sdk/trace.parentBased.ShouldSample(pb, p)
/// match-go: v1.28.0..: go.opentelemetry.io/otel/sdk/trace.(*parentBased).ShouldSample(pb, p)
const SDK_ASKS: [&str; SDK_FUNCTIONS] = [
    SDK_START,
    "go.opentelemetry.io/otel/sdk/trace.parentBased.ShouldSample",
    "go.opentelemetry.io/otel/sdk/trace.(*parentBased).ShouldSample",
];
/// Takes a provider for the global one.
///
/// match-go: v1.28.0..: go.opentelemetry.io/otel/internal/global.SetTracerProvider(tp)
const SET_PROVIDER: &str = "go.opentelemetry.io/otel/internal/global.SetTracerProvider";

const SPAN: &str = "go.opentelemetry.io/otel/trace.Span";
const KEY_VALUE: &str = "go.opentelemetry.io/otel/attribute.KeyValue";
const VALUE: &str = "go.opentelemetry.io/otel/attribute.Value";
const SPAN_CONFIG: &str = "go.opentelemetry.io/otel/trace.SpanConfig";
/// What stands in for a span where the program's API has no other that could: it has its identity alone.
const OLD_STAND_IN: &str = "go.opentelemetry.io/otel/trace.nonRecordingSpan";
/// Options of events and spans.
const OPTIONS: [&str; 3] = [
    "go.opentelemetry.io/otel/trace.attributeOption",
    "go.opentelemetry.io/otel/trace.timestampOption",
    "go.opentelemetry.io/otel/trace.spanOptionFunc",
];

fn plan(facts: &Facts<'_>) -> Result<Planned, LeftOut> {
    if ![NEW_SPAN, CURRENT, SDK_START, received::LIST].iter().any(|name| facts.functions.has(name)) {
        return Err(LeftOut::NotUsed(CURRENT.to_owned()));
    }
    if facts.load_bias.is_none() {
        return Err(LeftOut::NotUnderstood("the program's load address is not known".to_owned()));
    }
    let mut fields = FieldReader::new(&facts.layouts);
    let mut planned = Planned::default();
    let mut config = OtelApiConfig { copies: [copy(&mut fields, &COPIES[0]), copy(&mut fields, &COPIES[1])], ..EMPTY_OTEL_API };
    let stack_high = fields.stack_high()?;
    let options = facts.binary.types_named(&OPTIONS)?;
    let option = |number: usize| Setting::new(options.get(number).copied().flatten().map_or(0, |address| address.0));
    [config.attribute_option, config.timestamp_option, config.function_option] = [option(0), option(1), option(2)];
    config.sdk_kind = fields.optional(SPAN_CONFIG, "spanKind");
    let writes = facts.not_stored.map_or(Ok(()), |why| Err(LeftOut::NotUnderstood(why.to_owned())));
    if let Err(why) = writes.clone().and_then(|()| spans(facts, stack_high, &mut planned)) {
        planned.missing.push(format!("spans that the program starts: {why}"));
    }
    if let Err(why) = writes.and_then(|()| current(facts, &mut fields, stack_high, &mut config, &mut planned)) {
        planned.missing.push(format!("what the program adds to the current span: {why}"));
    }
    if facts.functions.has(SDK_START) && config.sdk_kind.get() != ABSENT {
        match facts.at_entry(SDK_START, event(event::SDK_START, "a span of the SDK begins")) {
            Ok(probe) => planned.probes.push(probe),
            Err(why) => planned.missing.push(format!("operations that the SDK makes spans of, too, have two: {why}")),
        }
    }
    match received::plan(facts, &mut fields, stack_high, &mut planned) {
        Ok(found) => config.received = found,
        Err(LeftOut::NotUsed(_)) => {}
        Err(why) => planned.missing.push(format!("baggage that came with requests, in the program's contexts: {why}")),
    }
    planned.layouts = vec![(Layout::OtelApi, config.as_bytes().to_vec())];
    planned.fields = fields.sources;
    Ok(planned)
}

/// An event of [`bpf::instrumentations::otel_api::any`].
const fn event(number: u32, meaning: &'static str) -> Event {
    Event { meaning, when: When::Api, body: Body::OtelApi, number }
}

/// The probes by which the program's own spans begin and end.
fn spans(facts: &Facts<'_>, stack_high: u32, planned: &mut Planned) -> Result<(), LeftOut> {
    let mut fields = FieldReader::new(&facts.layouts);
    let mut found = Vec::new();
    for (number, one) in COPIES.iter().enumerate() {
        if !facts.functions.has(one.start) || !is_known(&copy(&mut fields, one)) {
            continue;
        }
        let start = event(of_copy(event::START, number), "a span of the program's begins");
        found.push((one.start, facts.at_entry(one.start, start)?));
        planned
            .probes
            .push(facts.at_entry(one.ended, event(of_copy(event::ENDED, number), "a span of the program's has ended"))?);
    }
    if found.is_empty() {
        let why = "its version of go.opentelemetry.io/otel records none without an SDK; 1.33 and newer do";
        return Err(LeftOut::NotUnderstood(why.to_owned()));
    }
    let switch = event(event::SWITCH, "the program asks whether its spans are recorded");
    found.push((NEW_SPAN, facts.at_entry(NEW_SPAN, switch)?));
    if !facts.placement.stores() {
        for (function, _) in &found {
            planned.detours.push(facts.detour(function, (site::SPAN_STORES, Moment::Depth), stack_high)?);
        }
    }
    planned.probes.extend(found.into_iter().map(|(_, probe)| probe));
    if facts.functions.has(PROVIDER) {
        if facts.placement.stores() {
            planned.probes.extend(provider(facts));
        } else {
            planned.missing.push(BY_NO_SPAN.to_owned());
        }
    }
    Ok(())
}

/// The probes where the provider of a span is asked for that is none. Where they are not understood, few programs lack anything: the provider
/// of the current span is another one.
fn provider(facts: &Facts<'_>) -> Vec<Probe> {
    let switch = event(event::SWITCH_PROVIDER, "the program asks for the provider of no span");
    if let Ok(probe) = facts.at_entry(PROVIDER, switch) {
        return vec![probe];
    }
    CALLS_PROVIDER.iter().filter_map(|caller| facts.at_call_of(caller, PROVIDER, switch).ok()).collect()
}

/// The probes by which the program gets what stands in for the current span, and what it says of that is learnt.
fn current(
    facts: &Facts<'_>,
    fields: &mut FieldReader<'_>,
    stack_high: u32,
    config: &mut OtelApiConfig,
    planned: &mut Planned,
) -> Result<(), LeftOut> {
    let probe = facts.at_entry(CURRENT, event(event::CURRENT, "the program asks for the span of a context"))?;
    let mut stand_ins = COPIES.iter().map(|copy| (copy.span, true, "spanContext")).chain([(OLD_STAND_IN, false, "sc")]);
    let chosen = stand_ins.find_map(|(of_type, is_pointer, identity)| {
        let layout = facts.layouts.get(of_type)?;
        let at = layout.field(identity).map(|field| field.offset).filter(|at| at.is_multiple_of(8))?;
        let name = if is_pointer { format!("*{of_type}") } else { of_type.to_owned() };
        let table = facts.binary.itab(&name, SPAN).ok().flatten()?;
        (layout.size <= OBJECT_WORDS as u64 * 8).then_some((of_type, table, at))
    });
    let Some((of_type, table, identity)) = chosen else {
        return Err(LeftOut::NotUnderstood("the program has no type of span that could stand in for one".to_owned()));
    };
    key_values(facts)?;
    // What is replaced there must leave the return address on top of the stack.
    if probe.sites.iter().filter_map(|site| site.patch.as_ref()).any(|patch| patch.stack != 0) {
        return Err(LeftOut::NotUnderstood(format!("the code of {CURRENT} is not as expected")));
    }
    let mut probes = vec![probe];
    if facts.functions.has(SET_PROVIDER) {
        probes.push(facts.at_entry(SET_PROVIDER, event(event::PROVIDED, "the program has a provider of its own"))?);
    }
    for (number, one) in COPIES.iter().enumerate().filter(|(_, one)| is_known(&copy(fields, one))) {
        for (function, (call, meaning)) in one.calls.iter().zip(CALLS) {
            // What the program never calls it does not have.
            if facts.functions.has(function) {
                let call = Event { meaning, when: When::Api, body: Body::OtelApiCalls, number: of_copy(call, number) };
                probes.push(facts.at_entry(function, call)?);
            }
        }
    }
    if !facts.placement.stores() {
        planned.detours.push(facts.detour(CURRENT, (site::CURRENT_SPAN, Moment::Return), stack_high)?);
    }
    planned.probes.extend(probes);
    config.stand_in_table = Setting::new(table.0);
    if let Some(copy) = COPIES.iter().find(|copy| copy.span == of_type)
        && let Ok(function) = facts.function(copy.is_recording)
    {
        config.is_recording = Setting::new(function.entry.0);
        config.table_words = Setting::new(TABLE_WORDS);
    }
    config.stand_in_identity = Setting::new(u32::try_from(identity).unwrap_or(ABSENT));
    for (place, name) in config.sdk_code.iter_mut().zip(SDK_ASKS) {
        if let Ok(function) = facts.function(name) {
            *place = [function.entry.0, function.end.0].map(Setting::new);
        }
    }
    Ok(())
}

/// Refuses attributes that are not as the probes read them.
fn key_values(facts: &Facts<'_>) -> Result<(), LeftOut> {
    let offset = |of_type: &str, field: &str| Some(facts.layouts.get(of_type)?.field(field)?.offset);
    let found =
        [(KEY_VALUE, "Key"), (KEY_VALUE, "Value"), (VALUE, "vtype"), (VALUE, "numeric"), (VALUE, "stringly"), (VALUE, "slice")]
            .map(|(of_type, field)| offset(of_type, field));
    let size = facts.layouts.get(KEY_VALUE).map(|layout| layout.size);
    if found == [Some(0), Some(16), Some(0), Some(8), Some(16), Some(32)] && size == Some(64) {
        return Ok(());
    }
    Err(LeftOut::NotUnderstood(format!("{KEY_VALUE} is not as expected")))
}
