//! The program's types of contexts: how to go from a value of each to the context that it was made of.
//!
//! `context.Context` values form a chain: each type of the standard library, and whatever a program makes of it by
//! embedding, holds the one before it. The types are those that the linker has seen used as `context.Context`.

use bpf::config::ABSENT;
use bpf::config::parents::{ContextType, context_kind};

use crate::binary::{BinaryError, Field, GoBinary, Kind, TypeLayout, VirtAddr};

const CONTEXT: &str = "context.Context";
const VALUE_CONTEXT: &str = "*context.valueCtx";
const REQUEST: &str = "*net/http.Request";
const SPAN: &str = "go.opentelemetry.io/otel/trace.Span";
/// A span that the SDK records, with its tracer.
const RECORDED: &str = "*go.opentelemetry.io/otel/sdk/trace.recordingSpan";
const SPAN_CONTEXT: &str = "go.opentelemetry.io/otel/trace.SpanContext";
const SPAN_KEY: &str = "go.opentelemetry.io/otel/trace.traceContextKeyType";
/// Of `http.ServerContextKey` and `http.LocalAddrContextKey` (`net/http/server.go`).
const SERVER_KEY: &str = "*net/http.contextKey";
/// Structs within structs that are looked into.
const MAX_DEPTH: u32 = 4;

/// What was found.
#[derive(Debug, Default)]
pub struct Contexts {
    /// How to go on from a value, by the descriptor of its type.
    pub types: Vec<(VirtAddr, ContextType)>,
    /// The descriptor of the type of the key under which the OpenTelemetry API keeps a span; `None` where the program does
    /// not use it or it is not understood.
    pub span_key: Option<VirtAddr>,
    /// The descriptor of the type of the keys under which a server keeps itself in the contexts of its connections.
    pub server_key: Option<VirtAddr>,
}

/// Finds the types of contexts and, where the program uses the OpenTelemetry API, of spans.
///
/// # Errors
/// The program's type descriptors cannot be read at all.
pub fn find(binary: &GoBinary<'_>) -> Result<Contexts, BinaryError> {
    let mut contexts = Contexts::default();
    let named = binary.types_named(&[CONTEXT, SPAN, SPAN_KEY, SPAN_CONTEXT, SERVER_KEY])?;
    let [context, span, key, span_context, server_key] = named.as_slice() else {
        return Ok(contexts);
    };
    contexts.server_key = *server_key;
    if let Some(context) = context {
        for address in binary.implementers(*context)? {
            if let Some(route) = route(binary, underlying(binary, address)?, 0)? {
                let is_pointer = is_pointer_shaped(binary, address)?;
                let route = if is_pointer { route.without_first_pointer() } else { route };
                let is_value = binary.type_name_at(address).as_deref() == Some(VALUE_CONTEXT);
                let kind = if is_value { context_kind::VALUE } else { context_kind::HOLDS };
                contexts.types.extend(route.context_type(kind).map(|found| (address, found)));
            }
        }
    }
    if let (Some(span), Some(key), Some(span_context)) = (span, key, span_context)
        && binary.layout_at(*span_context)?.is_some_and(|layout| is_understood(&layout))
    {
        contexts.span_key = Some(*key);
        for address in binary.implementers(*span)? {
            let layout = binary.layout_at(underlying(binary, address)?)?;
            let identity = layout.as_ref().and_then(|layout| layout.fields.iter().find(|field| is_identity(binary, field)));
            let is_recorded = binary.type_name_at(address).as_deref() == Some(RECORDED);
            let tracer = layout.as_ref().and_then(|layout| layout.field("tracer")).filter(|_| is_recorded);
            let route = identity.map(|field| Route { offset: field.offset, through: tracer.map(|field| field.offset) });
            let found = route.and_then(|route| route.context_type(context_kind::SPAN));
            let kind = layout.as_ref().and_then(|layout| layout.field("spanKind")).filter(|_| tracer.is_some());
            let span_kind = kind.and_then(|field| u32::try_from(field.offset).ok()).unwrap_or(0);
            contexts.types.extend(found.map(|found| (address, ContextType { span_kind, ..found })));
        }
    }
    Ok(contexts)
}

/// Marks the types that answer for values themselves: those with a method `Value` that somebody has written, but for those of `context`. Reads
/// the names of all functions.
pub fn mark_answering(binary: &GoBinary<'_>, types: &mut [(VirtAddr, ContextType)]) {
    let methods: Vec<(usize, [String; 2])> = types
        .iter()
        .enumerate()
        .filter(|(_, (_, context))| context.kind == context_kind::HOLDS)
        .filter_map(|(number, (address, _))| Some((number, value_methods(&binary.type_name_at(*address)?)?)))
        .collect();
    let names: Vec<&str> = methods.iter().flat_map(|(_, names)| names.iter().map(String::as_str)).collect();
    let found = binary.functions(&names);
    for (number, names) in methods {
        let is_written = names.iter().flat_map(|name| found.all(name)).any(|function| !binary.is_generated(function));
        if let Some((_, context)) = types.get_mut(number).filter(|_| is_written) {
            context.kind = context_kind::ANSWERS;
        }
    }
}

