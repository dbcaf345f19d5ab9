//! The detours on the way of header fields, by HTTP/2.

use bpf::slots::drops::{B3, TRACE_PARENT};

use super::*;

/// What is to come before or behind a header field.
const TEXT: &[u8] = b"what is to be injected";
const BUFFER: u64 = 0x9abc;
/// [`TEXT`] waits; or it is armed, and perhaps written already.
const QUEUED: u64 = SITE as u64;
const ARMED: u64 = (SITE | site::ARMED) as u64;

/// The goroutine's slot, the third of its bucket.
fn slot(machine: &mut Machine) -> &mut Slot {
    // SAFETY: nobody else has it.
    unsafe { machine.buckets[bpf::slots::bucket(GOROUTINE) as usize].slots[2].get() }
}

/// Fills it with [`TEXT`] for a connection.
fn fill_text(machine: &mut Machine, tag: u64, used: u64, drops: u64) {
    let slot = slot(machine);
    slot.meant_for = [ENCODER, BUFFER, CONNECTION];
    (slot.length, slot.used, slot.drops) = (TEXT.len() as u64, used, drops);
    for (word, chunk) in slot.words.iter_mut().zip(TEXT.chunks(8)) {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        *word = u64::from_le_bytes(bytes);
    }
    machine.tag(GOROUTINE).set(GOROUTINE + tag);
}

/// `WriteField(f)`, with the encoder in R0 and the name in R1 and R2.
#[test]
fn the_first_field_that_is_none_of_the_protocols_arms_the_slot() {
    let mut machine = Machine::new(Moment::Field);
    for (name, encoder, goroutine, arms) in [
        ("accept", ENCODER, GOROUTINE, true),
        (":path", ENCODER, GOROUTINE, false),
        ("", ENCODER, GOROUTINE, false),
        ("accept", ENCODER + 8, GOROUTINE, false),
        // Another one with the same hash.
        ("accept", ENCODER, GOROUTINE + NEXT, false),
    ] {
        fill_text(&mut machine, QUEUED, 0, 0);
        let arguments = [encoder, name.as_ptr() as u64, name.len() as u64, 3, 4, 5, 6];
        let registers = machine.call(goroutine, arguments);
        assert_eq!((&registers[..7], registers[RUN]), (arguments.as_slice(), 1));
        assert_eq!(machine.tag(GOROUTINE).get(), GOROUTINE + if arms { ARMED } else { QUEUED }, "{name:?}");
    }
}

/// `WriteField(f)` of a field that is a copy: it returns nil to its caller, and has done nothing; before the slot is armed, and when it is.
#[test]
fn a_field_that_is_a_copy_is_left_out() {
    let mut machine = Machine::new(Moment::Field);
    for (name, drops, is_left_out) in [
        ("traceparent", TRACE_PARENT, true),
        ("traceparent", TRACE_PARENT | B3, true),
        ("traceparent", B3, false),
        ("traceparent", 0, false),
        ("tracestate!", TRACE_PARENT, false),
        ("traceparents", TRACE_PARENT, false),
        ("b3", B3, true),
        ("b4", B3, false),
        ("b3", TRACE_PARENT, false),
        ("x-b3-traceid", B3, true),
        ("x-b3-flags", B3, true),
        ("x-b3-", B3, false),
        ("x-b4-traceid", B3, false),
        (":path", TRACE_PARENT | B3, false),
    ] {
        for (tag, encoder) in [(QUEUED, ENCODER), (ARMED, ENCODER), (ARMED, ENCODER + 8)] {
            fill_text(&mut machine, tag, 0, drops);
            let arguments = [encoder, name.as_ptr() as u64, name.len() as u64, 3, 4, 5, 6];
            let registers = machine.call(GOROUTINE, arguments);
            let is_here = is_left_out && encoder == ENCODER;
            assert_eq!(registers[RUN], u64::from(!is_here), "{name} {drops} {tag}");
            let [encoder, name_at, rest @ ..] = arguments;
            assert_eq!(registers[..2], if is_here { [0, 0] } else { [encoder, name_at] }, "{name} {drops}");
            assert_eq!(registers[2..7], rest);
            let is_armed = tag == ARMED || !name.starts_with(':');
            assert_eq!(machine.tag(GOROUTINE).get(), GOROUTINE + if is_armed { ARMED } else { QUEUED }, "{name}");
        }
    }
}

