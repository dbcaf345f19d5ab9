//! The user's own functions × what was found in the binary → what is observed. Pure.

use std::borrow::Cow;

use bpf::config::operations::event;
use opentelemetry::trace::SpanKind;
use opentelemetry::{KeyValue, Value as Attribute};
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_semantic_conventions::attribute as semconv;

use super::facts::Facts;
use super::left_out::LeftOut;
use super::operation_sites::probes;
use super::planned::Planned;
use super::probe::{Body, Point, Probe};
use super::recipe::{AboutFunction, Declared, Errors, Recipe};
use crate::binary::GoBinary;
use crate::captured::{Captured, Value};
use crate::expression::{Expression, Stage};
use crate::signature::{Found, Mismatch, find};
use crate::user_function::UserFunction;

/// What `--check` and `OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS` call them.
pub const NAME: &str = "functions";
/// The scope of their spans.
const SCOPE: &str = "functions";
/// Names that are proposed where one is not found.
const MAX_PROPOSED: usize = 3;
/// How alike a name is that is proposed; 1 is the same.
const ALIKE: f64 = 0.85;

/// Plans those that the program has; `libraries` are planned already.
///
/// # Errors
/// Where it has none of them: with the first one's reason.
pub(super) fn plan(functions: &[UserFunction], facts: &Facts<'_>, libraries: &[Planned]) -> Result<Planned, LeftOut> {
    let mut planned = Planned::default();
    let mut why = None;
    for function in functions {
        if let Err(reason) = add(function, facts, libraries, &mut planned) {
            let name = function.short_name();
            planned.missing.push(format!("no spans of {name}: {reason}"));
            why.get_or_insert(LeftOut::NotUnderstood(format!("{name}: {reason}")));
        }
    }
    match why {
        Some(why) if planned.operations.is_empty() => Err(why),
        Some(_) | None => Ok(planned),
    }
}

fn add(function: &UserFunction, facts: &Facts<'_>, libraries: &[Planned], planned: &mut Planned) -> Result<(), LeftOut> {
    let instances = find(facts.binary, &facts.functions, &function.signature).map_err(|why| mismatch(&why, function, facts))?;
    for found in &instances {
        let (probes, operation) = instance(function, facts, found, planned)?;
        at_places_of_its_own(&probes, libraries)?;
        planned.probes.extend(probes);
        planned.operations.push(operation);
    }
    Ok(())
}

/// Plans a function, or one instance of a generic one.
fn instance(
    function: &UserFunction,
    facts: &Facts<'_>,
    found: &Found,
    planned: &mut Planned,
) -> Result<(Vec<Probe>, super::operations::PlannedOperation), LeftOut> {
    let declared = Declared { signature: &function.signature, found };
    let mut recipe = Recipe::default();
    let mut missing = |what: &str, why: &dyn std::fmt::Display| {
        planned.missing.push(format!("{what} of {}: {why}", function.short_name()));
    };
    if let Some(context) = function.context().and_then(|name| Expression::parse(name).ok())
        && let Err(why) = recipe.context(facts, declared, &context)
    {
        missing("the context", &why);
    }
    if let Some(error) = function.error().and_then(|name| Expression::parse(&name).ok())
        && let Err(why) = recipe.error(facts, declared, &error, Stage::End, &Errors::default())
    {
        missing("the error", &why);
    }
    for (name, expression) in &function.attributes {
        let stage = if function.is_of_result(expression) { Stage::End } else { Stage::Start };
        if let Err(why) = recipe.capture(facts, declared, (Cow::Owned(name.clone()), expression), stage) {
            missing(&format!("the attribute {name}"), &why);
        }
    }
    let end = Some(recipe.at_end(true));
    let probes = probes(facts, declared, (event::BEGIN, Body::Operations), end, planned.operations.len())?;
    let name = function.signature.symbol().replace("%2e", ".");
    let about = AboutFunction { library: SCOPE, function: name, kind: SpanKind::Internal, span };
    Ok((probes, recipe.finish(0, about)))
}

/// Refuses a function where something else begins already: of two operations at the same depth of a stack, the first would have been
/// unwound when the second begins.
fn at_places_of_its_own(probes: &[Probe], libraries: &[Planned]) -> Result<(), LeftOut> {
    let entries = |probe: &&Probe| probe.point == Point::Entry;
    let is_there = |planned: &Planned| {
        let entries_there = planned.probes.iter().filter(entries).filter(|probe| looks_at_depths(probe.event.body));
        let mut there = entries_there.flat_map(|probe| &probe.sites);
        there.any(|site| probes.iter().filter(entries).flat_map(|probe| &probe.sites).any(|new| new.address == site.address))
    };
    let Some(Planned { name, .. }) = libraries.iter().find(|library| is_there(library)) else {
        return Ok(());
    };
    Err(LeftOut::NotUnderstood(format!(
        "{name} observes its calls already; leave it out here, or switch that off by OTEL_GO_AUTO_DISABLE_INSTRUMENTATIONS={name}"
    )))
}

/// Whether a body forgets operations that begin at the same depth of the stack, or deeper.
const fn looks_at_depths(body: Body) -> bool {
    match body {
        Body::Operations
        | Body::ServedOperations
        | Body::Annotations
        | Body::HttpServer
        | Body::FasthttpServer
        | Body::HertzServer => true,
        Body::Http2Request
        | Body::HttpRoute
        | Body::HttpClient
        | Body::NewGoroutine
        | Body::GrpcClient
        | Body::OtelApi
        | Body::OtelApiCalls => false,
    }
}

