//! Spans of other processes that contexts name, and those that the SDK records.

use super::*;
use crate::trace::parents::{BY_CONTEXT, ParentSearch, by_context};

/// A context with a span of the API in it: trace id, span id, flags, state, whether it came from elsewhere.
fn with_span(process: &FakeProcess, [table, data]: [u64; 2], number: u8, flags: u64, remote: u64) -> [u64; 2] {
    let id = u64::from_ne_bytes([number; 8]);
    let value = process.memory.allocate(256);
    process.memory.write_words(value + 96, &[id, id, id, flags, STATE[0], STATE[1], STATE[2], remote]);
    context(process, VALUE, 0, &[table, data, KEY + BIAS, 0, SPAN, value])
}

const STATE: [u64; 3] = [0xc0_dead_0000, 2, 4];

/// What a context alone leads to.
fn search(process: &FakeProcess, context: [u64; 2]) -> ParentSearch {
    let mut search = NO_SEARCH;
    by_context(process, &mut search, context);
    search
}

/// The same where the program decides.
fn settled(process: &FakeProcess, context: [u64; 2]) -> ParentSearch {
    let mut search = search(process, context);
    search.settle(process, true);
    search
}

#[test]
fn a_span_of_another_process_is_the_parent_where_there_is_no_other() {
    let process = process();
    let alone = with_span(&process, [0, 0], 6, 0xab01, 1);
    assert_eq!(parent_of(&process, alone), Some(span(6)));
    assert_eq!(parent_of(&process, with_span(&process, [0, 0], 6, 0, 1)), Some(SpanIdentity { trace_flags: 0, ..span(6) }));
    // The nearest of them.
    assert_eq!(parent_of(&process, with_span(&process, alone, 7, 1, 1)), Some(span(7)));
    let served = cancel(&process, [0, 0]);
    serve(&process, served[1], &span(1));
    assert_eq!(parent_of(&process, with_span(&process, served, 6, 1, 1)), Some(span(1)));
    // One that has no identity is none.
    let nobody = with_span(&process, [0, 0], 0, 1, 1);
    assert!(parent_of(&process, nobody).is_none() && !search(&process, nobody).names_remote());
}

/// What the goroutine does is nearer than what came from elsewhere, unless the program decides.
#[test]
fn what_the_goroutine_serves_is_nearer() {
    let process = process();
    let address = serve(&process, 0xc0_dead_0000, &span(1));
    let goroutine = process.goroutine(address).unwrap();
    let mut search = NO_SEARCH;
    find(&process, goroutine, &mut search, address, with_span(&process, [0, 0], 6, 1, 1));
    assert_eq!((search.parent, search.is_of_api(), search.names_remote()), (span(1), false, true));
}

#[test]
fn where_the_program_decides_the_nearer_one_is_the_parent() {
    let process = process();
    let served = cancel(&process, [0, 0]);
    let holder = serve(&process, served[1], &span(1));
    let nearer = with_span(&process, served, 6, 1, 1);
    let found = search(&process, nearer);
    assert_eq!((found.parent, found.found, found.is_of_api(), found.names_remote()), (span(1), BY_CONTEXT, false, true));
    assert_eq!((found.holder, found.state), (holder, [0; 3]));
    let found = settled(&process, nearer);
    assert_eq!((found.parent, found.found, found.is_of_api(), found.holder), (span(6), BY_CONTEXT, true, 0));
    assert_eq!(found.state, STATE);
    // Farther than one of this process, it is not looked at.
    let inner = with_span(&process, with_span(&process, [0, 0], 6, 1, 1), 4, 1, 0);
    assert!(!search(&process, inner).names_remote());
    assert_eq!(settled(&process, inner).parent, span(4));
    // Nothing is left of one search in the next.
    let mut again = settled(&process, nearer);
    by_context(&process, &mut again, served);
    again.settle(&process, true);
    assert_eq!((again.parent, again.is_of_api(), again.names_remote(), again.state), (span(1), false, false, [0; 3]));
}

/// The request came with it, or it is what was found, by another name.
#[test]
fn what_is_its_child_or_itself_stays() {
    let process = process();
    let (came, same) = (SpanIdentity { parent_span_id: [6; 8], parent_is_remote: 1, ..span(1) }, span(6));
    for found in [came, same] {
        let served = cancel(&process, [0, 0]);
        serve(&process, served[1], &found);
        let search = settled(&process, with_span(&process, served, 6, 1, 1));
        assert_eq!((search.parent, search.is_of_api()), (found, false));
    }
}

/// Of a span that the SDK records, where its tracer and its kind are.
#[test]
fn of_a_recorded_span_it_is_known_where_it_says_more() {
    let mut process = process();
    process.context_types.insert(OTHER_SPAN, ContextType { kind: context_kind::SPAN, offset: 96, through: 200, span_kind: 24 });
    let value = process.memory.allocate(256);
    process.memory.write_words(value + 96, &[1, 2, 3, 1, 0, 0, 0, 0]);
    let recorded = context(&process, VALUE, 0, &[0, 0, KEY + BIAS, 0, OTHER_SPAN, value]);
    let mut found = search(&process, recorded);
    assert_eq!(found.recorded_at, [value + 200, value + 24]);
    // The next one is not recorded; nor is one of another process, whatever its type.
    by_context(&process, &mut found, with_span(&process, [0, 0], 4, 1, 0));
    assert_eq!((found.recorded_at, found.is_of_api()), ([0; 2], true));
    process.memory.write_words(value + 96, &[1, 2, 3, 1, 0, 0, 0, 1]);
    assert_eq!(settled(&process, recorded).recorded_at, [0; 2]);
    let goroutine = process.goroutine_or_new(0xc0_1000).unwrap();
    find(&process, goroutine, &mut found, 0xc0_1000, recorded);
    assert_eq!((found.recorded_at, found.is_of_api()), ([0; 2], true));
    find(&process, goroutine, &mut found, 0xc0_1000, [0, 0]);
    assert_eq!((found.found, found.is_of_api(), found.names_remote()), (0, false, false));
}
