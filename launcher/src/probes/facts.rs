//! What was found in a binary, and what can be observed of it. Pure.

use std::cell::OnceCell;

use super::left_out::LeftOut;
use super::planned::PlannedDetour;
use super::probe::{Event, Point, Probe};
use super::site::{Ends, Placement, Site};
use crate::binary::{Function, Functions, GoBinary, Inlined, Layouts, VirtAddr};
use crate::executor::Moment;

/// What was found in the binary, for all instrumentations at once.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The binary itself.
    pub binary: &'a GoBinary<'a>,
    /// The functions found.
    pub functions: Functions,
    /// The types found.
    pub layouts: Layouts,
    /// Where the engine observes.
    pub placement: &'a dyn Placement,
    /// Address in the process minus address in the file; `None` where it is not known.
    pub load_bias: Option<u64>,
    /// Why nothing is injected by the process; `None` where something may be.
    pub not_written: Option<&'a str>,
    /// Why the process may not be made to write into its memory at all; `None` where it may.
    pub not_stored: Option<&'a str>,
    /// Where the small ones of the functions are inlined; looked for when it matters.
    pub inlined: OnceCell<Inlined>,
}

/// Functions with more code are not inlined: the compiler's budget is 80 nodes (`cmd/compile/internal/inline/inl.go`). With a
/// profile it is 2,000 for the hottest calls, which are not looked for.
const INLINABLE: u64 = 512;

impl Facts<'_> {
    /// The function `name`, see [`Functions::only`].
    ///
    /// # Errors
    /// Where the program does not have it, or has several.
    pub fn function(&self, name: &str) -> Result<&Function, LeftOut> {
        self.functions.only(name)?.ok_or_else(|| LeftOut::NotUsed(name.to_owned()))
    }

    /// Refuses a function that is inlined somewhere: a probe in it would miss these calls.
    ///
    /// # Errors
    /// With the name of one of the functions that contain it.
    fn not_inlined(&self, function: &Function) -> Result<(), LeftOut> {
        let is_small = |one: &Function| one.end.distance_from(one.entry).is_some_and(|length| length <= INLINABLE);
        if !is_small(function) {
            return Ok(());
        }
        let inlined = self.inlined.get_or_init(|| {
            let small: Vec<&str> = self.functions.iter().filter(|one| is_small(one)).map(|one| one.name.as_str()).collect();
            self.binary.inlined(&small)
        });
        match inlined.callers(&function.name) {
            [] => Ok(()),
            [caller, ..] => {
                Err(LeftOut::NotUnderstood(format!("{} is inlined into {caller}: such calls would be missed", function.name)))
            }
        }
    }

    /// Observes each call of the function `name`.
    ///
    /// # Errors
    /// Where the program does not have it, it is inlined somewhere, or its start is not understood.
    pub fn at_entry(&self, name: &str, event: Event) -> Result<Probe, LeftOut> {
        self.at_entry_of(self.function(name)?, event)
    }

    /// Observes each call of `function`.
    ///
    /// # Errors
    /// Where it is inlined somewhere, or its start is not understood.
    pub fn at_entry_of(&self, function: &Function, event: Event) -> Result<Probe, LeftOut> {
        self.not_inlined(function)?;
        Ok(probe(function, event, Point::Entry, vec![self.placement.entry(self.binary, function)?]))
    }

    /// Observes the call of the function `name`, which does not return, such as `runtime.exit`.
    ///
    /// # Errors
    /// Where the program does not have it, or it cannot be decoded.
    pub fn at_exit(&self, name: &str, event: Event) -> Result<Probe, LeftOut> {
        let function = self.function(name)?;
        Ok(probe(function, event, Point::Exit, vec![self.placement.exit(self.binary, function)?]))
    }

    /// Observes the direct call at `call` within the function `name`.
    ///
    /// # Errors
    /// Where the program does not have it, or the address lies outside the file's code.
    pub fn at_call(&self, name: &str, call: VirtAddr, event: Event) -> Result<Probe, LeftOut> {
        let function = self.function(name)?;
        Ok(probe(function, event, Point::Call, vec![self.placement.call(self.binary, function, call)?]))
    }

    /// Observes the first direct call of the function `target` within the function `caller`.
    ///
    /// # Errors
    /// Where the program has not both, or the one does not call the other.
    pub fn at_call_of(&self, caller: &str, target: &str, event: Event) -> Result<Probe, LeftOut> {
        let (function, entry) = (self.function(caller)?, self.function(target)?.entry);
        let Some(call) = self.binary.calls(function)?.find(|call| call.target == entry) else {
            return Err(LeftOut::NotUnderstood(format!("{caller} does not call {target}")));
        };
        self.at_call(caller, call.site, event)
    }

    /// The detour of the function `name`, behind its stack check; see [`PlannedDetour`].
    ///
    /// # Errors
    /// Where the program does not have it, or its code leaves no room.
    pub fn detour(&self, name: &str, (site, moment): (u32, Moment), stack_high: u32) -> Result<PlannedDetour, LeftOut> {
        let function = self.function(name)?;
        let Some(place) = self.binary.detour_site(function)? else {
            return Err(LeftOut::NotUnderstood(format!("the code of {name} leaves no room for a detour")));
        };
        Ok(PlannedDetour { function: name.to_owned(), site, moment, place, stack_high })
    }

    /// Observes all returns of the function `name`, and reads its first `results` result words.
    ///
    /// A site that is single-stepped ([`Site::cost`]) stands on a `RET`: leave the function out where such a return is frequent.
    ///
    /// # Errors
    /// Where the program does not have it, or its ends cannot be told.
    pub fn at_ends(&self, name: &str, results: usize, event: Event) -> Result<Probe, LeftOut> {
        self.at_ends_of(
            self.function(name)?,
            Ends { results, is_final: false, is_whole: false, behind: None, reads_memory: false, load_bias: self.load_bias },
            event,
        )
    }

    /// Observes all returns of `function`, and reads its first result words.
    ///
    /// # Errors
    /// Where its ends cannot be told.
    pub fn at_ends_of(&self, function: &Function, ends: Ends, event: Event) -> Result<Probe, LeftOut> {
        Ok(probe(function, event, Point::End, self.placement.ends(self.binary, function, ends)?))
    }
}

fn probe(function: &Function, event: Event, point: Point, sites: Vec<Site>) -> Probe {
    Probe { function: function.name.clone(), event, point, sites }
}
