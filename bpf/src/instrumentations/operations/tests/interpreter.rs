//! Every step of a recipe: what it makes of a value, and what follows where it fails.

use super::*;
use crate::instrumentations::operations::{Evaluation, follow};
use crate::records::operation::MAX_VALUE;
use crate::scratch::{NEW_SCRATCH, Scratch};

/// Follows steps as they are followed at a probe whose registers have these arguments; `prepare` sets what was noted before.
fn followed(steps: &[RecipeStep], process: &FakeProcess, prepare: impl FnOnce(&mut Evaluation)) -> (Box<Scratch>, Vec<Value>) {
    let mut scratch = Box::new(NEW_SCRATCH);
    scratch.record.bytes.fill(crate::target::fake::UNWRITTEN);
    scratch.evaluation.begin(&process.registers(), 0);
    prepare(&mut scratch.evaluation);
    let count = u32::try_from(steps.len()).unwrap();
    follow(process, BIAS, Steps { first: 0, count }, &mut scratch);
    let length = usize::try_from(scratch.record.length).unwrap();
    let found = values(&scratch.record.bytes[..length]);
    (scratch, found)
}

/// A process that has these steps alone.
fn with_steps(steps: &[RecipeStep]) -> FakeProcess {
    let mut process = FakeProcess::new(layouts::GO_1_27);
    process.recipe_steps = steps.to_vec();
    process
}

/// What one step makes of a value; `None` where it fails.
fn outcome(process: &mut FakeProcess, one: RecipeStep, value: [u64; 2]) -> Option<[u64; 2]> {
    outcome_with(process, one, |evaluation| evaluation.value = value)
}

fn outcome_with(process: &mut FakeProcess, one: RecipeStep, prepare: impl FnOnce(&mut Evaluation)) -> Option<[u64; 2]> {
    let steps = [skipping(1, one), step(code::CAPTURE_WORD, 7, 0)];
    process.recipe_steps = steps.to_vec();
    let (scratch, values) = followed(&steps, process, prepare);
    (!values.is_empty()).then_some(scratch.evaluation.value)
}

const UNMAPPED: u64 = 0xdead_0000;

#[test]
fn registers_and_results_are_read_by_their_numbers() {
    let mut process = FakeProcess::new(layouts::GO_1_27);
    for (first, second) in [(0, 1), (1, 0), (8, 3), (2, 2)] {
        process.registers.set(Registers::calling(&[10, 11, 12, 13, 14, 15, 16, 17, 18], 0));
        assert_eq!(outcome(&mut process, words(first, second), [0; 2]), Some([10 + first as u64, 10 + second as u64]));
    }
    process.registers.set(Registers::calling(&[0xffff_ff07, 0xffff_ff08], 0));
    let narrow = RecipeStep { value: 0xff, ..words(0, 1) };
    assert_eq!(outcome(&mut process, narrow, [0; 2]), Some([7, 0xffff_ff08]), "of the first alone");
    // Numbers that no processor has are cut, or read as zero.
    let beyond = step(code::REGISTERS, u32::MAX, u64::MAX);
    assert!(outcome(&mut process, beyond, [0; 2]).is_some());
    let prepare = |evaluation: &mut Evaluation| evaluation.results = core::array::from_fn(|number| 20 + number as u64);
    assert_eq!(outcome_with(&mut process, results(5, 2), prepare), Some([25, 22]));
    assert_eq!(outcome_with(&mut process, results(7, 8), prepare), Some([27, 28]), "the last two");
    assert_eq!(outcome_with(&mut process, step(code::RESULTS, u32::MAX, 3), prepare), Some([3, 35]));
}

#[test]
fn the_stack_is_read_from_the_probe_or_from_the_start() {
    let mut process = FakeProcess::new(layouts::GO_1_27);
    let stack = process.memory.allocate(64);
    process.memory.write_words(stack, &[1, 2, 3, 4, 5, 6]);
    process.registers.set(Registers { stack_pointer: stack, ..Registers::default() });
    assert_eq!(outcome(&mut process, step(code::STACK, 0, 16), [0; 2]), Some([3, 4]));
    assert_eq!(outcome(&mut process, step(code::STACK, 0, 1 << 20), [9; 2]), None);
    let at_end = |evaluation: &mut Evaluation| evaluation.frame = stack + 8;
    assert_eq!(outcome_with(&mut process, step(code::FRAME, 0, 16), at_end), Some([4, 5]));
    assert_eq!(outcome_with(&mut process, step(code::FRAME, 0, u64::MAX - 7), at_end), Some([1, 2]), "below it");
    assert_eq!(outcome_with(&mut process, step(code::FRAME, 0, 1 << 20), at_end), None);
}

