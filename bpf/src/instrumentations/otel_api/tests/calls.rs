//! What is called of spans that stand in for ours.

use super::*;
use crate::records::MAX_TEXT;
use crate::records::operation::{ValueHead, whole};
use crate::records::otel_api::{SpanCall, attribute_type, item};

mod parts;

/// A captured value: its number, whether all of it is there, and its bytes.
type Item = (u16, u16, Vec<u8>);

fn text(number: u16, text: &str) -> Item {
    (number, whole::WHOLE, text.as_bytes().to_vec())
}

fn words(number: u16, words: &[u64]) -> Item {
    (number, whole::WHOLE, bytes_of(words))
}

fn items(mut rest: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    while !rest.is_empty() {
        let (ValueHead { number, whole, length }, behind): (ValueHead, _) = decode(rest);
        let (bytes, behind) = behind.split_at((length as usize).next_multiple_of(8));
        items.push((number, whole, bytes[..length as usize].to_vec()));
        rest = behind;
    }
    items
}

/// A value of an `attribute.KeyValue`.
enum Value<'v> {
    Number(u16, u64),
    Text(u16, &'v str),
    /// An array of so many bytes.
    Array(u16, &'v [u8]),
    Strings(&'v [&'v str]),
}

impl Program {
    /// A span with this `trace.SpanContext`, which records itself where `sampled` says so.
    fn span(&self, identity: [u64; 8], sampled: u8) -> u64 {
        let [first, _] = &COPIES;
        let address = self.process.memory.allocate(256);
        self.process.memory.write_words(address + u64::from(first.identity.get()), &identity);
        self.process.memory.write(address + u64::from(first.sampled.get()), &[sampled]);
        address
    }

    /// What stands in for a span of ours.
    fn ours(&self) -> u64 {
        self.span(identity(3, 1, [0; 3], 0), 0)
    }

    /// `[]attribute.KeyValue`: the array, and how many.
    fn attributes(&self, attributes: &[(&str, Value)]) -> [u64; 2] {
        let all = attributes.iter().flat_map(|(key, value)| {
            let [key, key_length] = self.process.string(key);
            let (of_type, number, [string, length], [slice_type, slice]) = match value {
                Value::Number(of_type, number) => (*of_type, *number, [0; 2], [0; 2]),
                Value::Text(of_type, text) => (*of_type, 0, self.process.string(text), [0; 2]),
                Value::Array(of_type, bytes) => {
                    let array = self.process.memory.allocate(bytes.len() as u64);
                    self.process.memory.write(array, bytes);
                    (*of_type, 0, [0; 2], [self.words(&[bytes.len() as u64]), array])
                }
                Value::Strings(texts) => {
                    let [array, length, _] = self.process.strings(texts);
                    (attribute_type::STRINGS, 0, [0; 2], [self.words(&[length * 16]), array])
                }
            };
            // The type is an integer of 64 bits, of which the lowest count.
            [key, key_length, of_type.into(), number, string, length, slice_type, slice]
        });
        let all: Vec<u64> = all.collect();
        [if all.is_empty() { 0 } else { self.words(&all) }, attributes.len() as u64]
    }

    /// `[]trace.EventOption`.
    fn options(&self, options: &[[u64; 2]]) -> [u64; 2] {
        [self.words(&options.concat()), options.len() as u64]
    }

    /// The records that have come, as heads and items.
    fn calls(&self) -> Vec<(SpanCall, Vec<Item>)> {
        let records = self.process.take_records();
        let calls = records.iter().map(|record| {
            assert_eq!(kind_of(record), kind::SPAN_CALL);
            let (head, rest) = decode(record);
            (head, items(rest))
        });
        calls.collect()
    }

    /// The items of a call that one record holds.
    #[track_caller]
    fn items(&self, event: u32, arguments: &[u64]) -> Vec<Item> {
        self.process.now.set(77);
        self.hit(event, arguments).unwrap();
        let mut calls = self.calls();
        assert_eq!(calls.len(), 1);
        let (head, items) = calls.remove(0);
        let SpanCall { header: _, time, span_id, goroutine, call, goes_on } = head;
        assert_eq!((time, span_id, goroutine, call, goes_on), (77, [3; 8], self.goroutine, event, 0));
        items
    }
}

