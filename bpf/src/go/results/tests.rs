//! The results of a function's end, from registers, the stack and memory.

use super::*;
use crate::config::{EMPTY_RECIPE, NO_RESULT, Setting};
use crate::target::fake::FakeProcess;
use crate::target::fake::layouts;

const SP: u32 = 4;

fn location(base: u32, offset: u64, loads: &[u64]) -> ResultLocation {
    let mut load_offsets = [Setting::new(0); MAX_LOADS];
    for (slot, offset) in load_offsets.iter_mut().zip(loads) {
        *slot = Setting::new(*offset);
    }
    ResultLocation {
        base: Setting::new(base),
        loads: Setting::new(u32::try_from(loads.len()).unwrap()),
        offset: Setting::new(offset),
        load_offsets,
        mask: Setting::new(u64::MAX),
    }
}

fn recipe(results: &[ResultLocation]) -> EndRecipe {
    let mut recipe = EndRecipe { guarded: Setting::new(0), ..EMPTY_RECIPE };
    recipe.results[..results.len()].copy_from_slice(results);
    recipe
}

/// A program whose register n has the value 100 + n, with a stack.
fn program() -> (FakeProcess, u64) {
    let process = FakeProcess::new(layouts::ALL[0].1);
    let stack = process.memory.allocate(256) + 64;
    let mut integers = core::array::from_fn(|number| 100 + number as u64);
    integers[SP as usize] = stack;
    process.all_registers.set(AllRegisters { integers, stack_pointer: stack, flags: 0 });
    (process, stack)
}

fn set_flags(process: &FakeProcess, flags: u64) {
    process.all_registers.set(AllRegisters { flags, ..process.all_registers.get() });
}

#[test]
fn registers_numbers_and_memory() {
    let (process, stack) = program();
    process.load_bias.set(0x1000);
    process.memory.write_words(stack + 16, &[0xabcd_ef01_2345_6789]);
    let object = process.memory.allocate(64);
    process.memory.write_words(stack + 24, &[object]);
    process.memory.write_words(object + 8, &[object + 32]);
    let low = ResultLocation { mask: Setting::new(0xff), ..location(SP, 16, &[0]) };
    let wanted = [
        location(0, 0, &[]),
        location(3, 8, &[]),
        location(base::ZERO, 7, &[]),
        location(base::IMAGE, 0x500, &[]),
        low,
        location(SP, 24, &[8, 4]),
    ];
    assert_eq!(read(&process, &recipe(&wanted)), Some([100, 111, 7, 0x1500, 0x89, object + 36]));
}

#[test]
fn what_is_not_asked_for_is_zero() {
    let (process, _) = program();
    assert_eq!(read(&process, &recipe(&[NO_RESULT, location(1, 0, &[])])), Some([0, 101, 0, 0, 0, 0]));
}

#[test]
fn memory_that_cannot_be_read_is_not_taken_for_zero() {
    let (process, _) = program();
    let results = read(&process, &recipe(&[location(base::ZERO, 8, &[0]), location(0, 0, &[])]));
    assert_eq!(results, Some([UNREADABLE, 100, 0, 0, 0, 0]));
}

#[test]
fn a_base_that_does_not_exist_is_zero() {
    let (process, _) = program();
    assert_eq!(read(&process, &recipe(&[location(99, 5, &[])])), Some([5, 0, 0, 0, 0, 0]));
}

#[test]
fn an_empty_recipe_counts_nothing() {
    let (process, stack) = program();
    assert_eq!(read::<_, 1>(&process, &EMPTY_RECIPE), None);
    process.memory.write_words(stack, &[1]);
    assert_eq!(read::<_, 1>(&process, &EMPTY_RECIPE), None);
}

#[test]
fn a_guard_lets_its_range_pass() {
    let (process, stack) = program();
    process.load_bias.set(0x1_0000);
    let guarded = EndRecipe {
        guarded: Setting::new(1),
        guard_first: Setting::new(0x400),
        guard_size: Setting::new(0x20),
        ..recipe(&[location(0, 0, &[])])
    };
    let counts = |back: u64| {
        process.memory.write_words(stack, &[back]);
        read::<_, 1>(&process, &guarded).is_some()
    };
    assert!(counts(0x1_0400) && counts(0x1_0410) && counts(0x1_0420));
    assert!(!counts(0x1_03ff) && !counts(0x1_0421) && !counts(0x400) && !counts(0));
    process.memory.unmap(stack / crate::target::fake::PAGE);
    assert_eq!(read::<_, 1>(&process, &guarded), None);
}

/// Every condition against its definition, over all values of the five flags.
#[test]
fn conditions() {
    const CARRY: u64 = 1;
    const PARITY: u64 = 1 << 2;
    const ZERO: u64 = 1 << 6;
    const SIGN: u64 = 1 << 7;
    const OVERFLOW: u64 = 1 << 11;
    let (process, _) = program();
    for bits in 0..32_u64 {
        let pick = |bit: u64, flag: u64| if bits & (1 << bit) == 0 { 0 } else { flag };
        let flags = pick(0, CARRY) | pick(1, PARITY) | pick(2, ZERO) | pick(3, SIGN) | pick(4, OVERFLOW);
        // Interrupts enabled and the bit that is always one: as in a real process.
        set_flags(&process, flags | 0x202);
        let is = |flag: u64| flags & flag != 0;
        let less = is(SIGN) != is(OVERFLOW);
        let definitions = [
            ("o", is(OVERFLOW)),
            ("b", is(CARRY)),
            ("e", is(ZERO)),
            ("be", is(CARRY) || is(ZERO)),
            ("s", is(SIGN)),
            ("p", is(PARITY)),
            ("l", less),
            ("le", less || is(ZERO)),
        ];
        for (pair, (name, expected)) in (0..).zip(definitions) {
            let counts = |condition: u32| {
                let recipe = EndRecipe { condition: Setting::new(condition), ..recipe(&[]) };
                read::<_, 1>(&process, &recipe).is_some()
            };
            assert_eq!(counts(2 * pair), expected, "{name} {flags:#x}");
            assert_eq!(counts(2 * pair + 1), !expected, "not {name} {flags:#x}");
            assert!(counts(ALWAYS));
        }
    }
}