#[test]
fn memory_is_followed_as_far_as_it_is_there() {
    let mut process = FakeProcess::new(layouts::GO_1_27);
    let at = process.memory.allocate(32);
    process.memory.write_words(at, &[11, 12, 13, 14]);
    for (code, there) in [(code::LOAD, [13, 5]), (code::LOAD_PAIR, [13, 14])] {
        assert_eq!(outcome(&mut process, step(code, 0, 16), [at, 5]), Some(there));
        assert_eq!(outcome(&mut process, step(code, 0, 16), [0, 5]), None, "a nil pointer");
        assert_eq!(outcome(&mut process, step(code, 0, 16), [UNMAPPED, 5]), None);
        assert_eq!(outcome(&mut process, step(code, 0, 16), [u64::MAX, 5]), None, "around the end");
        // Half of it lies on a page that is not there.
        assert_eq!(outcome(&mut process, step(code, 0, 0), [at + 4_092, 5]), None);
    }
    assert_eq!(outcome(&mut process, step(code::LOAD_PAIR, 0, 0), [at + 4_088, 5]), None);
    assert_eq!(outcome(&mut process, step(code::LOAD, 0, 0), [at + 4_088, 5]), Some([0, 5]));
}

#[test]
fn numbers_are_added_masked_and_chosen() {
    let mut process = FakeProcess::new(layouts::GO_1_27);
    assert_eq!(outcome(&mut process, step(code::ADD, 0, 8), [1, 2]), Some([9, 2]));
    assert_eq!(outcome(&mut process, step(code::ADD, 0, 8), [u64::MAX, 2]), Some([7, 2]));
    assert_eq!(outcome(&mut process, step(code::MASK, 0, 0xff), [0x1234, 2]), Some([0x34, 2]));
    assert_eq!(outcome(&mut process, step(code::SECOND, 0, 0), [1, 2]), Some([2, 2]));
    assert_eq!(outcome(&mut process, step(code::NOT_NIL, 0, 0), [1, 2]), Some([1, 2]));
    assert_eq!(outcome(&mut process, step(code::NOT_NIL, 0, 0), [0, 2]), None);
}

#[test]
fn elements_are_found_within_the_length() {
    let mut process = FakeProcess::new(layouts::GO_1_27);
    let index = |number: u64| step(code::INDEX, 24, number);
    assert_eq!(outcome(&mut process, index(0), [0x1000, 3]), Some([0x1000, 3]));
    assert_eq!(outcome(&mut process, index(2), [0x1000, 3]), Some([0x1030, 3]));
    assert_eq!(outcome(&mut process, index(3), [0x1000, 3]), None);
    assert_eq!(outcome(&mut process, index(0), [0, 0]), None, "a nil slice");
    assert_eq!(outcome(&mut process, index(u64::MAX), [0x1000, u64::MAX]), None);
    assert!(outcome(&mut process, step(code::INDEX, u32::MAX, u64::MAX - 1), [u64::MAX, u64::MAX]).is_some(), "it wraps");
}

