//! The walk over header maps of every release, size and shape.

use super::*;
use crate::go::string::GoString;
use crate::target::Memory as _;
use crate::target::fake::maps::Shape;
use crate::target::fake::{FakeProcess, layouts};

const SHAPES: [Shape; 4] = [Shape::Plain, Shape::Chain, Shape::Growing, Shape::GrowingSameSize];

/// `count` headers, of which that at `at` is `Traceparent` and that behind it, where there is one, `User-Agent`.
fn headers(count: usize, at: usize) -> Vec<(String, String)> {
    let name = |index| match index {
        index if index == at => "Traceparent".to_owned(),
        index if index == at + 1 => "User-Agent".to_owned(),
        // Also names that are as long as wanted ones, or end alike.
        index if index % 3 == 0 => format!("X-Other{index:04}"),
        index if index % 3 == 1 => format!("Y{index:03}-Agent"),
        index => format!("X-Unwanted-Header-{index}"),
    };
    (0..count).map(|index| (name(index), format!("value {index}"))).collect()
}

fn value(process: &FakeProcess, element: u64) -> String {
    let GoString { address, length } = GoString::first_of_slice(process, element);
    let mut bytes = [0; 256];
    assert!(process.read_bytes(address, u32::try_from(length).unwrap(), &mut bytes));
    String::from_utf8(bytes[..usize::try_from(length).unwrap()].to_vec()).unwrap()
}

fn found(process: &FakeProcess, map: u64) -> Found {
    let mut walk = NEW_WALK;
    // Left over from another walk.
    walk.found.trace_parent = 0xbad;
    walk.scratch = [0xbad; SCRATCH_WORDS];
    let all = [10, 11, 9, 15, 16, 17, 7, 2, 12].into_iter().fold(0, |lengths, length| lengths | 1 << length);
    find(process, &process.layout.header_map, map, all, &mut walk);
    walk.found
}

#[test]
fn a_header_is_found_wherever_it_lies() {
    for (release, layout) in layouts::ALL {
        for shape in SHAPES {
            for count in [1, 2, 7, 8, 9, 14, 15, 30, 200] {
                for at in (0..count).step_by(if count > 30 { 41 } else { 1 }) {
                    let process = FakeProcess::new(layout);
                    let map = process.header(&headers(count, at), shape);
                    let found = found(&process, map);
                    let case = format!("{release} {shape:?}: {at} of {count}");
                    assert_ne!(found.trace_parent, 0, "{case}");
                    assert_eq!(value(&process, found.trace_parent), format!("value {at}"), "{case}");
                    if at + 1 < count {
                        assert_ne!(found.user_agent, 0, "{case}");
                        assert_eq!(value(&process, found.user_agent), format!("value {}", at + 1), "{case}");
                    }
                    let absent = [found.trace_state, found.forwarded_for, found.forwarded_proto];
                    assert_eq!(absent, [0; 3], "{case}");
                }
            }
        }
    }
}

#[test]
fn nothing_is_found_where_nothing_is() {
    for (release, layout) in layouts::ALL {
        for shape in SHAPES {
            for count in [0, 1, 8, 9, 200] {
                let process = FakeProcess::new(layout);
                let map = process.header(&headers(count, usize::MAX - 1), shape);
                assert_eq!(found(&process, map), Found::default(), "{release} {shape:?}, {count} headers");
            }
        }
        let process = FakeProcess::new(layout);
        assert_eq!(found(&process, 0), Found::default(), "{release}: nil map");
        assert_eq!(found(&process, 0xdead_0000), Found::default(), "{release}: not mapped");
    }
}

#[test]
fn all_wanted_headers_are_told_apart() {
    let names = [
        "Traceparent",
        "Tracestate",
        "User-Agent",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "Forwarded",
        "X-Forwarded-Host",
        "Upgrade",
        "Baggage",
        "B3",
        "X-B3-Traceid",
        "X-B3-Spanid",
        "X-B3-Sampled",
        "X-B3-Flags",
    ];
    // As long, and equal in their last or first eight bytes.
    let near = [
        "Xraceparent",
        "Tracestatf",
        "Uzer-Agent",
        "Y-Forwarded-For",
        "X-Forwarded-Ports",
        "X-Forwarded-Port",
        "Forwardes",
        "Traceparenu",
        "Baggagf",
        "Referer",
        "B4",
    ];
    for (release, layout) in layouts::ALL {
        for shape in SHAPES {
            let process = FakeProcess::new(layout);
            let entries: Vec<_> = names.iter().chain(&near).map(|name| ((*name).to_owned(), format!("of {name}"))).collect();
            let map = process.header(&entries, shape);
            let all = found(&process, map);
            let w3c = [all.trace_parent, all.trace_state, all.user_agent];
            let forwarded = [all.forwarded_for, all.forwarded_proto, all.forwarded, all.forwarded_host];
            let b3 = [all.upgrade, all.baggage, all.b3, all.b3_trace, all.b3_span, all.b3_sampled, all.b3_flags];
            let elements = w3c.into_iter().chain(forwarded).chain(b3);
            for (name, element) in names.iter().zip(elements) {
                assert_eq!(value(&process, element), format!("of {name}"), "{release} {shape:?}");
            }
        }
    }
}

