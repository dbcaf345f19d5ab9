//! What finding a span's parent takes: the program's contexts, and a probe where goroutines are created.
//!
//! Only for programs in which an operation asks for its parent: the probe is paid by each `go` statement.

use std::collections::BTreeMap;

use bpf::config::operations::event;
use bpf::config::parents::{ContextType, EMPTY_PARENTS, ParentsConfig, Wrapper};
use bpf::config::{ABSENT, ReadOnlyData as _, Setting};
use bpf::trace::frames::G_WORDS;
use serde::Serialize;

use super::facts::Facts;
use super::fields::FieldReader;
use super::fields::FieldSource;
use super::left_out::LeftOut;
use super::operations::Operations;
use super::probe::{Body, Event, Layout, Probe, When};
use super::sdk::Sdk;
use super::{baggage, contexts};
use crate::binary::{Kind, VirtAddr};

/// Functions that are probed.
pub const FUNCTIONS: [&str; 7] = [CREATE, QUEUE, SERVERS[0], SERVERS[1], SERVERS[2], PANIC, GOEXIT];
/// Types that are read.
pub const TYPES: [&str; 10] = [
    "runtime.g",
    "runtime.m",
    "runtime.stack",
    SDK_TRACER,
    SDK_SCOPE,
    SDK_PROVIDER,
    baggage::TYPES[0],
    baggage::TYPES[1],
    baggage::TYPES[2],
    baggage::TYPES[3],
];

const SDK_TRACER: &str = "go.opentelemetry.io/otel/sdk/trace.tracer";
const SDK_PROVIDER: &str = "go.opentelemetry.io/otel/sdk/trace.TracerProvider";
const SDK_SCOPE: &str = "go.opentelemetry.io/otel/sdk/instrumentation.Scope";

/// Every server of `net/http`, of `fasthttp` and of `hertz` has one of these.
const SERVERS: [&str; 3] = [
    "net/http.serverHandler.ServeHTTP",
    "github.com/valyala/fasthttp.(*Server).writeErrorResponse",
    "github.com/cloudwego/hertz/pkg/protocol/http1.Server.Serve",
];
/// What each `go` statement executes on the thread's own stack (`runtime/proc.go`, `newproc`), …
///
/// match-go: 1.18..: runtime.newproc(fn)
const CREATE: &str = "runtime.newproc.func1";
/// … and by what it makes the new goroutine, its second argument, run.
const QUEUE: &str = "runtime.runqput";

const PANIC: &str = "runtime.gopanic";
const GOEXIT: &str = "runtime.Goexit";

/// The event of this probe; its body has no other.
const CREATED: Event = Event { meaning: "a goroutine is created", when: When::GoStatement, body: Body::NewGoroutine, number: 0 };

/// How parents are found.
#[derive(Clone, Debug, Serialize)]
pub struct Parents {
    /// Where goroutines are created, unless nothing is there whose span they could have; and, where there are operations of tables, where
    /// a goroutine panics.
    pub probes: Vec<Probe>,
    /// The offsets that are used.
    pub fields: Vec<FieldSource>,
    /// What will be missing, and why.
    pub missing: Vec<String>,
    /// How to go on from a value of a type on the way from a context to its parents, by the type's descriptor.
    #[serde(skip)]
    pub context_types: Vec<(VirtAddr, ContextType)>,
    /// [`Layout::Parents`].
    #[serde(skip)]
    pub layout: (Layout, Vec<u8>),
}

