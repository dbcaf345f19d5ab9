//! Layers: one bit for each library, by which its operations are switched off, refused within those of another one, and told from spans that
//! the program's SDK makes of other libraries' operations. Pure.

use std::collections::BTreeMap;

use bpf::config::instrumentation;
use opentelemetry::trace::SpanKind;

use super::instrumentation::Instrumentation;
use super::library::Operation;

/// The place of the user's own functions among the layers: the last, which has no bit any more.
const USER_LAYER: usize = 29;

/// The layer of the instrumentation with this name: what has bodies of its own has one that these know, tables have those of their places
/// in the catalog.
pub(super) fn of(catalog: &[&Instrumentation], name: &str) -> u32 {
    let place = catalog.iter().position(|one| one.name == name).unwrap_or(USER_LAYER);
    match catalog.get(place).map_or(0, |one| one.layer) {
        0 => instrumentation::FIRST_OF_TABLES << place.min(USER_LAYER),
        layer => layer,
    }
}

/// The scopes of instrumentations by the SDK that make spans of what these have spans of, each with the layers of the operations that its
/// spans are.
pub(super) fn wrappers(catalog: &[&Instrumentation], used: &[&str]) -> BTreeMap<&'static str, u32> {
    let used: Vec<&&Instrumentation> = catalog.iter().filter(|one| used.contains(&one.name)).collect();
    let mut scopes = BTreeMap::new();
    for one in &used {
        let is_one = |other: &&&&Instrumentation| other.name == one.name || is_part(one, other) || is_part(other, one);
        let layers = used.iter().filter(is_one).fold(0, |all, other| all | of(catalog, other.name));
        for scope in one.wrappers {
            *scopes.entry(*scope).or_default() |= layers;
        }
    }
    scopes
}

/// Whether an operation of `outer` and one of `inner` are one, with one span, where the one is made of the other: a statement of
/// `database/sql` and that of its driver, a call and the request of HTTP by which it is sent or comes.
fn is_part(inner: &Instrumentation, outer: &Instrumentation) -> bool {
    let Some(library) = inner.library() else {
        return false;
    };
    let has = |wanted: fn(&Operation) -> bool| library.operations.iter().any(wanted);
    match outer.layer {
        instrumentation::HTTP_CLIENT => has(|operation| operation.by_http),
        instrumentation::HTTP_SERVER | instrumentation::FASTHTTP_SERVER => has(|operation| operation.kind == SpanKind::Server),
        _ => library.inside.contains(&outer.name),
    }
}

#[cfg(test)]
mod tests;
