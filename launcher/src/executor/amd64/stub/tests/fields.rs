//! The detours on the way of header fields, by HTTP/2.

use super::*;

/// What is to come before or behind a header field.
const TEXT: &[u8] = b"what is to be injected";
const BUFFER: u64 = 0x9abc;
/// [`TEXT`] waits; or it is armed, and perhaps written already.
const QUEUED: u64 = SITE as u64;
const ARMED: u64 = (SITE | site::ARMED) as u64;

/// Fills a slot with [`TEXT`] for a connection.
fn fill_text(machine: &mut Machine, tag: u64, used: u64) {
    let bucket = &mut machine.buckets[bpf::slots::bucket(tag) as usize];
    // SAFETY: nobody else has it.
    let slot = unsafe { bucket.slots[2].get() };
    slot.meant_for = [ENCODER, BUFFER, CONNECTION];
    (slot.length, slot.used) = (TEXT.len() as u64, used);
    for (word, chunk) in slot.words.iter_mut().zip(TEXT.chunks(8)) {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        *word = u64::from_le_bytes(bytes);
    }
    bucket.tags[2].set(tag);
}

fn tag_of(machine: &Machine, g: u64) -> u64 {
    machine.buckets[bpf::slots::bucket(g) as usize].tags[2].get()
}

/// `WriteField(f)`, with the encoder in RAX and the name in RBX and RCX.
#[test]
fn the_first_field_that_is_none_of_the_protocols_arms_the_slot() {
    let (mut machine, goroutines) = (Machine::new(Moment::Field), Goroutines::new());
    let g = goroutines.address();
    for (name, encoder, arms) in
        [("accept", ENCODER, true), (":path", ENCODER, false), ("", ENCODER, false), ("accept", ENCODER + 8, false)]
    {
        fill_text(&mut machine, g + QUEUED, 0);
        let arguments = [encoder, name.len() as u64, 3, 4, 5, 6, 7];
        let (registers, after, _) = machine.call_with(g, ARITHMETIC | FIXED, arguments, name);
        assert_eq!((registers, after & ARITHMETIC), (arguments, ARITHMETIC));
        assert_eq!(tag_of(&machine, g), g + if arms { ARMED } else { QUEUED }, "{name:?}");
    }
}

/// `WriteField(f)` of a field that is a copy: it returns nil to its caller, and has done nothing; before the slot is armed, and when it is.
#[test]
fn a_field_that_is_a_copy_is_left_out() {
    use bpf::slots::drops::{B3, TRACE_PARENT};
    let (mut machine, goroutines) = (Machine::new(Moment::Field), Goroutines::new());
    let g = goroutines.address();
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
            fill_text(&mut machine, g + tag, 0);
            // SAFETY: nobody else has it.
            unsafe { machine.buckets[bpf::slots::bucket(g) as usize].slots[2].get() }.drops = drops;
            let arguments = [encoder, name.len() as u64, 3, 4, 5, 6, 7];
            let (registers, ..) = machine.call_with(g, FIXED, arguments, name);
            let is_here = is_left_out && encoder == ENCODER;
            assert_eq!(machine.taken.get().is_null(), is_here, "{name} {drops} {tag}");
            let [result, rest @ ..] = registers;
            assert_eq!((result, rest), (if is_here { 0 } else { encoder }, arguments[1..].try_into().unwrap()), "{name} {drops}");
            let is_armed = tag == ARMED || !name.starts_with(':');
            assert_eq!(tag_of(&machine, g), g + if is_armed { ARMED } else { QUEUED }, "{name}");
        }
    }
}

