//! Encoded spans go to the launcher in parts.

use super::*;
use crate::records::MAX_TEXT;
use crate::records::otel_api::EncodedSpan;
use crate::target::fake::PAGE;

/// An encoded span that has this many bytes.
fn encoded(program: &Program, length: usize) -> (u64, Vec<u8>) {
    let text: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let address = program.process.memory.allocate(length as u64);
    program.process.memory.write(address, &text);
    (address, text)
}

impl Program {
    fn ended(&self, span: u64, address: u64, length: u64) -> Done {
        self.hit(event::ENDED, &[span, address, length, length])
    }

    /// The parts that have come: of which span, of how much, behind how much, and what.
    fn parts(&self) -> Vec<([u64; 3], Vec<u8>)> {
        let records = self.process.take_records();
        let parts = records.iter().map(|record| {
            assert_eq!(kind_of(record), kind::ENCODED_SPAN);
            let (EncodedSpan { header: _, span, total, before }, text) = decode(record);
            ([span, total, before], text.to_vec())
        });
        parts.collect()
    }
}

#[test]
fn a_span_comes_in_parts() {
    let program = Program::new();
    for (length, parts) in
        [(1, 1), (MAX_TEXT - 1, 1), (MAX_TEXT, 1), (MAX_TEXT + 1, 2), (2 * MAX_TEXT, 2), (20 << 10, 3), (4 * MAX_TEXT, 4)]
    {
        let (address, text) = encoded(&program, length);
        program.ended(0xc0_0001, address, length as u64).unwrap();
        let expected = text.chunks(MAX_TEXT).enumerate();
        let expected = expected.map(|(number, part)| ([0xc0_0001, length as u64, (number * MAX_TEXT) as u64], part.to_vec()));
        assert_eq!(expected.len(), parts);
        assert!(program.parts().into_iter().eq(expected), "{length}");
    }
}

/// What cannot be encoded is nothing, of a span that the launcher is told of.
#[test]
fn of_an_empty_one_the_launcher_is_told() {
    let program = Program::new();
    program.ended(0xc0_0001, 0, 0).unwrap();
    assert_eq!(program.parts(), [([0xc0_0001, 0, 0], Vec::new())]);
}

/// Of one that cannot be read as a whole, what comes is shorter than it says.
#[test]
fn what_cannot_be_read_is_lost() {
    let program = Program::new();
    assert_eq!(program.ended(1, 0xdead_0000, 5), Err(Missed::Fault));
    assert!(program.parts().is_empty());
    let (address, text) = encoded(&program, 3 * MAX_TEXT);
    program.process.memory.unmap(address / PAGE + 2);
    assert_eq!(program.ended(1, address, text.len() as u64), Err(Missed::Fault));
    assert_eq!(program.parts(), [([1, text.len() as u64, 0], text[..MAX_TEXT].to_vec())]);
}

#[test]
fn where_there_is_no_room_for_a_part_nothing_more_comes() {
    let program = Program::new();
    let (address, text) = encoded(&program, 4 * MAX_TEXT);
    for room in 0..4 {
        program.process.room.set([room, u64::MAX]);
        assert_eq!(program.ended(1, address, text.len() as u64), Err(Missed::RingFull));
        assert_eq!(program.parts().len() as u64, room);
        program.process.room.set([room, 1]);
        assert_eq!(program.ended(1, address, text.len() as u64), Err(Missed::RingFull), "it stops at the first");
        assert_eq!(program.parts().len() as u64, room);
    }
    program.process.room.set([4, u64::MAX]);
    program.ended(1, address, text.len() as u64).unwrap();
}

#[test]
fn a_length_that_none_has_is_a_fault() {
    let program = Program::new();
    for length in [(16 << 20) + 1, u64::MAX] {
        assert_eq!(program.ended(1, 0xc0_0000_0000, length), Err(Missed::Fault));
    }
    assert!(program.parts().is_empty());
}
