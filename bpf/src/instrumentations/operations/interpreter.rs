//! Follows a recipe: the loop over its steps.

use super::capture;
use super::evaluation::{ALL_REGISTERS, ALL_RESULTS, Evaluation};
use crate::config::operations::{MAX_STEPS, RecipeStep, Steps, TABLE, code};
use crate::go::string::GoString;
use crate::records::RecordBuffer;
use crate::scratch::Scratch;
use crate::target::{Lookup, Step};

/// Follows these steps; what they capture is appended to the record.
#[inline(always)]
pub fn follow<L: Lookup>(lookup: &L, load_bias: u64, steps: Steps, scratch: &mut Scratch) {
    let Scratch { evaluation, record, .. } = scratch;
    evaluation.next = u64::from(steps.first);
    evaluation.end = u64::from(steps.first) + u64::from(steps.count);
    lookup.repeat(MAX_STEPS, &mut Interpreter { evaluation, record, load_bias });
}

/// The loop.
struct Interpreter<'a> {
    evaluation: &'a mut Evaluation,
    record: &'a mut RecordBuffer,
    load_bias: u64,
}

impl Step for Interpreter<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        let Self { evaluation, record, load_bias } = self;
        if evaluation.next >= evaluation.end || evaluation.refused != 0 {
            return false;
        }
        #[expect(clippy::cast_possible_truncation, reason = "made of numbers of 32 bits")]
        let Some(step) = lookup.recipe_step(evaluation.next as u32) else {
            return false;
        };
        evaluation.next += 1;
        let succeeded = if step.code == code::CAPTURE_KEY {
            capture::word(step, evaluation.value, record);
            lookup.is_known(evaluation.value[0], evaluation.time)
        } else if step.code >= code::CAPTURE_WORD {
            capture::capture(lookup, step, evaluation.value, record)
        } else {
            evaluation.take(lookup, step, *load_bias)
        };
        // The last step of an expression leaves out the alternatives, where it succeeds; the others lead to the next one, where they fail.
        let is_last = step.code >= code::REQUIRE;
        if succeeded == is_last {
            evaluation.next += u64::from(step.skip);
        }
        true
    }
}

impl Evaluation {
    /// Takes one step that captures nothing; false where it fails.
    #[inline(always)]
    fn take<L: Lookup>(&mut self, lookup: &L, step: &RecipeStep, load_bias: u64) -> bool {
        let [first, second] = self.value;
        let (argument, value) = (step.argument as usize, step.value);
        match step.code {
            code::REGISTERS => {
                let at = |number: usize| self.registers[number & (ALL_REGISTERS - 1)];
                self.value = [at(argument) & value, at(argument >> 8)];
            }
            code::RESULTS => {
                let at = |number: usize| self.results[number & (ALL_RESULTS - 1)];
                self.value = [at(argument) & value, at(argument >> 8)];
            }
            code::STACK => return self.load_pair(lookup, self.stack_pointer.wrapping_add(value)),
            code::FRAME => return self.load_pair(lookup, self.frame.wrapping_add(value)),
            code::LOAD_PAIR => return first != 0 && self.load_pair(lookup, first.wrapping_add(value)),
            code::LOAD => {
                if first == 0 {
                    return false;
                }
                let Some(word) = lookup.read(first.wrapping_add(value)) else {
                    return false;
                };
                self.value[0] = word;
            }
            code::ERROR => self.value = self.error,
            code::OBJECT => self.value = [self.object, second],
            code::ADD => self.value[0] = first.wrapping_add(value),
            code::MASK => self.value[0] = first & value,
            code::SECOND => self.value[0] = second,
            code::NOT_NIL => return first != 0,
            code::INDEX => {
                self.value[0] = first.wrapping_add(value.wrapping_mul(u64::from(step.argument)));
                return value < second;
            }
            code::REQUIRE => self.refused = u64::from(first != value) ^ u64::from(step.argument),
            code::CONTEXT => self.context = self.value,
            code::NOTE_OBJECT => self.object = first,
            code::NOTE_ERROR => self.error = self.value,
            code::NOTE_CARRIER => self.carrier = first,
            other => return self.take_interface(lookup, (other, argument as u64, value.wrapping_add(load_bias))),
        }
        true
    }

    /// Takes one step about an interface; `expected` is a type's descriptor in the process.
    #[inline(always)]
    fn take_interface<L: Lookup>(&mut self, lookup: &L, (code, argument, expected): (u16, u64, u64)) -> bool {
        let [table, data] = self.value;
        if table == 0 {
            return code == code::UNWRAP;
        }
        if code == code::ASSERT && argument != 0 && table == expected.wrapping_add(extended(argument)) {
            self.value[0] = data;
            return true;
        }
        let found = if code == code::ASSERT_ANY { table } else { type_of(lookup, table) };
        match code {
            code::TYPE_OF => self.value[0] = found,
            code::ASSERT | code::ASSERT_ANY => {
                self.value[0] = data;
                return found == expected;
            }
            code::UNWRAP => {
                if found == expected {
                    return self.load_pair(lookup, data.wrapping_add(argument));
                }
            }
            _ => return false,
        }
        true
    }

    /// Both words at `address`.
    #[inline(always)]
    fn load_pair<L: Lookup>(&mut self, lookup: &L, address: u64) -> bool {
        let Some(words) = lookup.read(address) else {
            return false;
        };
        self.value = words;
        true
    }
}

/// The sign of a number of 32 bits.
#[inline(always)]
const fn extended(number: u64) -> u64 {
    ((number << 32).cast_signed() >> 32).cast_unsigned()
}

/// The type of what an interface with this table holds: see [`code::TYPE_OF`].
#[inline(always)]
pub(in crate::instrumentations) fn type_of<L: Lookup>(lookup: &L, table: u64) -> u64 {
    // `itab.Type` (`internal/abi.ITab`).
    let found: u64 = lookup.read_or_zero(table.wrapping_add(8));
    if found == 0 { table.wrapping_add(TABLE) } else { found }
}

/// A value as a string header.
#[inline(always)]
pub(super) const fn string([address, length]: [u64; 2]) -> GoString {
    GoString { address, length }
}