#[test]
fn interfaces_are_told_apart_by_their_types() {
    let mut process = FakeProcess::new(layouts::GO_1_27);
    let table = process.memory.allocate(32);
    process.memory.write_words(table + 8, &[0x1000 + BIAS]);
    let data = process.memory.allocate(32);
    process.memory.write_words(data, &[1, 2, 3, 4]);
    let value = [table, data];
    assert_eq!(outcome(&mut process, step(code::ASSERT, 0, 0x1000), value), Some([data, data]));
    assert_eq!(outcome(&mut process, step(code::ASSERT, 0, 0x2000), value), None);
    assert_eq!(outcome(&mut process, step(code::ASSERT, 0, 0x1000), [0, 0]), None, "nil");
    assert_eq!(outcome(&mut process, step(code::ASSERT, 0, 0x1000), [UNMAPPED, data]), None);
    assert_eq!(outcome(&mut process, step(code::ASSERT_ANY, 0, 0x1000), [0x1000 + BIAS, data]), Some([data, data]));
    assert_eq!(outcome(&mut process, step(code::ASSERT_ANY, 0, 0x1000), value), None);
    assert_eq!(outcome(&mut process, step(code::ASSERT_ANY, 0, 0x1000), [0, 0]), None);
    assert_eq!(outcome(&mut process, step(code::TYPE_OF, 0, 0), value), Some([0x1000 + BIAS, data]));
    assert_eq!(outcome(&mut process, step(code::TYPE_OF, 0, 0), [0, 0]), None);
    // What an error wraps; another one stays itself, a nil one too.
    assert_eq!(outcome(&mut process, step(code::UNWRAP, 16, 0x1000), value), Some([3, 4]));
    assert_eq!(outcome(&mut process, step(code::UNWRAP, 16, 0x2000), value), Some(value));
    assert_eq!(outcome(&mut process, step(code::UNWRAP, 16, 0x2000), [0, 0]), Some([0, 0]));
    assert_eq!(outcome(&mut process, step(code::UNWRAP, 16, 0x1000), [table, UNMAPPED]), None);
}

#[test]
fn what_was_noted_comes_again() {
    let steps = [
        words(0, 1),
        step(code::NOTE_ERROR, 0, 0),
        words(2, 3),
        step(code::CONTEXT, 0, 0),
        words(4, 5),
        step(code::NOTE_OBJECT, 0, 0),
        step(code::ERROR, 0, 0),
        step(code::CAPTURE_WORD, 0, 0),
        step(code::SECOND, 0, 0),
        step(code::CAPTURE_WORD, 1, 0),
        step(code::OBJECT, 0, 0),
        step(code::CAPTURE_WORD, 2, 0),
    ];
    let process = with_steps(&steps);
    process.registers.set(Registers::calling(&[10, 11, 12, 13, 14, 15], 0));
    let (scratch, values) = followed(&steps, &process, |_| {});
    assert_eq!(values, [Value::word(0, 10), Value::word(1, 11), Value::word(2, 14)]);
    let evaluation = &scratch.evaluation;
    assert_eq!((evaluation.error, evaluation.context, evaluation.object), ([10, 11], [12, 13], 14));
}

#[test]
fn a_condition_that_does_not_hold_is_the_end() {
    let steps = [words(0, 1), step(code::REQUIRE, 0, 7), step(code::CAPTURE_WORD, 0, 0)];
    let process = with_steps(&steps);
    for (argument, refused, captured) in [(7, 0, 1), (8, 1, 0)] {
        process.registers.set(Registers::calling(&[argument], 0));
        let (scratch, values) = followed(&steps, &process, |_| {});
        assert_eq!((scratch.evaluation.refused, values.len()), (refused, captured));
    }
}

/// `first | second | third`: the first that succeeds leaves out the others.
#[test]
fn alternatives_are_taken_in_order() {
    let alternative = |register: usize, behind: u16| {
        [
            skipping(2, words(register, 0)),
            skipping(1, step(code::NOT_NIL, 0, 0)),
            skipping(behind, step(code::CAPTURE_WORD, 5, 0)),
        ]
    };
    let mut steps = [alternative(0, 6), alternative(1, 3), alternative(2, 0)].concat();
    steps.extend([words(3, 3), step(code::CAPTURE_WORD, 6, 0)]);
    let process = with_steps(&steps);
    for arguments in [[1, 2, 3, 9], [0, 2, 3, 9], [0, 0, 3, 9], [0, 0, 0, 9]] {
        process.registers.set(Registers::calling(&arguments, 0));
        let (_, values) = followed(&steps, &process, |_| {});
        let first = arguments[..3].iter().find(|argument| **argument != 0);
        let expected: Vec<Value> = first.map(|word| Value::word(5, *word)).into_iter().chain([Value::word(6, 9)]).collect();
        assert_eq!(values, expected, "{arguments:?}");
    }
}

