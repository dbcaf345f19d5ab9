//! The end of a function: whether a hit counts, and what the function returns.
//!
//! The launcher found, in the program's own code, an instruction that stands before each `RET` and where the results are
//! there (`launcher/src/binary/code/ends`). It says so by an [`EndRecipe`], one for each site, in a map; the site's cookie has its
//! number. The recipe is not a constant to the verifier, which so follows one for all.

use crate::config::{ALWAYS, EndRecipe, MAX_LOADS, MAX_PER_SITE, ResultLocation, base};
use crate::go::abi::Registers;
use crate::target::Target;

/// Stands for a result in memory that could not be read. No address and no length has this value.
pub const UNREADABLE: u64 = u64::MAX;

/// The first `N` results of the function whose end was hit at a site, by the recipe with this number or those that follow for the
/// same site; `None` where the hit is not one of its ends.
#[inline(always)]
pub fn read_by<T: Target, const N: usize>(target: &T, number: u32) -> Option<[u64; N]> {
    let registers = target.registers();
    let found = recipe_of(target, number, &registers);
    // Whichever it was, what comes behind is verified once.
    #[expect(clippy::cast_possible_truncation, reason = "it was made of 32 bits")]
    let recipe = target.recipe(target.opaque(found?.into()) as u32)?;
    Some(values(target, recipe, &registers))
}

/// Whether a hit at a site is an end of the function, by the recipe with this number or those that follow for the same site.
#[inline(always)]
pub fn is_end<T: Target>(target: &T, number: u32) -> bool {
    recipe_of(target, number, &target.registers()).is_some()
}

/// The number of the recipe by which a hit counts, from this one on.
#[inline(always)]
fn recipe_of<T: Target>(target: &T, number: u32, registers: &Registers) -> Option<u32> {
    // Each on its own: a loop over numbers that it does not know has no end for the verifier.
    for attempt in 0..MAX_PER_SITE {
        let recipe = target.recipe(number.wrapping_add(attempt))?;
        if counts(target, recipe, registers) {
            return Some(number.wrapping_add(attempt));
        }
        if recipe.more.get() == 0 {
            return None;
        }
    }
    None
}

/// The first `N` results of the function, in the order of Go's ABI; `None` where this hit is not one of its ends.
#[inline(always)]
pub fn read<T: Target, const N: usize>(target: &T, recipe: &EndRecipe) -> Option<[u64; N]> {
    let registers = target.registers();
    counts(target, recipe, &registers).then(|| values(target, recipe, &registers))
}

/// Whether a hit with these registers is one of the function's ends.
#[inline(always)]
fn counts<T: Target>(target: &T, recipe: &EndRecipe, registers: &Registers) -> bool {
    holds(recipe.condition.get(), registers.flags) && guarded(target, recipe, registers.stack_pointer)
}

#[inline(always)]
fn values<T: Target, const N: usize>(target: &T, recipe: &EndRecipe, registers: &Registers) -> [u64; N] {
    let bases = bases(target, registers);
    let mut results = [0; N];
    for (result, location) in results.iter_mut().zip(&recipe.results) {
        *result = value(target, &bases, location);
    }
    results
}

/// Whether a conditional jump with this condition would be taken ("Intel SDM" volume 1, appendix B).
#[inline(always)]
fn holds(condition: u32, flags: u64) -> bool {
    let flag = |bit: u32| (flags >> bit) & 1;
    let (carry_flag, parity, zero, sign, overflow) = (flag(0), flag(2), flag(6), flag(7), flag(11));
    let positive = match condition >> 1 {
        0 => overflow,
        1 => carry_flag,
        2 => zero,
        3 => carry_flag | zero,
        4 => sign,
        5 => parity,
        6 => sign ^ overflow,
        _ => zero | (sign ^ overflow),
    };
    // An odd condition is the negation of the even one before it.
    condition >= ALWAYS || positive != u64::from(condition & 1)
}

/// Whether the word on top of the stack is a return address that counts, where the recipe asks for that.
#[inline(always)]
fn guarded<T: Target>(target: &T, recipe: &EndRecipe, stack_pointer: u64) -> bool {
    if recipe.guarded.get() == 0 {
        return true;
    }
    let first = recipe.guard_first.get().wrapping_add(target.load_bias());
    let back: u64 = target.read_or_zero(stack_pointer);
    back.wrapping_sub(first) <= recipe.guard_size.get() && back != 0
}

/// What locations count from, by [`ResultLocation::base`].
#[inline(always)]
fn bases<T: Target>(target: &T, registers: &Registers) -> [u64; base::COUNT] {
    let mut bases = [0; base::COUNT];
    // Results are in registers, on the stack of amd64, or constants: those that arm64 has beyond hold none.
    for (base, register) in bases.iter_mut().take(base::ZERO as usize).zip(registers.integers) {
        *base = register;
    }
    bases[base::IMAGE as usize] = target.load_bias();
    bases
}

#[inline(always)]
fn value<T: Target>(target: &T, bases: &[u64; base::COUNT], location: &ResultLocation) -> u64 {
    let base = bases.get(location.base.get() as usize).copied().unwrap_or(0);
    let mut value = base.wrapping_add(location.offset.get());
    let loads = location.loads.get();
    for number in 0..MAX_LOADS {
        if number >= loads as usize {
            break;
        }
        let Some(word) = target.read::<u64>(value) else {
            return target.opaque(UNREADABLE);
        };
        value = word.wrapping_add(location.load_offsets[number].get());
    }
    value & location.mask.get()
}

#[cfg(test)]
mod tests;