/// Why there is no such function, with the names that may have been meant.
fn mismatch(why: &Mismatch, function: &UserFunction, facts: &Facts<'_>) -> LeftOut {
    let symbol = function.signature.symbol();
    if !matches!(why, Mismatch::NotFound(_) | Mismatch::NoInstance(_)) {
        let real = facts.functions.all(&symbol).first().and_then(|one| crate::signature::true_signature(facts.binary, one));
        let real = real.map(|real| format!("; it is {real}")).unwrap_or_default();
        return LeftOut::NotUnderstood(format!("{why}{real}"));
    }
    let inlined = facts.binary.inlined(&[&symbol]);
    if let [caller, ..] = inlined.callers(&symbol) {
        return LeftOut::NotUnderstood(format!(
            "it is inlined wherever it is called, for example into {caller}; //go:noinline keeps it"
        ));
    }
    let proposed = proposed(facts.binary, &symbol);
    let proposed = if proposed.is_empty() { String::new() } else { format!("; did you mean {}?", proposed.join(", ")) };
    LeftOut::NotUnderstood(format!("{why}{proposed}"))
}

/// The functions of the program whose names are most like this one.
fn proposed(binary: &GoBinary<'_>, symbol: &str) -> Vec<String> {
    let mut alike: Vec<(f64, String)> = Vec::new();
    for function in binary.all_functions() {
        let is_closure =
            function.name.contains(".func") || function.name.contains("go.shape.") || function.name.starts_with("type:");
        let likeness = if is_closure { 0.0 } else { likeness(&function.name, symbol) };
        if likeness >= ALIKE && alike.iter().all(|(_, known)| *known != function.name) {
            alike.push((likeness, function.name));
            alike.sort_by(|one, other| other.0.total_cmp(&one.0));
            alike.truncate(MAX_PROPOSED);
        }
    }
    alike.into_iter().map(|(_, name)| name).collect()
}

/// How alike two names of functions are; 1: the same. Who leaves out the receiver, or all but the end of the import path, means the
/// function all the same.
fn likeness(one: &str, other: &str) -> f64 {
    let [(package, name), (other_package, other_name)] = [one, other].map(in_package);
    let end = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let of_packages = if package == other_package {
        1.0
    } else if end(package) == end(other_package) {
        0.97
    } else {
        strsim::jaro_winkler(package, other_package)
    };
    let own = |name: &str| name.rsplit('.').next().unwrap_or_default().to_lowercase();
    let of_own = 0.98 * strsim::jaro_winkler(&own(name), &own(other_name));
    of_packages * of_own.max(strsim::jaro_winkler(name, other_name))
}

/// The import path of a function's package, and what stands behind it.
fn in_package(symbol: &str) -> (&str, &str) {
    let last = symbol.rfind('/').map_or(0, |slash| slash + 1);
    let dot = symbol.get(last..).and_then(|name| name.find('.')).map_or(symbol.len(), |dot| last + dot);
    let (package, name) = symbol.split_at_checked(dot).unwrap_or((symbol, ""));
    (package, name.strip_prefix('.').unwrap_or(name))
}

/// The span of a call.
fn span(captured: &Captured<'_>, span: &mut SpanData) {
    let short = captured.function.rsplit('/').next().unwrap_or(captured.function);
    span.name = Cow::Owned(short.to_owned());
    span.attributes.push(KeyValue::new(semconv::CODE_FUNCTION_NAME, captured.function.to_owned()));
    let own = captured.values.iter().filter(|(name, _)| !name.starts_with('\0'));
    span.attributes.extend(own.filter_map(|(name, value)| Some(KeyValue::new(name.clone(), attribute(value)?))));
}

/// A captured value as an attribute's.
fn attribute(value: &Value) -> Option<Attribute> {
    Some(match value {
        Value::Text { text, is_cut: _ } => Attribute::from(text.clone()),
        Value::Integer(number) => Attribute::from(*number),
        Value::Bool(is_true) => Attribute::from(*is_true),
        Value::Float(number) => Attribute::from(*number),
        Value::Type(name) => Attribute::from(name.clone()?),
        Value::Held(held) => Attribute::from(held.message.as_ref().unwrap_or(&held.type_name).clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_the_most_alike() {
        const ALL: [&str; 6] = [
            "example.com/shop/orders.(*Store).Place",
            "example.com/shop/orders.(*Store).Cancel",
            "example.com/shop/orders.Total",
            "example.com/shop/stock.(*Store).Place",
            "main.main",
            "net/http.(*Client).Do",
        ];
        for (asked, meant) in [
            ("example.com/shop/orders.(*Store).Plase", Some(ALL[0])),
            ("example.com/shop/orders.Place", Some(ALL[0])),
            ("orders.(*Store).Place", Some(ALL[0])),
            ("example.com/shop/orders.Store.Cancel", Some(ALL[1])),
            ("example.com/shop/order.Total", Some(ALL[2])),
            ("main.Main", Some(ALL[4])),
            ("http.(*Client).Do", Some(ALL[5])),
            ("example.com/shop/orders.Unrelated", None),
            ("main", None),
            ("", None),
        ] {
            let found = ALL.iter().map(|name| (likeness(name, asked), *name)).max_by(|one, other| one.0.total_cmp(&other.0));
            assert_eq!(found.filter(|(likeness, _)| *likeness >= ALIKE).map(|(_, name)| name), meant, "{asked}");
        }
    }
}