#[test]
fn nothing_is_followed_beyond_the_end() {
    let word = step(code::CAPTURE_WORD, 0, 0);
    // A skip beyond the last step, a list without steps, and one of which the map has the first half alone.
    for steps in [vec![skipping(u16::MAX, step(code::NOT_NIL, 0, 0)), word], Vec::new()] {
        assert!(followed(&steps, &with_steps(&[steps.clone(), vec![word; 3]].concat()), |_| {}).1.is_empty());
    }
    let steps = vec![word; 8];
    assert_eq!(followed(&steps, &with_steps(&steps[..4]), |_| {}).1.len(), 4);
    // Unknown codes fail, or capture nothing.
    for unknown in [26, 1_000, u16::MAX] {
        let steps = [step(unknown, 0, 0), word];
        assert!(followed(&steps, &with_steps(&steps), |_| {}).1.len() <= 2);
    }
}

/// A text of this many bytes, captured at most as the longest value.
fn text_of(process: &mut FakeProcess, address: u64, length: u64) -> Option<Value> {
    let steps = [step(code::CAPTURE_TEXT, 3, MAX_VALUE.into())];
    process.recipe_steps = steps.to_vec();
    let (_, values) = followed(&steps, process, |evaluation| evaluation.value = [address, length]);
    values.into_iter().next()
}

#[test]
fn texts_of_all_lengths() {
    let mut process = FakeProcess::new(layouts::GO_1_27);
    let text: String = ('a'..='z').cycle().take(8_193).collect();
    let [address, _] = process.string(&text);
    for length in [0, 1, 7, 8, 9, 8_191, 8_192, 8_193] {
        let value = text_of(&mut process, address, length as u64).unwrap();
        let taken = length.min(8_192);
        assert_eq!((value.number, value.is_cut), (3, length > taken));
        assert_eq!(value.bytes, &text.as_bytes()[..taken], "{length}");
    }
    assert_eq!(text_of(&mut process, 0, 0), Some(Value::text(3, "")));
    // Of what is not in memory it is said where it is.
    let unread = |address: u64, length: u64| {
        let bytes = [address.to_ne_bytes(), length.to_ne_bytes()].concat();
        Some(Value { number: 3, is_cut: false, is_unread: true, bytes })
    };
    assert_eq!(text_of(&mut process, UNMAPPED, 5), unread(UNMAPPED, 5));
    // No string: what is nowhere, and what is longer than any.
    assert_eq!(text_of(&mut process, 0, 5), None);
    for length in [1 << 31, 1 << 32, 1 << 63, u64::MAX] {
        assert_eq!(text_of(&mut process, address, length), None, "{length}");
    }
    // The longest of all is cut to what is taken, which is there.
    assert!(text_of(&mut process, address, (1 << 31) - 1).is_some_and(|value| value.is_cut && value.bytes.len() == 8_192));
    // It runs into a page that is not there.
    assert_eq!(text_of(&mut process, address + 8_190, 8_190), unread(address + 8_190, 8_190));
}

