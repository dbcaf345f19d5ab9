//! Libraries that are described by tables × what was found in the binary → what is observed. Pure.

mod annotations;
mod going_on;

use std::borrow::Cow;
use std::collections::BTreeSet;

use bpf::config::operations::{event, flag};
use opentelemetry::trace::SpanKind;

use super::facts::Facts;
use super::left_out::LeftOut;
use super::library::{Library, Operation};
use super::operation_sites::{in_tail, probes, result_words, tail_probe};
use super::operations::{MAKES, PlannedOperation, WITHIN};
use super::planned::Planned;
use super::probe::Body;
use super::recipe::{AboutFunction, Declared, Errors, Recipe};
use crate::expression::{Condition, Expression, Stage, Unreadable};
use crate::signature::{Found, Signature, find};

/// The functions of a library, as the linker calls them.
pub(super) fn functions(library: &'static Library) -> impl Iterator<Item = String> {
    let of_operations = library.operations.iter().flat_map(move |operation| {
        let all = operation.functions.iter().chain(std::iter::once(&operation.tail).filter(|tail| !tail.is_empty()));
        all.filter_map(move |text| declaration(library, operation.package, text).ok())
    });
    let of_closes = library.closes.iter().filter_map(move |close| declaration(library, close.package, close.function).ok());
    let of_protocol = library.protocol.iter().flat_map(|protocol| protocol.functions).map(|&name| name.to_owned());
    let symbols = of_operations.chain(of_closes).map(|signature| signature.symbol()).chain(of_protocol);
    let symbols = symbols.chain(library.resumes.iter().flat_map(move |one| going_on::functions(library, one)));
    let symbols = symbols.chain(Some(library.beside.to_owned()).filter(|beside| !beside.is_empty()));
    symbols.chain(library.annotations.iter().flat_map(move |one| annotations::functions(library, one)))
}

fn declaration(library: &Library, below: &str, text: &str) -> Result<Signature, LeftOut> {
    let package = [library.package, below].concat();
    Signature::parse(&package, text).map_err(|error| LeftOut::NotUnderstood(format!("{text}: {error}")))
}

/// Plans what of a library the program has.
///
/// # Errors
/// Where it has no operation of it.
pub(super) fn plan(library: &'static Library, facts: &Facts<'_>) -> Result<Planned, LeftOut> {
    if !library.beside.is_empty() && !facts.functions.has(library.beside) {
        return Err(LeftOut::NotUsed(library.beside.to_owned()));
    }
    let mut planning =
        Planning { library, facts, errors: errors(library), planned: Planned::default(), tails: Vec::new(), why: None };
    for operation in library.operations {
        planning.operation(operation)?;
    }
    let has_operations = !planning.planned.operations.is_empty();
    if has_operations {
        for close in library.closes {
            planning.close(close)?;
        }
        for resume in library.resumes {
            planning.resume(resume)?;
        }
        if let Some(protocol) = library.protocol {
            planning.protocol(protocol);
        }
    }
    if has_operations || library.operations.is_empty() {
        for annotation in library.annotations {
            planning.annotation(annotation)?;
        }
    }
    if planning.planned.operations.is_empty() {
        let first = functions(library).next().unwrap_or_default();
        return Err(planning.why.unwrap_or(LeftOut::NotUsed(first)));
    }
    Ok(planning.planned)
}

/// What is captured of errors that the library knows.
fn errors(library: &Library) -> Errors {
    let mut errors = Errors::default();
    for one in library.errors {
        if !one.cause.is_empty() {
            errors.wrappers.push((one.type_name, one.cause));
        }
        let captures = one.captures.iter().filter_map(|(name, rest)| {
            let text = format!("error.({}){rest}", one.type_name);
            Some((*name, Expression::parse(&text).ok()?))
        });
        errors.captures.extend(captures);
    }
    errors
}

struct Planning<'p, 'a> {
    library: &'static Library,
    facts: &'p Facts<'a>,
    errors: Errors,
    planned: Planned,
    /// The functions that operations call last, whose ends are observed.
    tails: Vec<String>,
    /// Why the first function that the program has is not observed.
    why: Option<LeftOut>,
}

