//! Annotations of a library × what was found in the binary → where they are learnt, and what is captured there. Pure.

use std::borrow::Cow;

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
use crate::signature::{Signature, find};

/// What the compiler calls the functions that it makes of `defer` statements (`cmd/compile/internal/walk/order.go`).
const DEFERRED: [&str; 2] = [".deferwrap1", ".deferwrap2"];
/// What expressions call the request that an annotation is about.
const SERVED_AS_WRITTEN: &str = "served";

/// The functions that an annotation names, as the linker calls them.
pub(super) fn functions(library: &'static Library, annotation: &'static Annotation) -> impl Iterator<Item = String> {
    let symbols = annotation.functions.iter().filter_map(|text| declaration(library, annotation.package, text).ok());
    let called = called(annotation);
    let is_called = called.is_some();
    let with_deferred = symbols.map(|signature| signature.symbol()).flat_map(move |symbol| {
        let deferred = DEFERRED.iter().filter(move |_| is_called).map(|end| [&symbol, *end].concat()).collect::<Vec<_>>();
        std::iter::once(symbol).chain(deferred)
    });
    with_deferred.chain(called.map(|signature| signature.symbol()))
}

/// The function of whose parameters it is learnt.
fn called(annotation: &Annotation) -> Option<Signature> {
    match annotation.moment {
        Moment::Start | Moment::End => None,
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
        let found = one(find(facts.binary, &facts.functions, &read))?;
        // Types without a package are the library's, whosever function is called.
        read.package.clone_from(&signature.package);
        let declared = Declared { signature: &read, found: &found };
        let recipe = self.annotation_recipe(annotation, declared, &symbol)?;
        let flags = match annotation.about {
            About::Around => flag::IS_ANNOTATION,
            About::Served => flag::IS_ANNOTATION | flag::ABOUT_SERVED,
        };
        let (kind, span) = (SpanKind::Internal, annotation.span);
        let has_end = match annotation.moment {
            Moment::Start => false,
            Moment::End => true,
            Moment::Calls(..) => {
                if recipe.reads_stack() {
                    return Err(LeftOut::NotUnderstood(format!("{} gets parameters on the stack", found.function.name)));
                }
                let probes = calls(facts, &symbol, &found.function, self.planned.operations.len())?;
                let about = AboutFunction { library: self.library.package, function: symbol, kind, span };
                self.planned.probes.extend(probes);
                self.planned.operations.push(recipe.finish(flags, about));
                return Ok(());
            }
        };
        self.add(recipe, declared, event::ANNOTATE, has_end, flags, (kind, span, symbol))
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
            Moment::Start | Moment::Calls(..) => Stage::Start,
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

/// The probes where a function calls another one, itself or in what it defers; `number` is that of the recipe, within its
/// [`crate::probes::plan::Planned`].
fn calls(facts: &Facts<'_>, within: &str, callee: &Function, number: usize) -> Result<Vec<Probe>, LeftOut> {
    let number = u32::try_from(number).unwrap_or(u32::MAX >> 8) << 8 | event::ANNOTATE;
    let event =
        Event { meaning: "something is known of the operation around", when: When::Annotate, body: Body::Annotations, number };
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
