//! Operations of a library that go on when their function has returned × what was found in the binary → where they are resumed, and where
//! their objects end; and what of the library is code. Pure.

use bpf::config::operations::{event, flag};
use opentelemetry::trace::SpanKind;

use super::{Planning, condition, declaration, expression, one};
use crate::expression::Stage;
use crate::probes::left_out::LeftOut;
use crate::probes::library::{Close, Library, Protocol, Resume, SpanFunction};
use crate::probes::planned::Planned;
use crate::probes::recipe::{Declared, Recipe};
use crate::signature::{GoType, Parameter, Signature, find};

/// What expressions call an object by its type.
const OBJECT: &str = "object";

/// The functions in which operations go on, as the linker calls them.
pub(super) fn functions(library: &'static Library, resume: &'static Resume) -> impl Iterator<Item = String> {
    let signatures = resume.functions.iter().filter_map(|text| declaration(library, resume.package, text).ok());
    signatures.map(|signature| signature.symbol())
}

impl Planning<'_, '_> {
    pub(super) fn close(&mut self, close: &'static Close) -> Result<(), LeftOut> {
        let signature = declaration(self.library, close.package, close.function)?;
        if !self.facts.functions.has(&signature.symbol()) {
            return Ok(());
        }
        if let Err(why) = self.close_function(close, &signature) {
            self.planned.missing.push(format!("the end of what {} ends: {why}", signature.symbol()));
        }
        Ok(())
    }

    fn close_function(&mut self, close: &'static Close, signature: &Signature) -> Result<(), LeftOut> {
        let found = one(find(self.facts.binary, &self.facts.functions, signature))?;
        let (facts, declared) = (self.facts, Declared { signature, found: &found });
        let mut recipe = Recipe::default();
        match recipe.object(facts, declared, &expression(close.object)?, Stage::Start) {
            // What it would be known by is not there either, which is said.
            Err(_) if close.forgets => return Ok(()),
            placed => placed?,
        }
        if !close.only.is_empty() {
            recipe.require(facts, declared, &condition(close.only)?, Stage::Start)?;
        }
        let (stage, begin) = if close.at_return { (Stage::End, event::CLOSING) } else { (Stage::Start, event::CLOSE) };
        if !close.error.is_empty() {
            recipe.error(facts, declared, &expression(close.error)?, stage, &self.errors)?;
        }
        self.captured(&mut recipe, declared, close.captures, stage)?;
        let function = found.function.name.clone();
        let mut flags = if close.forgets { flag::FORGETS } else { flag::ENDS_OBJECT };
        flags |= if close.only.is_empty() { 0 } else { flag::MAY_BE_EARLY };
        self.add(recipe, declared, begin, close.at_return, flags, (SpanKind::Client, |_captured, _span| {}, function))
    }

    pub(super) fn resume(&mut self, resume: &'static Resume) -> Result<(), LeftOut> {
        let mut refused = None;
        for text in resume.functions {
            let signature = declaration(self.library, resume.package, text)?;
            if !self.facts.functions.has(&signature.symbol()) {
                continue;
            }
            match self.resume_function(resume, &signature) {
                Ok(()) => return Ok(()),
                Err(why) => refused = Some(format!("that operations go on in {}: {why}", signature.symbol())),
            }
        }
        self.planned.missing.extend(refused);
        Ok(())
    }

    fn resume_function(&mut self, resume: &'static Resume, signature: &Signature) -> Result<(), LeftOut> {
        let found = one(find(self.facts.binary, &self.facts.functions, signature))?;
        let (facts, declared) = (self.facts, Declared { signature, found: &found });
        let mut recipe = Recipe::default();
        recipe.object(facts, declared, &expression(resume.object)?, Stage::Start)?;
        let mut flags = flag::RESUMES | flag::INJECTS;
        if !resume.error.is_empty() {
            let by_object = with_object(signature, resume.object_type)?;
            let declared = Declared { signature: &by_object, found: &found };
            recipe.error(facts, declared, &expression(resume.error)?, Stage::End, &self.errors)?;
            flags |= flag::HAS_OBJECT;
        }
        if resume.ends {
            flags |= flag::HAS_OBJECT | flag::ENDS_OBJECT;
        }
        let about = (SpanKind::Client, (|_captured, _span| {}) as SpanFunction, found.function.name.clone());
        self.add(recipe, declared, event::RESUME, true, flags, about)
    }

    /// Adds what is code.
    pub(super) fn protocol(&mut self, protocol: &'static Protocol) {
        match (protocol.plan)(self.facts) {
            Ok(Planned { probes, fields, missing, layouts, detours, .. }) => {
                self.planned.fields.extend(fields);
                self.planned.missing.extend(missing);
                self.planned.layouts.extend(layouts);
                self.planned.detours.extend(detours);
                self.planned.probes.extend(probes);
            }
            Err(why) => self.planned.missing.push(format!("the trace context is neither extracted nor injected: {why}")),
        }
    }
}

/// The declaration of a function at whose end an object of this type is known, as a receiver is.
fn with_object(signature: &Signature, object_type: &str) -> Result<Signature, LeftOut> {
    let mut signature = signature.clone();
    if !object_type.is_empty() {
        let go_type = GoType::parse(&signature.package, object_type)
            .map_err(|error| LeftOut::NotUnderstood(format!("{object_type}: {error}")))?;
        signature.receiver = Some(Parameter { name: Some(OBJECT.to_owned()), go_type });
    }
    Ok(signature)
}