#[test]
fn what_an_interface_holds_is_captured_with_its_type() {
    let mut process = FakeProcess::new(layouts::GO_1_27);
    let [text, length] = process.string("sql: no rows");
    let data = process.memory.allocate(24);
    process.memory.write_words(data, &[text, length, 77]);
    let table = process.memory.allocate(32);
    process.memory.write_words(table + 8, &[0x1234]);
    let mut held = |code: u16, value: [u64; 2], capacity: u64| {
        let steps = [step(code, 2, capacity)];
        process.recipe_steps = steps.to_vec();
        followed(&steps, &process, |evaluation| evaluation.value = value).1.into_iter().next()
    };
    let expected = |value_type: u64, words: [u64; 3], message: &str| {
        [bytemuck::cast_slice(&[value_type, words[0], words[1], words[2]]), message.as_bytes()].concat()
    };
    let all = [text, length, 77];
    let value = held(code::CAPTURE_VALUE, [table, data], 1_024).unwrap();
    assert_eq!((value.is_cut, value.bytes), (false, expected(0x1234, all, "sql: no rows")));
    let value = held(code::CAPTURE_ANY, [0x1234, data], 1_024).unwrap();
    assert_eq!((value.is_cut, value.bytes), (false, expected(0x1234, all, "sql: no rows")));
    let value = held(code::CAPTURE_VALUE, [table, data], 4).unwrap();
    assert_eq!((value.is_cut, value.bytes), (true, expected(0x1234, all, "sql:")));
    assert_eq!(held(code::CAPTURE_VALUE, [0, 0], 1_024), None, "nil");
    // A type without data, and data that are no string.
    let value = held(code::CAPTURE_VALUE, [table, 0], 1_024).unwrap();
    assert_eq!(value.bytes, expected(0x1234, [0; 3], ""));
    let no_string = process.memory.allocate(24);
    process.memory.write_words(no_string, &[u64::MAX, u64::MAX, 5]);
    process.recipe_steps = vec![step(code::CAPTURE_VALUE, 2, 1_024)];
    let steps = process.recipe_steps.clone();
    let (_, values) = followed(&steps, &process, |evaluation| evaluation.value = [table, no_string]);
    assert_eq!((values[0].is_cut, &values[0].bytes), (false, &expected(0x1234, [u64::MAX, u64::MAX, 5], "")));
    // A string header is shorter than what is read of a value, and may be the last thing on a page.
    let last = process.memory.allocate(4_096) + 4_096 - 16;
    process.memory.write_words(last, &[text, length]);
    let (_, values) = followed(&steps, &process, |evaluation| evaluation.value = [table, last]);
    assert_eq!(values[0].bytes, expected(0x1234, [text, length, 0], "sql: no rows"));
}

/// 24 captures of the longest texts: what has no room is empty and says so, and what comes behind is there.
#[test]
fn a_record_is_filled_to_its_end() {
    let text = "x".repeat(8_192);
    for captured in [code::CAPTURE_TEXT, code::CAPTURE_VALUE] {
        let mut steps = Vec::new();
        for number in 0..23 {
            steps.extend([words(0, 1), step(captured, number, 8_192)]);
        }
        steps.extend([words(2, 2), step(code::CAPTURE_WORD, 23, 0)]);
        for length in [8_192, 8_184, 4_096, 1_000, 0] {
            let process = with_steps(&steps);
            let [address, _] = process.string(&text);
            let value = if captured == code::CAPTURE_TEXT {
                [address, length]
            } else {
                let (table, data) = (process.memory.allocate(16), process.memory.allocate(24));
                process.memory.write_words(data, &[address, length, 0]);
                [table, data]
            };
            process.registers.set(Registers::calling(&[value[0], value[1], 99], 0));
            let (scratch, values) = followed(&steps, &process, |_| {});
            assert!(scratch.record.length <= scratch.record.bytes.len() as u64, "{captured} {length}");
            let head = if captured == code::CAPTURE_TEXT { 0 } else { 32 };
            assert_eq!(values.len(), 24, "{captured} {length}");
            let mut is_full = false;
            for value in &values[..23] {
                let taken = (value.bytes.len() - head) as u64;
                assert!(taken == if is_full { 0 } else { length } || taken == 0, "{captured} {length}");
                is_full |= taken != length;
                assert_eq!(value.is_cut, taken < length, "{captured} {length}");
            }
            assert_eq!(values[23], Value::word(23, 99), "{captured} {length}");
        }
    }
}

/// What is known by a key is captured again when a second has gone by.
#[test]
fn what_is_known_is_captured_once_a_second() {
    let steps = [words(0, 0), skipping(2, step(code::CAPTURE_KEY, 0, 0)), words(1, 1), step(code::CAPTURE_WORD, 1, 0)];
    let process = with_steps(&steps);
    let second = 1_000_000_000;
    for (key, time, is_known) in [
        (5, 10 * second, false),
        (5, 10 * second + 1, true),
        (6, 10 * second + 2, false),
        (5, 11 * second - 1, true),
        (5, 11 * second, false),
        (6, 11 * second + 1, true),
        (5, 12 * second - 1, true),
    ] {
        process.registers.set(Registers::calling(&[key, 9], 0));
        let (_, values) = followed(&steps, &process, |evaluation| evaluation.time = time);
        let behind = (!is_known).then_some(Value::word(1, 9));
        let expected: Vec<Value> = std::iter::once(Value::word(0, key)).chain(behind).collect();
        assert_eq!(values, expected, "{key} at {time}");
    }
}