impl Planning<'_, '_> {
    fn operation(&mut self, operation: &'static Operation) -> Result<(), LeftOut> {
        let mut done = BTreeSet::new();
        let mut refused = Vec::new();
        for text in operation.functions {
            let signature = declaration(self.library, operation.package, text)?;
            let symbol = signature.symbol();
            if !self.facts.functions.has(&symbol) || done.contains(&symbol) {
                continue;
            }
            match self.function(operation, &signature) {
                Ok(()) => {
                    done.insert(symbol);
                }
                Err(why) => refused.push((symbol, why)),
            }
        }
        for (symbol, why) in refused.into_iter().filter(|(symbol, _)| !done.contains(symbol)) {
            self.planned.missing.push(format!("no spans of {symbol}: {why}"));
            self.why.get_or_insert(why);
        }
        Ok(())
    }

    /// Plans one function of an operation.
    fn function(&mut self, operation: &'static Operation, signature: &Signature) -> Result<(), LeftOut> {
        let mut found = one(find(self.facts.binary, &self.facts.functions, signature))?;
        let tail = self.tail(operation, &mut found)?;
        let (facts, declared) = (self.facts, Declared { signature, found: &found });
        let mut recipe = Recipe::default();
        if !operation.only.is_empty() {
            recipe.require(facts, declared, &condition(operation.only)?, Stage::Start)?;
        }
        self.noted(&mut recipe, "its context", operation.context, |recipe, one| recipe.context(facts, declared, one))?;
        if !operation.error.is_empty() {
            let error = expression(operation.error)?;
            recipe.error(facts, declared, &error, Stage::End, &self.errors)?;
        }
        let mut flags = if operation.injects { flag::INJECTS } else { 0 };
        flags |= if operation.by_http { flag::BY_HTTP } else { 0 };
        if !operation.carrier.is_empty() {
            recipe.carrier(facts, declared, &expression(operation.carrier)?)?;
            flags |= flag::SERVES;
        }
        if !operation.object.is_empty() {
            recipe.object(facts, declared, &expression(operation.object)?, Stage::End)?;
            flags |= flag::HAS_OBJECT;
        }
        if !operation.known_by.is_empty() {
            let captures = operation.known.iter().map(|(name, text)| Ok((*name, expression(text)?)));
            let captures: Vec<_> = captures.collect::<Result<_, LeftOut>>()?;
            if let Err(why) = recipe.known(facts, declared, &expression(operation.known_by)?, &captures) {
                self.planned.missing.push(format!("with what {} is done: {why}", found.function.name));
            }
        }
        let start = operation.start.iter().copied().chain([(WITHIN, operation.within)]);
        let end = operation.end.iter().copied().chain([(MAKES, operation.makes)]);
        for (stage, captures) in [(Stage::Start, start.collect::<Vec<_>>()), (Stage::End, end.collect())] {
            self.captured(&mut recipe, declared, &captures, stage)?;
        }
        if !operation.open.is_empty() {
            recipe.require_open(facts, declared, &condition(operation.open)?)?;
        }
        let elsewhere = operation.returns.and_then(|returns| returns(facts).ok());
        flags |= if elsewhere.is_some() { flag::STAYS } else { 0 };
        let (function, number) = (found.function.name.clone(), self.planned.operations.len());
        let has_end = tail == 0 && elsewhere.is_none();
        self.add(recipe, declared, event::BEGIN, has_end, flags, (operation.kind.clone(), operation.span, function))?;
        for mut probe in elsewhere.into_iter().flatten() {
            probe.event.number |= u32::try_from(number).unwrap_or(u32::MAX >> 8) << 8;
            self.planned.probes.push(probe);
        }
        if let Some(last) = self.planned.operations.last_mut() {
            last.tail = tail;
            last.about.lasts = operation.lasts;
        }
        Ok(())
    }

