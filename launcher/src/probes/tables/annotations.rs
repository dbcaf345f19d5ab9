//! Annotations of a library × what was found in the binary → where they are learnt, and what is captured there. Pure.

use std::borrow::Cow;

use bpf::config::Setting;
use bpf::config::operations::{event, flag};
use opentelemetry::trace::SpanKind;

use super::{Planning, condition, declaration, expression, one};
use crate::binary::Function;
use crate::expression::{Condition, Expression, SERVED, Stage};
use crate::probes::facts::Facts;
use crate::probes::left_out::LeftOut;
use crate::probes::library::{About, Annotation, Library, Moment};
use crate::probes::probe::{Body, Event, Probe, When};
use crate::probes::recipe::{AboutFunction, Declared, Recipe};
use crate::probes::site::Ends;
use crate::signature::{Assignment, Found, Signature, find};

/// What the compiler calls the functions that it makes of `defer` statements (`cmd/compile/internal/walk/order.go`).
const DEFERRED: [&str; 2] = [".deferwrap1", ".deferwrap2"];
/// What expressions call the request that an annotation is about.
const SERVED_AS_WRITTEN: &str = "served";

/// The functions that an annotation names, as the linker calls them.
pub(super) fn functions(library: &'static Library, annotation: &'static Annotation) -> impl Iterator<Item = String> {
    let symbols = annotation.functions.iter().filter_map(|text| declaration(library, annotation.package, text).ok());
    let called = called(annotation);
    let returns_to = match annotation.moment {
        Moment::ReturnsTo(function) => declaration(library, annotation.package, function).ok(),
        Moment::Start | Moment::End | Moment::Calls(..) => None,
    };
    let is_called = called.is_some();
    let with_deferred = symbols.map(|signature| signature.symbol()).flat_map(move |symbol| {
        let deferred = DEFERRED.iter().filter(move |_| is_called).map(|end| [&symbol, *end].concat()).collect::<Vec<_>>();
        std::iter::once(symbol).chain(deferred)
    });
    with_deferred.chain(called.into_iter().chain(returns_to).map(|signature| signature.symbol()))
}

/// The function of whose parameters it is learnt.
fn called(annotation: &Annotation) -> Option<Signature> {
    match annotation.moment {
        Moment::Start | Moment::End | Moment::ReturnsTo(_) => None,
        Moment::Calls(package, function) => Signature::parse(package, function).ok(),
    }
}

impl Planning<'_, '_> {
    pub(super) fn annotation(&mut self, annotation: &'static Annotation) -> Result<(), LeftOut> {
        let mut refused = None;
        for text in annotation.functions {
            let signature = declaration(self.library, annotation.package, text)?;
            let symbol = signature.symbol();
            let has = |symbol: &str| self.facts.functions.has(symbol);
            if !has(&symbol) || called(annotation).is_some_and(|called| !has(&called.symbol())) {
                continue;
            }
            match self.annotation_function(annotation, &signature) {
                Ok(()) => return Ok(()),
                Err(why) => refused = Some((symbol, why)),
            }
        }
        if let Some((symbol, why)) = refused {
            self.planned.missing.push(format!("what {symbol} tells: {why}"));
            self.why.get_or_insert(why);
        }
        Ok(())
    }

    fn annotation_function(&mut self, annotation: &'static Annotation, signature: &Signature) -> Result<(), LeftOut> {
        let (facts, symbol) = (self.facts, signature.symbol());
        let mut read = called(annotation).unwrap_or_else(|| signature.clone());
        let mut found = one(find(facts.binary, &facts.functions, &read))?;
        if let Moment::ReturnsTo(_) = annotation.moment {
            found.assignment = kept(facts, &found)?;
        }
        // Types without a package are the library's, whosever function is called.
        read.package.clone_from(&signature.package);
        let declared = Declared { signature: &read, found: &found };
        let recipe = self.annotation_recipe(annotation, declared, &symbol)?;
        let mut flags = match annotation.about {
            About::Around => flag::IS_ANNOTATION,
            About::Served => flag::IS_ANNOTATION | flag::ABOUT_SERVED,
        };
        let has_end = match annotation.moment {
            Moment::Start => false,
            Moment::End => true,
            Moment::Calls(..) => {
                if recipe.reads_stack() {
                    return Err(LeftOut::NotUnderstood(format!("{} gets parameters on the stack", found.function.name)));
                }
                let probes = calls(facts, &symbol, &found.function, self.planned.operations.len())?;
                self.learnt(recipe, probes, flags, (annotation, symbol));
                return Ok(());
            }
            Moment::ReturnsTo(caller) => {
                let caller = declaration(self.library, annotation.package, caller)?.symbol();
                let probe = returns_to(facts, &found.function, &caller, self.planned.operations.len())?;
                flags |= flag::RETURNS;
                self.learnt(recipe, vec![probe], flags, (annotation, symbol));
                return Ok(());
            }
        };
        self.add(recipe, declared, event::ANNOTATE, has_end, flags, (SpanKind::Internal, annotation.span, symbol))
    }