/// `Write(p)`, with the buffer in R0 and the slice in R1, R2 and R3: what it gets afterwards.
#[test]
fn the_buffer_gets_the_text_and_then_the_field() {
    let mut machine = Machine::new(Moment::Buffer);
    let room = bpf::slots::SLOT_WORDS * 8 - TEXT.len();
    for (tag, used, buffer, length, is_obeyed) in [
        (ARMED, 0, BUFFER, 30, true),
        (ARMED, 0, BUFFER, 0, true),
        (ARMED, 0, BUFFER, room, true),
        (ARMED, 0, BUFFER, room + 1, false),
        (ARMED, 1, BUFFER, 30, false),
        (ARMED, 0, BUFFER + 8, 30, false),
        (QUEUED, 0, BUFFER, 30, false),
    ] {
        let field: String = (0..length).map(|at| char::from(b'a' + u8::try_from(at % 26).unwrap())).collect();
        fill_text(&mut machine, tag, used, 0);
        let arguments = [buffer, field.as_ptr() as u64, length as u64, length as u64 + 9, 4, 5, 6];
        let registers = machine.call(GOROUTINE, arguments);
        let expected = if is_obeyed { [TEXT, field.as_bytes()].concat() } else { field.into_bytes() };
        let [_, data, count, capacity, ..] = registers;
        assert_eq!(count, expected.len() as u64);
        // SAFETY: the function has just been given these bytes: the field's, or memory of a slot.
        let written = unsafe { std::slice::from_raw_parts(data as *const u8, expected.len()) };
        if is_obeyed {
            assert_eq!(written, expected, "{length} bytes");
        } else {
            assert_eq!(data, arguments[1]);
        }
        assert!(capacity >= count);
        assert_eq!((registers[0], &registers[4..7], registers[RUN]), (buffer, [4, 5, 6].as_slice(), 1));
        assert_eq!(slot(&mut machine).used, if is_obeyed { 1 } else { used });
        assert_eq!(machine.tag(GOROUTINE).get(), GOROUTINE + tag, "it stays until it is freed");
    }
}

/// `writeHeaders(…, hdrs)`, with the connection in R0 and the slice in R4, R5 and R6.
#[test]
fn behind_all_fields_the_slot_is_freed_and_what_was_not_written_is_appended() {
    let mut machine = Machine::new(Moment::Headers);
    let just_enough = 10 + TEXT.len() as u64;
    for (tag, used, connection, capacity, is_obeyed) in [
        (ARMED, 0, CONNECTION, 128, true),
        (QUEUED, 0, CONNECTION, just_enough, true),
        (ARMED, 0, CONNECTION, just_enough - 1, false),
        (ARMED, 1, CONNECTION, 128, false),
        (ARMED, 0, CONNECTION + 8, 128, false),
    ] {
        let mut buffer = [0_u8; 128];
        fill_text(&mut machine, tag, used, 0);
        let address = buffer.as_mut_ptr() as u64;
        let registers = machine.call(GOROUTINE, [connection, 1, 2, 3, address, 10, capacity]);
        let added = if is_obeyed { TEXT } else { &[] };
        assert_eq!(registers[..7], [connection, 1, 2, 3, address, 10 + added.len() as u64, capacity]);
        let buffer = std::hint::black_box(&buffer);
        assert_eq!(&buffer[10..10 + added.len()], added);
        assert!(buffer[10 + added.len()..].iter().all(|byte| *byte == 0));
        assert_eq!(machine.tag(GOROUTINE).get(), 0);
    }
}

/// `WriteHeaders(p)` of a framer: an armed slot is freed, one that is queued stays for its fields.
#[test]
fn a_frame_frees_what_was_armed() {
    let mut machine = Machine::new(Moment::Frame);
    for (tag, left) in [(ARMED, 0), (QUEUED, GOROUTINE + QUEUED)] {
        fill_text(&mut machine, tag, 1, 0);
        let arguments = [1, 2, 3, 4, 5, 6, 7];
        let registers = machine.call(GOROUTINE, arguments);
        assert_eq!((&registers[..7], machine.tag(GOROUTINE).get()), (arguments.as_slice(), left));
    }
}
