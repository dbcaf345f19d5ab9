//! Lists of members in both kinds of maps, and what they are as a header.

use super::*;
use crate::config::{MapLayout, Setting};
use crate::target::fake::{FakeProcess, layouts};

/// A member: its key, its value, its properties as they came, and its properties one by one.
type Member<'t> = (&'t str, &'t str, &'t str, &'t [(&'t str, Option<&'t str>)]);

const WITH_METADATA: BaggageConfig = BaggageConfig {
    value: Setting::new(0),
    metadata: Setting::new(16),
    properties: Setting::new(32),
    property_key: Setting::new(0),
    property_value: Setting::new(16),
    property_has_value: Setting::new(32),
    property_size: Setting::new(40),
    ..crate::config::baggage::NO_BAGGAGE
};
/// Of versions before 1.47, whose items end where these have no properties yet.
const WITHOUT_METADATA: BaggageConfig =
    BaggageConfig { metadata: Setting::new(ABSENT), properties: Setting::new(16), ..WITH_METADATA };
/// Bytes of an item.
const ITEM: u32 = 56;

/// Both kinds of maps.
fn maps() -> [MapLayout; 2] {
    let of = |layout: MapLayout| {
        let is_swiss = layout.swiss.get() != 0;
        let (key_stride, elements) = if is_swiss { (16 + ITEM, 24) } else { (16, 8 + 8 * 16) };
        MapLayout {
            keys: Setting::new(8),
            key_stride: Setting::new(key_stride),
            elements: Setting::new(elements),
            element_stride: Setting::new(if is_swiss { 16 + ITEM } else { ITEM }),
            group_size: Setting::new(8 + 8 * (16 + ITEM) + 8),
            overflow: Setting::new(8 + 8 * (16 + ITEM)),
            ..layout
        }
    };
    [of(layouts::GO_1_21.header_map), of(layouts::GO_1_24.header_map)]
}