    /// Adds what is learnt at these probes alone.
    fn learnt(&mut self, recipe: Recipe, probes: Vec<Probe>, flags: u32, (annotation, function): (&Annotation, String)) {
        let (kind, span) = (SpanKind::Internal, annotation.span);
        let about = AboutFunction { library: self.library.package, function, kind, span };
        self.planned.probes.extend(probes);
        self.planned.operations.push(recipe.finish(flags, about));
    }

    /// What is captured; refused where that is nothing.
    fn annotation_recipe(
        &mut self,
        annotation: &'static Annotation,
        declared: Declared<'_>,
        symbol: &str,
    ) -> Result<Recipe, LeftOut> {
        let (facts, about) = (self.facts, annotation.about);
        let stage = match annotation.moment {
            Moment::Start | Moment::Calls(..) | Moment::ReturnsTo(_) => Stage::Start,
            Moment::End => Stage::End,
        };
        let mut recipe = Recipe::default();
        if !annotation.only.is_empty() {
            let only = condition(annotation.only)?;
            let only = Condition { expression: named(about, &only.expression), ..only };
            recipe.require(facts, declared, &only, stage)?;
        }
        if !annotation.error.is_empty() {
            recipe.error(facts, declared, &named(about, &expression(annotation.error)?), stage, &self.errors)?;
        }
        let mut why = None;
        for (name, text) in annotation.captures {
            let expression = named(about, &expression(text)?);
            let captured = match expression.elements() {
                Some(count) => recipe.capture_elements(facts, declared, (*name, &expression, count), stage),
                None => recipe.capture(facts, declared, (Cow::Borrowed(*name), &expression), stage),
            };
            if let Err(unreadable) = captured {
                self.planned.missing.push(format!("{name} of {symbol}: {unreadable}"));
                why.get_or_insert(unreadable);
            }
        }
        match why.filter(|_| recipe.is_empty()) {
            Some(why) => Err(why.into()),
            None => Ok(recipe),
        }
    }
}

/// An expression of what an annotation is about.
fn named(about: About, expression: &Expression) -> Expression {
    match about {
        About::Around => expression.clone(),
        About::Served => expression.renamed(SERVED_AS_WRITTEN, SERVED),
    }
}

/// An event that tells of the operation around.
fn learns(number: usize) -> Event {
    let number = u32::try_from(number).unwrap_or(u32::MAX >> 8) << 8 | event::ANNOTATE;
    Event { meaning: "something is known of the operation around", when: When::Annotate, body: Body::Annotations, number }
}

/// The places of the first two parameters of a function, with the receiver, when it returns: where it has kept them, if that is plain from its
/// code. The others have none.
fn kept(facts: &Facts<'_>, found: &Found) -> Result<Assignment, LeftOut> {
    if facts.binary.spilled_arguments(&found.function, [0, 1])?.is_none() {
        return Err(LeftOut::NotUnderstood(format!("it is not plain where {} keeps its parameters", found.function.name)));
    }
    let mut assignment = found.assignment.clone();
    for (number, placed) in assignment.receiver.iter_mut().chain(&mut assignment.parameters).enumerate() {
        placed.keep();
        placed.is_known &= number < 2;
    }
    Ok(assignment)
}

/// The probe where a function returns to the one that calls it once.
fn returns_to(facts: &Facts<'_>, function: &Function, caller: &str, number: usize) -> Result<Probe, LeftOut> {
    let mut calls = facts.binary.calls(facts.function(caller)?)?.filter(|call| call.target == function.entry);
    let (Some(call), None) = (calls.next(), calls.next()) else {
        return Err(LeftOut::NotUnderstood(format!("{caller} does not call {} once", function.name)));
    };
    drop(calls);
    // On each `RET`, where the stack pointer is what it was at the start.
    let ends = Ends { results: 0, is_final: true, is_whole: true, behind: None, reads_memory: true, load_bias: facts.load_bias };
    let mut probe = facts.at_ends_of(function, ends, learns(number))?;
    for recipe in probe.sites.iter_mut().flat_map(|site| &mut site.recipes) {
        recipe.guarded = Setting::new(1);
        recipe.guard_first = Setting::new(call.back(facts.binary.architecture()).0);
        recipe.guard_size = Setting::new(0);
    }
    Ok(probe)
}

/// The probes where a function calls another one, itself or in what it defers; `number` is that of the recipe, within its
/// [`crate::probes::planned::Planned`].
fn calls(facts: &Facts<'_>, within: &str, callee: &Function, number: usize) -> Result<Vec<Probe>, LeftOut> {
    let event = learns(number);
    let mut probes = Vec::new();
    for end in std::iter::once("").chain(DEFERRED) {
        let name = [within, end].concat();
        let Some(function) = facts.functions.only(&name)? else {
            continue;
        };
        for call in facts.binary.calls(function)?.filter(|call| call.target == callee.entry) {
            probes.push(facts.at_call(&name, call.site, event)?);
        }
    }
    if probes.is_empty() {
        return Err(LeftOut::NotUnderstood(format!("{within} does not call {}", callee.name)));
    }
    Ok(probes)
}
