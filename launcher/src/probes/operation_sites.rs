//! Where operations of tables are observed: the start of a function, its ends, or those of what it calls last. Pure.

use bpf::config::operations::event;

use super::facts::Facts;
use super::left_out::LeftOut;
use super::probe::{Body, Event, Probe, When};
use super::recipe::Declared;
use super::site::Ends;
use crate::binary::TailResult;
use crate::signature::{Assignment, Found, Place};

/// What is wanted of the end of a function.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtEnd {
    /// Whether what its results point to is read.
    pub(super) reads_memory: bool,
    /// Whether all that it calls belongs to it, to the last.
    pub(super) is_whole: bool,
}

/// The probes of a function: at its start `begin` happens, at its end, where that is wanted, an operation ends. `number` is that of its
/// recipe, within its [`super::planned::Planned`]; `body` runs at its start.
pub(super) fn probes(
    facts: &Facts<'_>,
    declared: Declared<'_>,
    (begin, body): (u32, Body),
    end: Option<AtEnd>,
    number: usize,
) -> Result<Vec<Probe>, LeftOut> {
    let function = &declared.found.function;
    let event = |kind: u32, body: Body, when: When, meaning: &'static str| {
        let number = u32::try_from(number).unwrap_or(u32::MAX >> 8) << 8 | kind;
        Event { meaning, when, body, number }
    };
    let (when, meaning) = match begin {
        event::BEGIN => (When::Start, "an operation begins"),
        event::ANNOTATE => (When::Annotate, "something is known of the operation around"),
        event::RESUME => (When::Close, "an operation goes on"),
        _ => (When::Close, "an operation's object ends"),
    };
    let is_annotation = begin == event::ANNOTATE;
    let mut probes = Vec::new();
    // What is learnt when a function returns needs nothing when it is called.
    if !(is_annotation && end.is_some()) {
        probes.push(facts.at_entry_of(function, event(begin, body, when, meaning))?);
    }
    if let Some(AtEnd { reads_memory, is_whole }) = end {
        let ends = Ends {
            results: result_words(&declared.found.assignment),
            // A deferred function may change results that have names.
            is_final: function.has_defer() && declared.signature.results.iter().any(|result| result.name.is_some()),
            is_whole,
            behind: probes.first().and_then(|begins: &Probe| begins.sites.first()).map(|site| site.address),
            reads_memory,
            load_bias: facts.load_bias,
        };
        let meaning = match begin {
            event::BEGIN => "an operation ends, or its function",
            event::ANNOTATE => meaning,
            _ => "an operation ends",
        };
        let (kind, body, when) =
            if is_annotation { (event::ANNOTATE, body, When::Annotate) } else { (event::END, Body::Operations, When::End) };
        probes.push(facts.at_ends_of(function, ends, event(kind, body, when, meaning))?);
    }
    Ok(probes)
}

/// The probe of a function that others call last; `number` is that of it, within its [`super::planned::Planned`], from 1.
pub(super) fn tail_probe(facts: &Facts<'_>, found: &Found, number: usize) -> Result<Probe, LeftOut> {
    let number = u32::try_from(number).unwrap_or(u32::MAX >> 8) << 8 | event::TAIL;
    let event = Event { meaning: "what an operation calls last ends", when: When::End, body: Body::Operations, number };
    let (results, load_bias) = (result_words(&found.assignment), facts.load_bias);
    facts.at_ends_of(
        &found.function,
        Ends { results, is_final: false, is_whole: false, behind: None, reads_memory: true, load_bias },
        event,
    )
}

/// The places of the results of a function when the one that it calls last has returned.
pub(super) fn in_tail(assignment: &Assignment, results: &[TailResult]) -> Assignment {
    let mut assignment = assignment.clone();
    for word in assignment.results.iter_mut().flat_map(|result| &mut result.words) {
        if let Place::Integer(number) = word.place {
            word.place = match results.get(usize::from(number)) {
                Some(TailResult::Called(number)) => Place::Integer(*number),
                Some(TailResult::Local(offset)) => Place::Local(*offset),
                None => word.place,
            };
        }
    }
    assignment
}

/// How many integer registers results take, as far as a probe reads them.
pub(super) fn result_words(assignment: &Assignment) -> usize {
    let registers = assignment.results.iter().flat_map(|result| &result.words).filter_map(|word| match word.place {
        Place::Integer(number) => Some(usize::from(number) + 1),
        Place::Float(_) | Place::Stack(_) | Place::Local(_) => None,
    });
    registers.max().unwrap_or(0).min(bpf::config::MAX_RESULTS)
}
