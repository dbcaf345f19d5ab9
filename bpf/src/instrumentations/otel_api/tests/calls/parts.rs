//! What is longer than an item, or than a record.

use super::*;
use crate::target::fake::PAGE;

/// The items of all records of a call, each part of a text added to the one before it.
fn joined(calls: &[(SpanCall, Vec<Item>)]) -> Vec<Item> {
    let mut joined: Vec<Item> = Vec::new();
    for (number, whole, bytes) in calls.iter().flat_map(|(_, items)| items) {
        assert!(bytes.len() <= MAX_TEXT);
        match joined.last_mut().filter(|(last, is_cut, _)| *last == *number && *is_cut == whole::CUT) {
            Some((_, is_cut, before)) => {
                before.extend(bytes);
                *is_cut = *whole;
            }
            None => joined.push((*number, *whole, bytes.clone())),
        }
    }
    joined
}

/// Holds that all but the last record of a call say that it goes on, and that all say the same otherwise.
fn go_on(calls: &[(SpanCall, Vec<Item>)], event: u32) {
    for (number, (head, _)) in (1..).zip(calls) {
        let SpanCall { header: _, time, span_id, goroutine: _, call, goes_on } = *head;
        assert_eq!((time, span_id, call, goes_on), (77, [3; 8], event, u32::from(number < calls.len())));
    }
}

#[test]
fn a_long_text_comes_in_parts() {
    let program = Program::new();
    program.process.now.set(77);
    for length in [MAX_TEXT - 1, MAX_TEXT, MAX_TEXT + 1, 2 * MAX_TEXT, 100_000] {
        let long: String = (0..length).map(|at| char::from(b'a' + u8::try_from(at % 23).unwrap())).collect();
        let [address, bytes] = program.process.string(&long);
        program.hit(event::SET_NAME, &[program.ours(), address, bytes]).unwrap();
        let calls = program.calls();
        go_on(&calls, event::SET_NAME);
        assert_eq!(calls.iter().map(|(_, items)| items.len()).sum::<usize>(), length.div_ceil(MAX_TEXT), "{length}");
        assert!(joined(&calls) == [text(item::TEXT, &long)], "{length}");
    }
}

/// A constant that nothing has touched is in the program's file: of each part there is where it begins, and what is left.
#[test]
fn of_what_is_not_in_memory_there_is_where_it_is() {
    let program = Program::new();
    program.process.now.set(77);
    let address = 0x60_0000;
    let length = MAX_TEXT as u64 + 100;
    let unread = |address, length| (item::TEXT, whole::UNREAD, bytes_of(&[address, length]));
    let items = program.items(event::SET_NAME, &[program.ours(), address, length]);
    assert_eq!(items, [unread(address, length), unread(address + MAX_TEXT as u64, 100)]);
    // One part of it is.
    let page = program.process.memory.allocate(3 * PAGE);
    program.process.memory.unmap(page / PAGE);
    let items = program.items(event::SET_NAME, &[program.ours(), page, length]);
    assert_eq!(items, [unread(page, length), (item::TEXT, whole::WHOLE, vec![0; 100])]);
    // No string has such a length, or lies there.
    assert_eq!(program.items(event::SET_NAME, &[program.ours(), page, 1 << 31]), []);
    assert_eq!(program.items(event::SET_NAME, &[program.ours(), 0, 8]), []);
}

/// As many as are looked at, of texts that fill records to whichever byte.
#[test]
fn what_one_record_does_not_hold_goes_on_in_others() {
    let program = Program::new();
    program.process.now.set(77);
    let texts: Vec<String> = (0..1_030).map(|number| "x".repeat(number * 13 % 900)).collect();
    let keys: Vec<String> = (0..1_030).map(|number| format!("key {number}")).collect();
    let all: Vec<(&str, Value)> =
        keys.iter().zip(&texts).map(|(key, text)| (key.as_str(), Value::Text(attribute_type::STRING, text))).collect();
    let [array, count] = program.attributes(&all);
    program.hit(event::SET_ATTRIBUTES, &[program.ours(), array, count, count]).unwrap();
    let calls = program.calls();
    assert!(calls.len() > 20);
    go_on(&calls, event::SET_ATTRIBUTES);
    let expected = keys.iter().zip(&texts).take(1_024);
    let expected = expected.flat_map(|(key, value)| [text(item::KEY, key), text(item::STRING + attribute_type::STRING, value)]);
    assert!(joined(&calls).into_iter().eq(expected));
}

/// A record is filled up to its last text, behind which a number finds room.
#[test]
fn numbers_and_options_find_room_behind_the_longest_text() {
    let program = Program::new();
    program.process.now.set(77);
    let (long, full) = ("k".repeat(MAX_TEXT), "n".repeat(MAX_TEXT - 48));
    let [array, count] =
        program.attributes(&[(&long, Value::Number(attribute_type::INT64, 5)), (&long, Value::Strings(&[&long, "e"]))]);
    let attributes = program.interface(ATTRIBUTE_OPTION + BIAS, &[array, count, count]);
    let timestamp = program.interface(TIMESTAMP_OPTION + BIAS, &[1, 2, 0]);
    let [options, count] = program.options(&[attributes, timestamp, timestamp]);
    for name in ["", "sold", &full, &long] {
        let [address, length] = program.process.string(name);
        program.hit(event::ADD_EVENT, &[program.ours(), address, length, options, count]).unwrap();
        let calls = program.calls();
        go_on(&calls, event::ADD_EVENT);
        let expected = [
            text(item::TEXT, name),
            text(item::KEY, &long),
            words(item::WORD + attribute_type::INT64, &[5]),
            text(item::KEY, &long),
            words(item::SLICE + attribute_type::STRINGS, &[2]),
            text(item::ELEMENT, &long),
            text(item::ELEMENT, "e"),
            words(item::TIME, &[1, 2]),
            words(item::TIME, &[1, 2]),
        ];
        assert!(joined(&calls) == expected, "{}", name.len());
    }
}

/// Of half a call the launcher would make something that was not said.
#[test]
fn a_call_of_which_a_record_is_lost_is_lost() {
    let program = Program::new();
    let long = "v".repeat(50_000);
    let [address, length] = program.process.string(&long);
    let set_name = || program.hit(event::SET_NAME, &[program.ours(), address, length]);
    set_name().unwrap();
    let records = program.calls().len() as u64;
    // For ever, or until there is room again.
    for (room, lost) in (0..records).flat_map(|room| [(room, u64::MAX), (room, 1), (room, 2)]) {
        program.process.room.set([room, lost]);
        assert_eq!(set_name(), Err(Missed::RingFull), "{room} {lost}");
        let calls = program.calls();
        let ends = calls.iter().filter(|(head, _)| head.goes_on == 0 && head.span_id == [3; 8]);
        assert_eq!(ends.count(), 0, "{room} {lost}");
    }
}
