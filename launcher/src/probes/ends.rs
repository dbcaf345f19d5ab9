//! Ends of functions into probes: a site for each, with the recipe by which the BPF program reads a hit there.
//!
//! A recipe's number in its table is the site's cookie minus the cookie of the table's first.

use bpf::config::{
    ALWAYS, EMPTY_RECIPE, EndRecipe, EndRecipes, MAX_PER_SITE, MAX_RESULTS, NO_RESULT, ReadOnlyData as _,
    ResultLocation as Location, Setting, base,
};

use super::plan::{Facts, Global, Instruction, LeftOut, Site};
use crate::binary::{Base, EndInstruction, EndSite, ResultLocation, merge_end_sites};

/// The ends of one or more functions.
#[derive(Debug, Default)]
pub struct Ends {
    /// The probes.
    pub sites: Vec<Site>,
    /// How each is read; where a site has several recipes, they follow each other.
    pub recipes: Vec<EndRecipe>,
}

impl Facts<'_> {
    /// Probes at all returns of the function `name`, which the BPF program `program` reads with the first `results` result
    /// words. Cookies count from `first_cookie`.
    ///
    /// A site that is single-stepped ([`Site::cost`]) stands on a `RET`: leave the function out where such a return is
    /// frequent. Where the load bias is not known, what needs it stands on its `RET` too.
    ///
    /// # Errors
    /// Where the program does not have the function, or its ends cannot be told.
    pub fn end_sites(
        &self,
        name: &str,
        results: usize,
        event: &'static str,
        program: &'static str,
        first_cookie: u32,
    ) -> Result<Ends, LeftOut> {
        let function = self.function(name)?;
        if results > MAX_RESULTS {
            return Err(LeftOut::NotUnderstood(format!("{results} results of {name} are more than a probe reads")));
        }
        let mut found = self.binary.end_sites(function, results)?;
        if self.load_bias.is_none() {
            let returns = self.binary.return_sites(function, results)?;
            found = without_load_bias(&found, returns);
        }
        let (mut ends, mut alternatives) = (Ends::default(), 0);
        let mut found = merge_end_sites(found);
        found.sort_by_key(|end| end.address);
        for (cookie, end) in (first_cookie..).zip(found) {
            // A site that may stand for several ends is one probe: its recipes are tried one after the other.
            let is_known = ends.sites.last().is_some_and(|last| last.address == end.address);
            if let Some(last) = ends.recipes.last_mut().filter(|_| is_known) {
                last.more = Setting::new(1);
                alternatives += 1;
            } else {
                alternatives = 1;
            }
            if alternatives > MAX_PER_SITE {
                return Err(LeftOut::NotUnderstood(format!("too many ends of {name} have one site ({:#x})", end.address.0)));
            }
            ends.recipes.push(recipe(&end));
            if is_known {
                continue;
            }
            ends.sites.push(Site {
                function: name.to_owned(),
                event,
                program,
                address: end.address,
                offset: end.offset,
                instruction: instruction(end.instruction),
                cost: end.cost,
                cookie,
            });
        }
        Ok(ends)
    }
}

impl Ends {
    /// The cookie behind those of these ends.
    #[must_use]
    pub fn next_cookie(&self, first_cookie: u32) -> u32 {
        self.recipes.len().try_into().map_or(u32::MAX, |count| first_cookie.saturating_add(count))
    }

    /// Takes in the ends of another function, whose cookies follow on.
    pub fn append(&mut self, more: Self) {
        self.sites.extend(more.sites);
        self.recipes.extend(more.recipes);
    }

    /// The table of all recipes for the BPF object's symbol `name`, which has room for `N`.
    ///
    /// # Errors
    /// Where there are more.
    pub fn table<const N: usize>(&self, name: &'static str) -> Result<Global, LeftOut> {
        table::<N>(name, &self.recipes)
    }
}

/// The table `name` of these recipes; the rest of its `N` counts nothing.
///
/// # Errors
/// Where there are more.
pub fn table<const N: usize>(name: &'static str, recipes: &[EndRecipe]) -> Result<Global, LeftOut> {
    let mut table = EndRecipes::<N>([EMPTY_RECIPE; N]);
    let Some(room) = table.0.get_mut(..recipes.len()) else {
        return Err(LeftOut::NotUnderstood(format!("{} returns are more than the {N} that are provided for", recipes.len())));
    };
    room.copy_from_slice(recipes);
    Ok(Global { name, bytes: table.as_bytes().to_vec() })
}

/// Puts each `RET` that has a site which needs the load bias on itself.
fn without_load_bias(found: &[EndSite], returns: Vec<EndSite>) -> Vec<EndSite> {
    let needs = |ret: &EndSite| found.iter().any(|site| site.needs_load_bias() && site.returns == ret.returns);
    let on_return: Vec<EndSite> = returns.into_iter().filter(needs).collect();
    let stays = |site: &EndSite| on_return.iter().all(|ret| ret.returns != site.returns);
    let mut kept: Vec<EndSite> = found.iter().filter(|site| stays(site)).cloned().collect();
    kept.extend(on_return);
    kept
}

/// How the BPF program reads a hit at `end`. Results beyond [`MAX_RESULTS`] are left out.
#[must_use]
pub fn recipe(end: &EndSite) -> EndRecipe {
    let mut results = [NO_RESULT; MAX_RESULTS];
    for (slot, result) in results.iter_mut().zip(&end.results) {
        *slot = location(result);
    }
    let guard = end.guard.map(|guard| (guard.first.0, guard.last.0.saturating_sub(guard.first.0)));
    let (guard_first, guard_size) = guard.unwrap_or_default();
    EndRecipe {
        condition: Setting::new(end.condition.map_or(ALWAYS, |condition| condition.bits().into())),
        guarded: Setting::new(guard.is_some().into()),
        guard_first: Setting::new(guard_first),
        guard_size: Setting::new(guard_size),
        more: Setting::new(0),
        results,
    }
}

fn location(result: &ResultLocation) -> Location {
    let mut location = Location {
        base: Setting::new(match result.base {
            Base::Register(number) => number.into(),
            Base::Zero => base::ZERO,
            Base::Image => base::IMAGE,
        }),
        offset: Setting::new(result.offset.cast_unsigned()),
        mask: Setting::new(u64::MAX >> (64 - u32::from(result.bits.clamp(1, 64)))),
        ..NO_RESULT
    };
    let mut count = 0;
    for (slot, load) in location.load_offsets.iter_mut().zip(result.loads.iter().flatten()) {
        *slot = Setting::new(i64::from(*load).cast_unsigned());
        count += 1;
    }
    location.loads = Setting::new(count);
    location
}

fn instruction(instruction: EndInstruction) -> Instruction {
    match instruction {
        EndInstruction::ConditionalJump => Instruction::ConditionalJump,
        EndInstruction::Jump => Instruction::Jump,
        EndInstruction::Nop => Instruction::Nop,
        EndInstruction::Push => Instruction::PushFrame,
        EndInstruction::Call => Instruction::Call,
        EndInstruction::Return => Instruction::Return,
    }
}

const _: () = assert!(crate::binary::MAX_LOADS == bpf::config::MAX_LOADS, "both sides follow as many pointers");
