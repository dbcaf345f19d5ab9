//! Header fields in the fake process.

use super::*;
use crate::config::{Propagators, Setting};
use crate::go::header::{NEW_WALK, lengths};
use crate::target::fake::{FakeProcess, layouts};

#[test]
fn names_are_found_and_the_list_is_measured() {
    let process = FakeProcess::new(layouts::GO_1_27);
    let fields = [(":method", "POST"), ("content-type", "application/grpc"), ("traceparent", "00-x"), ("Baggage", "a=b")];
    let mut words = Vec::new();
    for (name, value) in fields {
        for text in [name, value] {
            words.extend([process.string(text)[0], text.len() as u64]);
        }
        words.push(0);
    }
    let address = process.memory.allocate(words.len() as u64 * 8);
    process.memory.write_words(address, &words);
    let (mut walk, all) = (NEW_WALK, lengths(&Propagators(Setting::new(15))));
    let size = find_in_fields(&process, address, fields.len() as u64, all, &mut walk);
    let expected: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    assert_eq!(size, expected as u64);
    let found = walk.found;
    assert_eq!((found.trace_parent, found.baggage), (address + 2 * 40 + 16, address + 3 * 40 + 16));
    assert_eq!((found.trace_state, found.b3), (0, 0));
    // What cannot be read is of no known size.
    assert_eq!(find_in_fields(&process, 0x10, 1, all, &mut walk), u64::MAX);
    assert_eq!(find_in_fields(&process, address, 0, all, &mut walk), 0);
}