/// Plans it. `wrappers` are the scopes of instrumentations by the SDK of whose operations the plan observes some, with the layers of these.
/// `gives_baggage`: whether the program gets what came with requests by the OpenTelemetry API; `None` where that is not observed.
#[must_use]
pub fn plan(
    facts: &Facts<'_>,
    operations: &Operations,
    wrappers: &BTreeMap<&str, u32>,
    (sdk, gives_baggage): (Sdk, Option<bool>),
) -> Parents {
    let mut fields = FieldReader::new(&facts.layouts);
    let (mut missing, mut context_types) = (Vec::new(), Vec::new());
    // Spans come from served requests; a span of the SDK is found in its context without any of this.
    let has_server = SERVERS.iter().any(|server| facts.functions.has(server));
    let has_frames = operations.has_frames();
    let mut config =
        ParentsConfig { wanted: Setting::new(has_server.into()), has_frames: Setting::new(has_frames.into()), ..EMPTY_PARENTS };
    config.has_exporter = Setting::new(facts.binary.build_info().has_exporter().into());
    for (place, (name, layers)) in config.wrappers.iter_mut().zip(wrappers) {
        *place = Wrapper::new(name, *layers);
    }
    if let Some(processors) = facts.layouts.field(SDK_PROVIDER, "spanProcessors").filter(|field| field.kind == Kind::Struct) {
        config.sdk_provider = fields.optional(SDK_TRACER, "provider");
        // An `atomic.Pointer` since `go.opentelemetry.io/otel/sdk` 1.16; an `atomic.Value` before, of which the second word points to them.
        let pointer = match processors.size {
            8 => u32::try_from(processors.offset).ok(),
            16 => u32::try_from(processors.offset + 8).ok(),
            _ => None,
        };
        let is_known = config.sdk_provider.get() != ABSENT;
        config.sdk_processors = Setting::new(pointer.filter(|_| is_known).unwrap_or(ABSENT));
    }
    config.sdk_scope = fields.nested(SDK_TRACER, "instrumentationScope", SDK_SCOPE, "Name");
    match contexts::find(facts.binary) {
        Ok(_) if facts.load_bias.is_none() => {
            missing.push("parents are not found through derived contexts: the program's load address is not known".to_owned());
        }
        Ok(found) => {
            let span_key = found.span_key.filter(|_| sdk != Sdk::Off);
            config.span_key = Setting::new(span_key.map_or(0, |key| key.0));
            config.server_key = Setting::new(found.server_key.map_or(0, |key| key.0));
            context_types = found.types;
            match gives_baggage.map(|is_given| baggage::plan(facts, &mut fields, is_given)) {
                None => {}
                Some(Ok(found)) => config.baggage = found,
                Some(Err(why)) => missing.push(format!("baggage that the program sets is not injected: {why}")),
            }
            if config.baggage.key.get() != 0 {
                contexts::mark_answering(facts.binary, &mut context_types);
            }
        }
        Err(why) => missing.push(format!("parents are not found through derived contexts: {why}")),
    }
    let mut probes = Vec::new();
    match goroutines(facts, &mut fields, &mut config) {
        Ok(probe) => probes.extend((has_server || operations.has_creators()).then_some(probe)),
        Err(why) => missing.push(format!("what goroutines do without a context is not part of a trace: {why}")),
    }
    if has_frames {
        match unwinding(facts) {
            Ok(unwinding) => probes.extend(unwinding),
            Err(why) => missing.push(format!("panics that unwind an operation are not described: {why}")),
        }
    }
    config.stack_high = fields.nested("runtime.g", "stack", "runtime.stack", "hi");
    let layout = (Layout::Parents, config.as_bytes().to_vec());
    Parents { probes, fields: fields.sources, missing, context_types, layout }
}

/// What is to be known of goroutines where nothing asks for parents: how deep their stacks are.
#[must_use]
pub fn of_stacks(facts: &Facts<'_>) -> Parents {
    let mut fields = FieldReader::new(&facts.layouts);
    let has_exporter = Setting::new(facts.binary.build_info().has_exporter().into());
    let config =
        ParentsConfig { has_exporter, stack_high: fields.nested("runtime.g", "stack", "runtime.stack", "hi"), ..EMPTY_PARENTS };
    let layout = (Layout::Parents, config.as_bytes().to_vec());
    Parents { probes: Vec::new(), fields: fields.sources, missing: Vec::new(), context_types: Vec::new(), layout }
}

/// The probes where a goroutine begins to unwind.
fn unwinding(facts: &Facts<'_>) -> Result<Vec<Probe>, LeftOut> {
    let event = |number: u32, meaning: &'static str| Event { meaning, when: When::Panic, body: Body::Operations, number };
    let mut probes = vec![facts.at_entry(PANIC, event(event::PANIC, "a panic begins"))?];
    // Few programs have it.
    if facts.functions.has(GOEXIT) {
        probes.push(facts.at_exit(GOEXIT, event(event::GOEXIT, "a goroutine ends itself"))?);
    }
    Ok(probes)
}

/// The probe where goroutines are created.
fn goroutines(facts: &Facts<'_>, fields: &mut FieldReader<'_>, config: &mut ParentsConfig) -> Result<Probe, LeftOut> {
    let (function, queue) = (facts.function(CREATE)?, facts.function(QUEUE)?.entry);
    let mut calls = facts.binary.calls(function)?.filter(|call| call.target == queue);
    let (Some(call), None) = (calls.next(), calls.next()) else {
        return Err(LeftOut::NotUnderstood(format!("{CREATE} does not call {QUEUE} once")));
    };
    let probe = facts.at_call(CREATE, call.site, CREATED)?;
    config.goid = fields.within("runtime.g", "goid", 1, G_WORDS)?;
    config.status = fields.required("runtime.g", "atomicstatus")?;
    config.g_m = fields.required("runtime.g", "m")?;
    config.m_curg = fields.required("runtime.m", "curg")?;
    Ok(probe)
}