    /// The number of the function that this one calls last, if its end is observed: then the results are where they are by then.
    fn tail(&mut self, operation: &'static Operation, found: &mut Found) -> Result<u32, LeftOut> {
        let facts = self.facts;
        // On the returns themselves nothing is gained.
        if operation.tail.is_empty() || found.function.has_defer() || facts.placement.returns_are_cheap() {
            return Ok(0);
        }
        let signature = declaration(self.library, operation.package, operation.tail)?;
        let Ok(called) = one(find(facts.binary, &facts.functions, &signature)) else {
            return Ok(0);
        };
        let words = result_words(&found.assignment);
        let Some(results) = facts.binary.tail(&found.function, &called.function, words) else {
            return Ok(0);
        };
        let known = self.tails.iter().position(|known| *known == called.function.name);
        let number = if let Some(known) = known {
            known + 1
        } else {
            self.tails.push(called.function.name.clone());
            self.planned.probes.push(tail_probe(facts, &called, self.tails.len())?);
            self.tails.len()
        };
        found.assignment = in_tail(&found.assignment, &results);
        Ok(u32::try_from(number).unwrap_or(0))
    }

    /// Captures; what an alternative of this function's parameters would be needed for is left out in silence.
    fn captured(
        &mut self,
        recipe: &mut Recipe,
        declared: Declared<'_>,
        captures: &[(&'static str, &'static str)],
        stage: Stage,
    ) -> Result<(), LeftOut> {
        for (name, text) in captures.iter().filter(|(_, text)| !text.is_empty()) {
            match recipe.capture(self.facts, declared, (Cow::Borrowed(*name), &expression(text)?), stage) {
                // A program has the types of those drivers alone that it uses.
                Ok(()) | Err(Unreadable::NoName(_) | Unreadable::NoType(_)) => {}
                Err(why) => {
                    let what = name.trim_start_matches('\0');
                    self.planned.missing.push(format!("{what} of {}: {why}", declared.found.function.name));
                }
            }
        }
        Ok(())
    }

    /// What an operation can do without: where it cannot be noted, that is said.
    fn noted(
        &mut self,
        recipe: &mut Recipe,
        what: &str,
        text: &str,
        note: impl FnOnce(&mut Recipe, &Expression) -> Result<(), Unreadable>,
    ) -> Result<(), LeftOut> {
        if !text.is_empty()
            && let Err(why) = note(recipe, &expression(text)?)
        {
            self.planned.missing.push(format!("{what}: {why}"));
        }
        Ok(())
    }

    fn add(
        &mut self,
        recipe: Recipe,
        declared: Declared<'_>,
        begin: u32,
        has_end: bool,
        flags: u32,
        (kind, span, function): (SpanKind, super::library::SpanFunction, String),
    ) -> Result<(), LeftOut> {
        // What serves a request does so until all that it calls has returned.
        let end = has_end.then(|| recipe.at_end(flags & (flag::SERVES | flag::RESUMES) != 0));
        let body = match begin {
            event::ANNOTATE => Body::Annotations,
            _ if flags & (flag::SERVES | flag::RESUMES) != 0 => Body::ServedOperations,
            _ => Body::Operations,
        };
        let probes = probes(self.facts, declared, (begin, body), end, self.planned.operations.len())?;
        let about = AboutFunction { library: self.library.package, function, kind, span };
        self.planned.missing.extend(recipe.missing.iter().cloned());
        let operation: PlannedOperation = recipe.finish(flags, about);
        self.planned.probes.extend(probes);
        self.planned.operations.push(operation);
        Ok(())
    }
}

/// The one function that a declaration without type parameters is.
fn one(found: Result<Vec<Found>, crate::signature::Mismatch>) -> Result<Found, LeftOut> {
    let found = found.map_err(|why| LeftOut::NotUnderstood(why.to_string()))?;
    found.into_iter().next().ok_or_else(|| LeftOut::NotUnderstood("there is no such function".to_owned()))
}

fn expression(text: &str) -> Result<Expression, LeftOut> {
    Expression::parse(text).map_err(|error| LeftOut::NotUnderstood(format!("{text}: {error}")))
}

fn condition(text: &str) -> Result<Condition, LeftOut> {
    Condition::parse(text).map_err(|error| LeftOut::NotUnderstood(format!("{text}: {error}")))
}
