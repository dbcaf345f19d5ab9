//! Whether the SDK records the span of an operation that begins.

use super::*;
use crate::config::Setting;
use crate::config::parents::EMPTY_PARENTS;
use crate::target::fake::{FakeProcess, PAGE, layouts};
use crate::trace::parents::NO_SEARCH;

const SCOPE: u64 = 56;
/// Layers of operations.
const HTTP: u32 = 1 << 4;
const RPC: u32 = 1 << 30;
const DATABASE: u32 = 1 << 31;
/// As long as names are looked at, and one that begins as it does.
const LONG: &str = "example.com/a/very/long/path/of/an/instrumentation/that/wraps/what/has/spans/of/ours/and/more/ab";
const LONGER: &str = "example.com/a/very/long/path/of/an/instrumentation/that/wraps/what/has/spans/of/ours/and/more/abc";

/// A program that knows these names, whose spans are all of operations of [`HTTP`] and [`DATABASE`].
fn process(names: &[&str]) -> FakeProcess {
    let mut process = FakeProcess::new(layouts::GO_1_27);
    process.parents = ParentsConfig { sdk_scope: Setting::new(u32::try_from(SCOPE).unwrap()), ..EMPTY_PARENTS };
    for (place, name) in process.parents.wrappers.iter_mut().zip(names) {
        *place = Wrapper::new(name, HTTP | DATABASE);
    }
    process
}

fn is_known(process: &FakeProcess, name: &str) -> bool {
    let [address, length] = process.string(name);
    let layers = process.wrapped_layers(GoString { address, length });
    assert!(layers == 0 || layers == HTTP | DATABASE);
    layers != 0
}

#[test]
fn a_name_is_known_as_a_whole() {
    assert_eq!((LONG.len(), LONGER.len()), (SCOPE_NAME, SCOPE_NAME + 1));
    let program = process(&["otelhttp", LONG, "g"]);
    for name in ["otelhttp", LONG, "g"] {
        assert!(is_known(&program, name), "{name}");
    }
    for name in ["", "otelhttp2", "otelhtt", "otelhttq", LONGER, &LONG[..95], "\0"] {
        assert!(!is_known(&program, name), "{name}");
    }
    assert!(!program.is_wrapper(GoString { address: 0xdead_0000, length: 8 }));
    assert!(!program.is_wrapper(GoString { address: 0xdead_0000, length: u64::MAX }));
    // As many as there may be, and none.
    let names: Vec<String> = (0..=MAX_WRAPPERS).map(|number| format!("name {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let program = process(&names);
    assert!(names[..MAX_WRAPPERS].iter().all(|name| is_known(&program, name)) && !is_known(&program, names[MAX_WRAPPERS]));
    assert!(!is_known(&process(&[]), "otelhttp") && !is_known(&process(&[]), ""));
}

/// A name of as many bytes as the last ones of a page: nothing behind it is read.
#[test]
fn a_name_may_end_with_its_page() {
    let process = process(&["otelhttp"]);
    let address = process.memory.allocate(PAGE) + PAGE - 8;
    process.memory.write(address, b"otelhttp");
    assert!(process.is_wrapper(GoString { address, length: 8 }));
}

/// What [`look`] says to an operation of a layer of a parent that the SDK records, of this kind and for an instrumentation with this name.
fn is_wrapped_in(layer: u32, process: &FakeProcess, name: &str, kind: u64, is_client: bool) -> u64 {
    let (tracer, span) = (process.memory.allocate(128), process.memory.allocate(64));
    process.memory.write_words(tracer + SCOPE, &process.string(name));
    process.memory.write_words(span + 16, &[tracer, 0, kind]);
    let mut search = NO_SEARCH;
    search.recorded_at = [span + 16, span + 32];
    search.is_wrapped = 7;
    look(process, &mut search, layer, is_client);
    search.is_wrapped
}

/// The same of a layer that all know.
fn is_wrapped(process: &FakeProcess, name: &str, kind: u64, is_client: bool) -> u64 {
    is_wrapped_in(HTTP, process, name, kind, is_client)
}

/// Names may have the same layers, and one several.
#[test]
fn it_is_of_the_same_layer() {
    let mut process = process(&["otelhttp", "otelsql", "both"]);
    let [_, database, _, none, ..] = &mut process.parents.wrappers;
    *database = Wrapper::new("otelsql", DATABASE);
    *none = Wrapper::new("none", 0);
    for (name, expected) in
        [("otelhttp", [1, 1, 0]), ("otelsql", [0, 1, 0]), ("both", [1, 1, 0]), ("none", [0; 3]), ("shop", [0; 3])]
    {
        for (kind, is_client) in [(span_kind::CLIENT, true), (span_kind::SERVER, false)] {
            let found = [HTTP, DATABASE, RPC].map(|layer| is_wrapped_in(layer, &process, name, kind, is_client));
            assert_eq!(found, expected, "{name}");
            assert_eq!(is_wrapped_in(HTTP | RPC, &process, name, kind, is_client), expected[0], "{name}");
            // The user's own functions.
            assert_eq!(is_wrapped_in(0, &process, name, kind, is_client), 0, "{name}");
        }
    }
}

#[test]
fn it_is_of_the_same_kind() {
    let process = process(&["otelhttp"]);
    let cases = [
        (0, [0, 0]),
        (1, [0, 0]),
        (span_kind::SERVER, [1, 0]),
        (span_kind::CLIENT, [0, 1]),
        (span_kind::PRODUCER, [0, 1]),
        (span_kind::CONSUMER, [1, 0]),
        (6, [0, 0]),
        (1 << 32 | span_kind::CLIENT, [0, 0]),
    ];
    for (kind, expected) in cases {
        assert_eq!([false, true].map(|is_client| is_wrapped(&process, "otelhttp", kind, is_client)), expected, "{kind}");
        assert_eq!([false, true].map(|is_client| is_wrapped(&process, "shop", kind, is_client)), [0, 0], "{kind}");
    }
}

#[test]
fn what_is_not_recorded_or_cannot_be_read_wraps_nothing() {
    let process = process(&["otelhttp"]);
    let kind = process.memory.allocate(8);
    process.memory.write_words(kind, &[span_kind::CLIENT]);
    for recorded_at in [[0, 0], [0, kind], [kind, 0], [0xdead_0000, kind], [kind, kind]] {
        let mut search = NO_SEARCH;
        search.recorded_at = recorded_at;
        search.is_wrapped = 7;
        look(&process, &mut search, HTTP, true);
        assert_eq!(search.is_wrapped, 0, "{recorded_at:x?}");
    }
}