/// A map of at most eight members, of which the first slot is empty where there is room.
fn list(process: &FakeProcess, config: &BaggageConfig, members: &[Member<'_>]) -> u64 {
    let (memory, map) = (&process.memory, &config.map);
    let group = memory.allocate(map.group_size.get().into());
    let is_swiss = map.swiss.get() != 0;
    let mut control = if is_swiss { [0x80_u8; 8] } else { [0; 8] };
    let first = usize::from(members.len() < 8);
    for (slot, (key, value, metadata, properties)) in (first..).zip(members) {
        control[slot] = 0x42;
        let at = |from: u32, stride: u32| group + u64::from(from) + slot as u64 * u64::from(stride);
        memory.write_words(at(map.keys.get(), map.key_stride.get()), &process.string(key));
        let item = at(map.elements.get(), map.element_stride.get());
        memory.write_words(item, &process.string(value));
        if config.metadata.get() != ABSENT {
            memory.write_words(item + 16, &process.string(metadata));
        }
        let array = memory.allocate(40 * properties.len() as u64 + 8);
        for (property, (key, value)) in (array..).step_by(40).zip(*properties) {
            memory.write_words(property, &process.string(key));
            memory.write_words(property + 16, &process.string(value.unwrap_or_default()));
            memory.write_words(property + 32, &[value.is_some().into()]);
        }
        let count = properties.len() as u64;
        memory.write_words(item + u64::from(config.properties.get()), &[array, count, count]);
    }
    memory.write(group, &control);
    let header = memory.allocate(48);
    let count = members.len() as u64;
    memory.write_words(header, &[count, 0, group, 0]);
    header
}

/// The header of these members behind what is there before, in each kind of map.
fn headers(config: BaggageConfig, members: &[Member<'_>], before: &str) -> Vec<String> {
    let of = |map: MapLayout| {
        let process = FakeProcess::of(layouts::GO_1_27);
        let config = BaggageConfig { map, ..config };
        let mut text = [0; MAX_BAGGAGE];
        text[..before.len()].copy_from_slice(before.as_bytes());
        let list = list(&process, &config, members);
        let length = encode(&process, &config, list, &mut NO_ENCODING.clone(), &mut text, before.len() as u64);
        String::from_utf8(text[..usize::try_from(length).unwrap()].to_vec()).unwrap()
    };
    maps().into_iter().map(of).collect()
}

#[track_caller]
fn is(members: &[Member<'_>], expected: &str) {
    assert_eq!(headers(WITH_METADATA, members, ""), [expected; 2]);
}

#[test]
fn members_one_behind_the_other() {
    is(&[("tenant", "a", "", &[]), ("user", "7", "", &[])], "tenant=a,user=7");
    is(&[("a", "", "", &[][..]); 8], &["a="; 8].join(","));
    is(&[], "");
    assert_eq!(headers(WITH_METADATA, &[("own", "1", "", &[])], "came=2"), ["came=2,own=1"; 2]);
}

#[test]
fn values_are_encoded() {
    let all: String = (0..128_u8).map(char::from).collect();
    let expected: String = all
        .bytes()
        .map(|byte| match byte {
            b'!' | b'#'..=b'$' | b'&'..=b'+' | b'-'..=b':' | b'<'..=b'[' | b']'..=b'~' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    is(&[("all", &all, "", &[])], &format!("all={expected}"));
    is(&[("beyond", "é\u{ff}日", "", &[])], "beyond=%C3%A9%C3%BF%E6%97%A5");
}

#[test]
fn properties() {
    let of_member: &[_] = &[("alone", None), ("full", Some("a b")), ("empty", Some(""))];
    is(&[("own", "1", "", of_member), ("other", "2", "", &[])], "own=1;alone;full=a%20b;empty=,other=2");
    is(&[("own", "1", "p=1; q", of_member)], "own=1;p=1; q");
    assert_eq!(headers(WITHOUT_METADATA, &[("own", "1", "", of_member)], ""), ["own=1;alone;full=a%20b;empty="; 2]);
}

/// What the header forbids takes nothing else with it.
#[test]
fn what_is_forbidden_is_left_out() {
    let (before, after) = (("a", "1", "", &[][..]), ("b", "2", "", &[][..]));
    for key in ["", "a b", "a\r\nX: y", "a=b", "a,b", "é", "a;b", "a\"b", "\x7f"] {
        is(&[before, (key, "x", "", &[]), after], "a=1,b=2");
        is(&[(key, "x", "", &[]), after], "b=2");
        is(&[before, ("own", "x", "", &[("p", None), (key, Some("1")), ("q", None)]), after], "a=1,own=x;p;q,b=2");
    }
    for metadata in ["p,q", "p\r\nX: y", "p=é"] {
        is(&[before, ("own", "x", metadata, &[]), after], "a=1,own=x,b=2");
    }
}

/// All or nothing: half of it could mean something else.
#[test]
fn what_does_not_fit_is_left_out() {
    let most = "x".repeat(MAX_BAGGAGE - 3 - "own=".len());
    is(&[("own", &most, "", &[])], &format!("own={most}"));
    is(&[("own", &format!("{most}xxxx"), "", &[])], "");
    assert_eq!(headers(WITH_METADATA, &[("own", &most, "", &[])], "came=1"), [""; 2]);
}

/// Where anything cannot be read, nothing is written.
#[test]
fn of_what_is_not_there_nothing_is_written() {
    let process = FakeProcess::of(layouts::GO_1_27);
    for map in maps() {
        let config = BaggageConfig { map, ..WITH_METADATA };
        let list = list(&process, &config, &[("own", "1", "", &[("p", Some("1"))])]);
        let written = || {
            let mut text = [0; MAX_BAGGAGE];
            encode(&process, &config, list, &mut NO_ENCODING.clone(), &mut text, 0)
        };
        let all = written();
        let mut lengths = Vec::new();
        for page in process.memory.mapped() {
            let bytes = process.memory.unmap(page);
            lengths.push(written());
            process.memory.map(page, bytes);
        }
        assert_eq!(all, "own=1;p=1".len() as u64);
        assert!(lengths.contains(&0) && lengths.iter().all(|length| [0, all].contains(length)), "{lengths:?}");
    }
}
