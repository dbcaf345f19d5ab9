//! The end of a function: whether a hit counts, and what the function returns.
//!
//! The launcher found, in the program's own code, an instruction that stands before each `RET` and where the results are
//! there (`launcher/src/binary/code/ends`). It says so by an [`EndRecipe`], one for each site, in read-only data; the
//! site's cookie is its number. The recipe is not a constant to the verifier, which so follows one for all.

use crate::config::{ALWAYS, EndRecipe, EndRecipes, MAX_LOADS, MAX_PER_SITE, ResultLocation, base};
use crate::target::{AllRegisters, Target};

/// Stands for a result in memory that could not be read. No address and no length has this value.
pub const UNREADABLE: u64 = u64::MAX;

/// The first `N` results of the function whose end was hit at a site, by the recipe with this number or those that follow for the
/// same site; `None` where the hit is not one of its ends. `R` is a power of two.
#[inline(always)]
pub fn read_by<T: Target, const N: usize, const R: usize>(target: &T, recipes: &EndRecipes<R>, number: u32) -> Option<[u64; N]> {
    let registers = target.all_registers();
    // Numbers that the compiler does not know, so that the bound stays where the verifier sees it; and that the verifier does
    // not know, so that it follows what comes behind the loop once.
    let mut number = target.opaque(u64::from(number));
    let last = number + MAX_PER_SITE as u64 - 1;
    let recipe = loop {
        let recipe = recipes.get(number & (R as u64 - 1))?;
        if counts(target, recipe, &registers) {
            break recipes.get(target.opaque(number) & (R as u64 - 1))?;
        }
        if recipe.more.get() == 0 || number == last {
            return None;
        }
        number += 1;
    };
    Some(values(target, recipe, &registers))
}

/// The first `N` results of the function, in the order of Go's ABI; `None` where this hit is not one of its ends.
#[inline(always)]
pub fn read<T: Target, const N: usize>(target: &T, recipe: &EndRecipe) -> Option<[u64; N]> {
    let registers = target.all_registers();
    counts(target, recipe, &registers).then(|| values(target, recipe, &registers))
}

/// Whether a hit with these registers is one of the function's ends.
#[inline(always)]
fn counts<T: Target>(target: &T, recipe: &EndRecipe, registers: &AllRegisters) -> bool {
    holds(recipe.condition.get(), registers.flags) && guarded(target, recipe, registers.stack_pointer)
}

#[inline(always)]
fn values<T: Target, const N: usize>(target: &T, recipe: &EndRecipe, registers: &AllRegisters) -> [u64; N] {
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
fn bases<T: Target>(target: &T, registers: &AllRegisters) -> [u64; base::COUNT] {
    let mut bases = [0; base::COUNT];
    for (base, register) in bases.iter_mut().zip(registers.integers) {
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