/// `Write(p)`, with the buffer in RAX and the slice in RBX, RCX and RDI: what it gets afterwards.
#[test]
fn the_buffer_gets_the_text_and_then_the_field() {
    let (mut machine, goroutines) = (Machine::new(Moment::Buffer), Goroutines::new());
    let g = goroutines.address();
    let room = bpf::slots::SLOT_WORDS * 8 - TEXT.len();
    for (tag, used, buffer, length, is_obeyed) in [
        (ARMED, 0, BUFFER, 30, true),
        (ARMED, 0, BUFFER, room, true),
        (ARMED, 0, BUFFER, room + 1, false),
        (ARMED, 1, BUFFER, 30, false),
        (ARMED, 0, BUFFER + 8, 30, false),
        (QUEUED, 0, BUFFER, 30, false),
    ] {
        let field: String = (0..length).map(|at| char::from(b'a' + u8::try_from(at % 26).unwrap())).collect();
        fill_text(&mut machine, g + tag, used);
        let arguments = [buffer, length as u64, 3, 4, length as u64 + 9, 6, 7];
        let ((registers, after, _), written) = machine.write(g, arguments, &field);
        assert_eq!(after & ARITHMETIC, ARITHMETIC);
        let expected = if is_obeyed { [TEXT, field.as_bytes()].concat() } else { field.into_bytes() };
        assert_eq!(written, expected, "{length} bytes");
        let [_, count, _, _, capacity, ..] = registers;
        assert_eq!(count, expected.len() as u64);
        assert!(capacity >= count);
        assert_eq!([registers[0], registers[2], registers[3], registers[5], registers[6]], [buffer, 3, 4, 6, 7]);
        // SAFETY: nobody else has it.
        let slot = unsafe { machine.buckets[bpf::slots::bucket(g) as usize].slots[2].get() };
        assert_eq!((slot.used, tag_of(&machine, g)), (if is_obeyed { 1 } else { used }, g + tag), "it stays until it is freed");
    }
}

/// `writeHeaders(…, hdrs)`, with the connection in RAX and the slice in RSI, R8 and R9.
#[test]
fn behind_all_fields_the_slot_is_freed_and_what_was_not_written_is_appended() {
    let (mut machine, goroutines) = (Machine::new(Moment::Headers), Goroutines::new());
    let g = goroutines.address();
    let just_enough = 10 + TEXT.len() as u64;
    for (tag, used, connection, capacity, is_obeyed) in [
        (ARMED, 0, CONNECTION, 128, true),
        (QUEUED, 0, CONNECTION, just_enough, true),
        (ARMED, 0, CONNECTION, just_enough - 1, false),
        (ARMED, 1, CONNECTION, 128, false),
        (ARMED, 0, CONNECTION + 8, 128, false),
    ] {
        let mut buffer = [0_u8; 128];
        fill_text(&mut machine, g + tag, used);
        let address = buffer.as_mut_ptr() as u64;
        let (registers, after, _) = machine.call_with(g, ARITHMETIC | FIXED, [connection, 2, 3, address, 5, 10, capacity], "");
        let added = if is_obeyed { TEXT } else { &[] };
        assert_eq!(registers, [connection, 2, 3, address, 5, 10 + added.len() as u64, capacity]);
        assert_eq!(after & ARITHMETIC, ARITHMETIC);
        let buffer = std::hint::black_box(&buffer);
        assert_eq!(&buffer[10..10 + added.len()], added);
        assert!(buffer[10 + added.len()..].iter().all(|byte| *byte == 0));
        assert_eq!(tag_of(&machine, g), 0);
    }
}

/// `WriteHeaders(p)` of a framer: an armed slot is freed, one that is queued stays for its fields.
#[test]
fn a_frame_frees_what_was_armed() {
    let (mut machine, goroutines) = (Machine::new(Moment::Frame), Goroutines::new());
    let g = goroutines.address();
    for (tag, left) in [(ARMED, 0), (QUEUED, g + QUEUED)] {
        fill_text(&mut machine, g + tag, 1);
        let arguments = [1, 2, 3, 4, 5, 6, 7];
        let (registers, after, _) = machine.call_with(g, ARITHMETIC | FIXED, arguments, "");
        assert_eq!((registers, after & ARITHMETIC, tag_of(&machine, g)), (arguments, ARITHMETIC, left));
    }
}