#[test]
fn a_name_in_any_case_is_the_same_header() {
    for (release, layout) in layouts::ALL {
        for name in ["traceparent", "TRACEPARENT", "traceParent"] {
            let process = FakeProcess::new(layout);
            let map = process.header(&[(name.to_owned(), "mine".to_owned())], Shape::Plain);
            assert_eq!(value(&process, found(&process, map).trace_parent), "mine", "{release} {name}");
        }
        for name in ["baggage", "BAGGAGE", "upgrade", "UPGRADE", "forwarded"] {
            let process = FakeProcess::new(layout);
            let map = process.header(&[(name.to_owned(), "mine".to_owned())], Shape::Plain);
            let found = found(&process, map);
            let element = found.baggage | found.upgrade | found.forwarded;
            assert_eq!(value(&process, element), "mine", "{release} {name}");
        }
        let process = FakeProcess::new(layout);
        let map = process.header(&[("X-B3-TraceId".to_owned(), "mine".to_owned())], Shape::Plain);
        assert_eq!(value(&process, found(&process, map).b3_trace), "mine", "{release}");
    }
}

#[test]
fn no_page_is_taken_for_granted() {
    for (_release, layout) in layouts::ALL {
        for shape in SHAPES {
            let process = FakeProcess::new(layout);
            let map = process.header(&headers(20, 11), shape);
            let whole = found(&process, map);
            for page in process.memory.mapped() {
                let bytes = process.memory.unmap(page);
                let Found { trace_parent, user_agent, trace_state, forwarded_for, forwarded_proto, .. } = found(&process, map);
                assert!([0, whole.trace_parent].contains(&trace_parent));
                assert!([0, whole.user_agent].contains(&user_agent));
                assert_eq!([trace_state, forwarded_for, forwarded_proto], [0; 3]);
                process.memory.map(page, bytes);
            }
        }
    }
}

/// The end of a group may lie in a page that nothing has been put into yet, and that is not in memory.
#[test]
fn a_group_may_end_in_a_page_that_is_not_there() {
    for (release, layout) in layouts::ALL.into_iter().filter(|(_, layout)| layout.header_map.swiss.get() != 0) {
        let process = FakeProcess::new(layout);
        let map = process.header(&headers(2, 0), Shape::Plain);
        let pointer = map + u64::from(layout.header_map.directory.get());
        let group: u64 = process.read(pointer).unwrap();
        // The control word and three slots, of which the first was left, at the end of a page with nothing behind it.
        let MapLayout { keys, key_stride, elements, element_stride, .. } = layout.header_map;
        let used = (keys.get() + 3 * key_stride.get()).max(elements.get() + 2 * element_stride.get() + 24).into();
        let moved = process.memory.allocate(4096) + 4096 - used;
        for at in (0..used).step_by(8) {
            process.memory.write_words(moved + at, &[process.read(group + at).unwrap()]);
        }
        process.memory.write_words(pointer, &[moved]);
        let found = found(&process, map);
        assert_eq!(value(&process, found.trace_parent), "value 0", "{release}");
        assert_eq!(value(&process, found.user_agent), "value 1", "{release}");
    }
}

#[test]
fn garbage_is_no_map_and_ends_the_walk() {
    for (_release, layout) in layouts::ALL {
        let process = FakeProcess::new(layout);
        let garbage = process.memory.allocate(4096);
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _round in 0..2000 {
            for at in (garbage..garbage + 4096).step_by(8) {
                state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                // Small numbers, pointers into the page, and anything.
                let word = match state >> 62 {
                    0 => state >> 58 & 7,
                    1 => garbage + (state >> 33 & 0xff8),
                    2 => u64::MAX - (state >> 58),
                    _ => state,
                };
                process.memory.write_words(at, &[word]);
            }
            let _any = found(&process, garbage);
        }
    }
}
