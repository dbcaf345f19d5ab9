//! Appends captured values to a record.

use super::interpreter::{string, type_of};
use crate::config::operations::{RecipeStep, code};
use crate::go::string::GoString;
use crate::go::words;
use crate::records::RecordBuffer;
use crate::records::operation::{ValueHead, whole};
use crate::target::Lookup;

/// Captures a value as the step says; false where there is none.
#[inline(always)]
pub(super) fn capture<L: Lookup>(lookup: &L, step: &RecipeStep, value: [u64; 2], record: &mut RecordBuffer) -> bool {
    #[expect(clippy::cast_possible_truncation, reason = "the launcher counts them in 16 bits")]
    let number = step.argument as u16;
    #[expect(clippy::cast_possible_truncation, reason = "at most the longest value")]
    let capacity = step.value as u32;
    if step.code == code::CAPTURE_WORD {
        word(step, value, record);
        return true;
    }
    if step.code == code::CAPTURE_TEXT {
        return text(lookup, number, string(value), capacity, record);
    }
    let [table, data] = value;
    if table == 0 {
        return false;
    }
    let value_type = if step.code == code::CAPTURE_ANY { table } else { type_of(lookup, table) };
    held(lookup, number, [value_type, data], capacity, record);
    true
}

/// Captures what an interface holds: its type, three words, and the text that they are a string of.
#[inline(always)]
pub(in crate::instrumentations) fn held<L: Lookup>(
    lookup: &L,
    number: u16,
    [value_type, data]: [u64; 2],
    capacity: u32,
    record: &mut RecordBuffer,
) {
    let [first, second, third] = words::held(lookup, data);
    let at = record.length;
    record.push_word(0);
    for word in [value_type, first, second, third] {
        record.push_word(word);
    }
    let taken = append(lookup, GoString { address: first, length: second }, capacity, record);
    let whole = u16::from(second >> 31 == 0 && u64::from(taken) < second) * whole::CUT;
    record.set_word(at, ValueHead { number, whole, length: 32 + taken }.to_word());
}

/// Captures the first word.
#[inline(always)]
pub(super) fn word(step: &RecipeStep, [word, _]: [u64; 2], record: &mut RecordBuffer) {
    #[expect(clippy::cast_possible_truncation, reason = "the launcher counts them in 16 bits")]
    let number = step.argument as u16;
    record.push_word(ValueHead { number, whole: whole::WHOLE, length: 8 }.to_word());
    record.push_word(word);
}

/// Captures a string, or where it is; false where there is none.
#[inline(always)]
pub(in crate::instrumentations) fn text<L: Lookup>(
    lookup: &L,
    number: u16,
    string: GoString,
    capacity: u32,
    record: &mut RecordBuffer,
) -> bool {
    let at = record.length;
    record.push_word(0);
    let taken = append(lookup, string, capacity, record);
    if taken == 0 && string.length != 0 && record.has_room() {
        record.push_word(string.address);
        record.push_word(string.length);
        record.set_word(at, ValueHead { number, whole: whole::UNREAD, length: 16 }.to_word());
        if string.address == 0 || string.length >> 31 != 0 {
            record.length = at;
            return false;
        }
        return true;
    }
    let whole = u16::from(u64::from(taken) < string.length) * whole::CUT;
    record.set_word(at, ValueHead { number, whole, length: taken }.to_word());
    true
}

/// Appends at most `capacity` bytes of a string, filled up to words. How many there are.
///
/// A call of its own in BPF: what it branches on is forgotten when it returns.
#[inline(never)]
fn append<L: Lookup>(lookup: &L, string: GoString, capacity: u32, record: &mut RecordBuffer) -> u32 {
    // A length beyond 31 bits is no string.
    if string.length >> 31 != 0 || !record.has_room() {
        return 0;
    }
    #[expect(clippy::cast_possible_truncation, reason = "31 bits")]
    let length = (string.length as u32).min(capacity);
    if length == 0 || !lookup.read_text(string.address, length, record) {
        return 0;
    }
    record.length += u64::from(length.next_multiple_of(8));
    length
}