/// What the methods `Value` of a type and of pointers to it are called as functions; `None` for those of `context`.
fn value_methods(type_name: &str) -> Option<[String; 2]> {
    let name = type_name.trim_start_matches('*');
    // Of type arguments functions say only that there are some.
    let name = name.split('[').next()?;
    let (package, own) = name.rsplit_once('.').filter(|(package, _)| *package != "context")?;
    let arguments = if type_name.contains('[') { "[...]" } else { "" };
    Some([format!("{package}.{own}{arguments}.Value"), format!("{package}.(*{own}{arguments}).Value")])
}

/// The struct behind a pointer type, or the type itself: an interface value holds the address of a struct in both cases, but
/// for [`is_pointer_shaped`].
fn underlying(binary: &GoBinary<'_>, address: VirtAddr) -> Result<VirtAddr, BinaryError> {
    Ok(binary.pointed_to(address)?.unwrap_or(address))
}

/// Whether the type is a struct of nothing but a pointer, which an interface value holds itself
/// (`cmd/compile/internal/types.IsDirectIface`).
fn is_pointer_shaped(binary: &GoBinary<'_>, address: VirtAddr) -> Result<bool, BinaryError> {
    let layout = binary.layout_at(address)?;
    Ok(layout.is_some_and(|layout| layout.kind == Kind::Struct && layout.size == 8))
}

/// `trace.SpanContext`, with the fields where the probe reads them (`bpf::trace::parents`).
fn is_understood(layout: &TypeLayout) -> bool {
    let at = |name: &str| layout.field(name).map(|field| field.offset);
    [at("traceID"), at("spanID"), at("traceFlags"), at("remote")] == [Some(0), Some(16), Some(24), Some(56)]
}

/// The field of a span that holds its own identity: `recordingSpan.spanContext`, `nonRecordingSpan.sc`.
fn is_identity(binary: &GoBinary<'_>, field: &Field) -> bool {
    matches!(field.name.as_str(), "spanContext" | "sc")
        && binary.type_name_at(field.type_address).as_deref() == Some(SPAN_CONTEXT)
}

/// From a struct to a context within it, or within a struct that it points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Route {
    offset: u64,
    through: Option<u64>,
}

impl Route {
    /// The same from what the struct's only field points to.
    fn without_first_pointer(self) -> Self {
        match self.through {
            Some(offset) => Self { offset, through: None },
            None => self,
        }
    }

    fn context_type(self, kind: u32) -> Option<ContextType> {
        let through = match self.through {
            Some(offset) => u32::try_from(offset).ok()?,
            None => ABSENT,
        };
        Some(ContextType { kind, offset: u32::try_from(self.offset).ok()?, through, span_kind: 0 })
    }
}

/// The way from a value of the struct at `address` to a context: a field that is one, else one within an embedded struct,
/// else one within what it embeds a pointer to, or within the `*http.Request` that it holds (`gin.Context`).
fn route(binary: &GoBinary<'_>, address: VirtAddr, depth: u32) -> Result<Option<Route>, BinaryError> {
    let Some(layout) = binary.layout_at(address)?.filter(|_| depth <= MAX_DEPTH) else {
        return Ok(None);
    };
    let type_name = |field: &Field| binary.type_name_at(field.type_address).unwrap_or_default();
    let contexts = layout.fields.iter().filter(|field| type_name(field) == CONTEXT);
    if let Some(field) = contexts.max_by_key(|field| field.embedded) {
        return Ok(Some(Route { offset: field.offset, through: None }));
    }
    for field in layout.fields.iter().filter(|field| field.embedded && field.kind == Kind::Struct) {
        if let Some(inner) = route(binary, field.type_address, depth + 1)? {
            return Ok(Some(Route { offset: field.offset + inner.offset, ..inner }));
        }
    }
    let leads_on = |field: &&Field| field.kind == Kind::Pointer && (field.embedded || type_name(field) == REQUEST);
    for field in layout.fields.iter().filter(leads_on) {
        let behind = underlying(binary, field.type_address)?;
        if let Some(Route { offset, through: None }) = route(binary, behind, depth + 1)? {
            return Ok(Some(Route { offset: field.offset, through: Some(offset) }));
        }
    }
    Ok(None)
}