#[test]
fn attributes_of_every_type() {
    let program = Program::new();
    let floats = 1.5_f64.to_bits().to_ne_bytes();
    let [array, count] = program.attributes(&[
        ("b", Value::Number(attribute_type::BOOL, 1)),
        ("i", Value::Number(attribute_type::INT64, u64::MAX)),
        ("f", Value::Number(attribute_type::FLOAT64, 1.5_f64.to_bits())),
        ("s", Value::Text(attribute_type::STRING, "größe")),
        ("", Value::Text(attribute_type::STRING, "")),
        ("bs", Value::Array(attribute_type::BOOLS, &[1, 0, 1])),
        ("is", Value::Array(attribute_type::INT64S, &[1, 0, 0, 0, 0, 0, 0, 0])),
        ("fs", Value::Array(attribute_type::FLOAT64S, &floats)),
        ("ss", Value::Strings(&["one", "", "other"])),
        ("y", Value::Text(attribute_type::BYTES, "\0\u{1}")),
        ("none", Value::Number(0, 7)),
    ]);
    let key = |key| text(item::KEY, key);
    let array_of = |of_type, bytes: &[u8]| (item::SLICE + of_type, whole::WHOLE, bytes.to_vec());
    let expected = [
        key("b"),
        words(item::WORD + attribute_type::BOOL, &[1]),
        key("i"),
        words(item::WORD + attribute_type::INT64, &[u64::MAX]),
        key("f"),
        words(item::WORD + attribute_type::FLOAT64, &[1.5_f64.to_bits()]),
        key("s"),
        text(item::STRING + attribute_type::STRING, "größe"),
        key(""),
        text(item::STRING + attribute_type::STRING, ""),
        key("bs"),
        array_of(attribute_type::BOOLS, &[1, 0, 1]),
        key("is"),
        array_of(attribute_type::INT64S, &[1, 0, 0, 0, 0, 0, 0, 0]),
        key("fs"),
        array_of(attribute_type::FLOAT64S, &floats),
        key("ss"),
        words(item::SLICE + attribute_type::STRINGS, &[3]),
        text(item::ELEMENT, "one"),
        text(item::ELEMENT, ""),
        text(item::ELEMENT, "other"),
        key("y"),
        text(item::STRING + attribute_type::BYTES, "\0\u{1}"),
        key("none"),
        array_of(0, &[]),
    ];
    assert_eq!(program.items(event::SET_ATTRIBUTES, &[program.ours(), array, count, count]), expected);
    assert_eq!(program.items(event::SET_ATTRIBUTES, &[program.ours(), array, 1, count]), expected[..2]);
    assert_eq!(program.items(event::SET_ATTRIBUTES, &[program.ours(), 0, 0, 0]), []);
}

#[test]
fn a_name_and_a_status() {
    let program = Program::new();
    let [name, length] = program.process.string("renamed");
    assert_eq!(program.items(event::SET_NAME, &[program.ours(), name, length]), [text(item::TEXT, "renamed")]);
    assert_eq!(program.items(event::SET_NAME, &[program.ours(), 0, 0]), [text(item::TEXT, "")]);
    // A `codes.Code` has 32 bits; what is above them in a register is nothing.
    let status = program.items(event::SET_STATUS, &[program.ours(), 0xdead_beef_0000_0001, name, length]);
    assert_eq!(status, [words(item::CODE, &[1]), text(item::TEXT, "renamed")]);
}

/// `trace.WithAttributes`, `trace.WithTimestamp`, one that means nothing here, and nil.
#[test]
fn an_event_has_options() {
    let program = Program::new();
    let [name, length] = program.process.string("sold");
    let [array, count] = program.attributes(&[("k", Value::Number(attribute_type::INT64, 5))]);
    let attributes = program.interface(ATTRIBUTE_OPTION + BIAS, &[array, count, count]);
    let timestamp = program.interface(TIMESTAMP_OPTION + BIAS, &[0x1234, 0x5678, 0]);
    let unknown = program.interface(FUNCTION_OPTION + BIAS, &[array, count]);
    let stale = program.interface(ATTRIBUTE_OPTION, &[array, count]);
    let [key, value] = [text(item::KEY, "k"), words(item::WORD + attribute_type::INT64, &[5])];
    let time = words(item::TIME, &[0x1234, 0x5678]);
    let event = |options: &[[u64; 2]]| {
        let [options, count] = program.options(options);
        let mut items = program.items(event::ADD_EVENT, &[program.ours(), name, length, options, count]);
        assert_eq!(items.remove(0), text(item::TEXT, "sold"));
        items
    };
    assert_eq!(event(&[]), []);
    assert_eq!(event(&[attributes, timestamp]), [key.clone(), value.clone(), time.clone()]);
    assert_eq!(event(&[timestamp, unknown, [0, 0], stale, [0xdead_0000, array], attributes]), [time, key.clone(), value.clone()]);
    // As many as are looked at.
    assert_eq!(event(&[attributes; 9]), vec![[key, value]; 8].concat());
}

