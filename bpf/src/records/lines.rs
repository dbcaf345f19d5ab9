//! The value of a header that may come in several lines: one text, joined by commas (RFC 9110 §5.3; W3C Trace Context §3.3.1.1 and
//! Baggage §3.3 say so of theirs).

use crate::go::string::GoString;
use crate::records::RecordBuffer;
use crate::target::{Lookup, Step};

/// Lines that are joined, at most: a state has no more members (W3C Trace Context §3.3.1.1).
const MAX_LINES: u32 = 32;

/// Appends the lines of the `[]string` whose slice header is at `element` to a record, as one text of at most `capacity` bytes. Its
/// length; 0, and nothing appended, where it is longer, has too many lines, or cannot be read: half of it could mean something else.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn append_lines<L: Lookup>(lookup: &L, record: &mut RecordBuffer, element: u64, capacity: u32) -> u64 {
    let begin = record.length;
    let [next, left]: [u64; 2] = lookup.read_or_zero(element);
    let mut lines = Lines { record, next, left, end: begin + u64::from(capacity) };
    lookup.repeat(MAX_LINES, &mut lines);
    let is_whole = lines.left == 0;
    if !is_whole {
        record.length = begin;
    }
    record.length - begin
}

/// The loop over lines.
struct Lines<'a> {
    record: &'a mut RecordBuffer,
    /// The next one, a string.
    next: u64,
    left: u64,
    /// Where the text ends at the latest.
    end: u64,
}

impl Step for Lines<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        let Self { record, next, left, end } = self;
        if *left == 0 {
            return false;
        }
        let line = GoString::at(lookup, *next);
        let room = end.saturating_sub(record.length);
        #[expect(clippy::cast_possible_truncation, reason = "at most the room")]
        let is_read = line.length <= room && (line.length == 0 || lookup.read_text(line.address, line.length as u32, record));
        if !is_read {
            return false;
        }
        record.length += line.length;
        *next = next.wrapping_add(16);
        *left -= 1;
        if *left == 0 {
            return true;
        }
        if record.length >= *end {
            // Else an empty line would take the comma's byte from beyond the end.
            return false;
        }
        record.push_byte(b',');
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::fake::{FakeProcess, layouts};

    fn joined(lines: &[&str], capacity: u32) -> Option<String> {
        let process = FakeProcess::new(layouts::GO_1_27);
        let element = process.memory.allocate(24);
        process.memory.write_words(element, &process.strings(lines));
        let mut record = Box::new(RecordBuffer::EMPTY);
        record.length = 8;
        let length = append_lines(&process, &mut record, element, capacity);
        assert_eq!(record.length, 8 + length);
        let text = record.bytes[8..][..usize::try_from(length).unwrap()].to_vec();
        (length != 0).then(|| String::from_utf8(text).unwrap())
    }

    #[test]
    fn lines_are_joined_by_commas() {
        assert_eq!(joined(&["a=1"], 16).as_deref(), Some("a=1"));
        assert_eq!(joined(&["a=1", "b=2,c=3", "d=4"], 16).as_deref(), Some("a=1,b=2,c=3,d=4"));
        assert_eq!(joined(&["a=1", "", "d=4"], 16).as_deref(), Some("a=1,,d=4"));
        assert_eq!(joined(&[""], 16), None);
        assert_eq!(joined(&[], 16), None);
    }

    #[test]
    fn what_is_too_long_is_nothing() {
        assert_eq!(joined(&["a=1", "b=2"], 7).as_deref(), Some("a=1,b=2"));
        assert_eq!(joined(&["a=1", "b=2"], 6), None);
        assert_eq!(joined(&["a=1", "b=2"], 3), None);
        assert_eq!(joined(&["a=1", ""], 4).as_deref(), Some("a=1,"));
        assert_eq!(joined(&["a=1", ""], 3), None);
        assert_eq!(joined(&["a=1", "", "", ""], 4), None);
        let lines = ["a"; MAX_LINES as usize + 1];
        assert_eq!(joined(&lines[1..], 512).map(|text| text.len()), Some(63));
        assert_eq!(joined(&lines, 512), None);
    }
}