/// A program may have no such type: no interface has it, nor has one whose type is not known.
#[test]
fn options_that_the_program_does_not_know_are_none() {
    let mut program = Program::new();
    program.config.attribute_option = Setting::new(0);
    program.config.timestamp_option = Setting::new(0);
    let options = [[0xdead_0000, 5], program.interface(BIAS, &[0; 3]), program.interface(0, &[0; 3])];
    let [options, count] = program.options(&options);
    assert_eq!(program.items(event::ADD_EVENT, &[program.ours(), 0, 0, options, count]), [text(item::TEXT, "")]);
}

/// `*errors.errorString`, whose words are its text.
#[test]
fn an_error_is_what_the_interface_holds() {
    let program = Program::new();
    let [address, length] = program.process.string("refused");
    let [table, data] = program.interface(0x51_0000, &[address, length, 9]);
    let timestamp = program.interface(TIMESTAMP_OPTION + BIAS, &[1, 2, 0]);
    let [options, count] = program.options(&[timestamp]);
    let held = |of_type: u64| [bytes_of(&[of_type, address, length, 9]), b"refused".to_vec()].concat();
    let items = program.items(event::RECORD_ERROR, &[program.ours(), table, data, options, count]);
    assert_eq!(items, [(item::ERROR, whole::WHOLE, held(0x51_0000)), words(item::TIME, &[1, 2])]);
    // Nil is none.
    assert_eq!(program.items(event::RECORD_ERROR, &[program.ours(), 0, 0, options, count]), [words(item::TIME, &[1, 2])]);
    // A table that nothing has touched yet is in the file of the program.
    program.process.memory.unmap(table / crate::target::fake::PAGE);
    let items = program.items(event::RECORD_ERROR, &[program.ours(), table, data, 0, 0]);
    assert_eq!(items, [(item::ERROR, whole::WHOLE, held(table + crate::config::operations::TABLE))]);
}

/// On the stack, behind the return address: a `trace.SpanContext`, and attributes.
#[test]
fn a_link_lies_on_the_stack() {
    let program = Program::new();
    let [state, members] = [program.process.strings(&["k", "v", "other", ""])[0], 2];
    let [array, count] = program.attributes(&[("a", Value::Number(attribute_type::BOOL, 1))]);
    let link = [&[0x40_0000][..], &identity(9, 1, [state, members, members], 1), &[array, count, count]].concat();
    let stack_pointer = program.words(&link);
    program.process.registers.set(Registers { stack_pointer, ..Registers::calling(&[program.ours()], program.goroutine) });
    program.hit_there(event::ADD_LINK).unwrap();
    let [(head, items)] = &program.calls()[..] else { panic!("one record") };
    assert_eq!((head.call, head.span_id), (event::ADD_LINK, [3; 8]));
    let [linked @ .., _, _, _, _] = identity(9, 1, [0; 3], 0);
    let state = ["k", "v", "other", ""].map(|one| text(item::STATE, one));
    let attributes = [text(item::KEY, "a"), words(item::WORD + attribute_type::BOOL, &[1])];
    assert_eq!(*items, [&[words(item::LINK, &linked)][..], &state, &attributes].concat());
}

#[test]
fn of_other_spans_nothing_is_reported() {
    let program = Program::new();
    let [name, length] = program.process.string("renamed");
    let ours = identity(3, 1, [0; 3], 0);
    let spans = [
        program.span(ours, 1),
        program.span(identity(3, 1, [0; 3], 1), 0),
        program.span(identity(3, 0, [0; 3], 0), 0),
        program.span([1, 1, 0, 1, 0, 0, 0, 0], 0),
        0,
        0xdead_0000,
        u64::MAX,
    ];
    for span in spans {
        for event in event::SET_ATTRIBUTES..=event::ADD_LINK {
            assert_eq!(program.hit(event, &[span, name, length, 0, 0]), Err(Missed::NothingToDo), "{span:x}");
        }
    }
    assert!(program.calls().is_empty());
    // Padding is nothing, and the other copy is laid out otherwise.
    let [trace, trace_end, id, flags, state @ ..] = ours;
    let [_, second] = &COPIES;
    let address = program.process.memory.allocate(256);
    let padded = [trace, trace_end, id, flags | 0xab00, state[0], state[1], state[2], 0xab00];
    program.process.memory.write_words(address + u64::from(second.identity.get()), &padded);
    program.hit(event::SET_NAME | event::SECOND, &[address, name, length]).unwrap();
    let [(head, _)] = &program.calls()[..] else { panic!("one record") };
    assert_eq!((head.call, head.span_id), (event::SET_NAME, [3; 8]));
}
