//! SIGPROF while hits take long: a profile says that the function took long which is observed.

use std::collections::HashMap;
use std::io::Read as _;

use prost::Message;

use crate::driving::{all_have_spans, drive, is_quiet, planting, start};
use crate::support::apps::{self, GoVersion, Variant, tests_all};

/// What is looked at of a profile (<https://github.com/google/pprof/blob/main/proto/profile.proto>).
#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    locations: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    functions: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    strings: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    locations: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    values: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    lines: Vec<Line>,
}

#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
}

/// What Go knows no function of, as where it says `_ExternalCode` itself.
const FOREIGN: &str = "";

impl Profile {
    /// How many samples have met each function itself.
    fn by_function(&self) -> HashMap<&str, i64> {
        let names: HashMap<u64, &str> =
            self.functions.iter().map(|one| (one.id, &*self.strings[usize::try_from(one.name).unwrap()])).collect();
        let at: HashMap<u64, &Location> = self.locations.iter().map(|one| (one.id, one)).collect();
        let mut counts = HashMap::new();
        for sample in &self.samples {
            let line = sample.locations.first().and_then(|location| at[location].lines.first());
            let name = line.map_or(FOREIGN, |line| names[&line.function]);
            *counts.entry(name).or_default() += sample.values[0];
        }
        counts
    }
}

#[test]
fn the_observed_functions_are_named() {
    name_what_is_observed("spin");
}

#[test]
fn where_the_kernel_tells_the_time_too() {
    name_what_is_observed("spin,vdso");
}

fn name_what_is_observed(fault: &str) {
    const REQUESTS: usize = 6_000;
    let versions = if tests_all() { GoVersion::ALL.as_slice() } else { &[GoVersion::GO_1_21, GoVersion::GO_1_27] };
    for &version in versions {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        let app = apps::build("stress", version, Variant::Stripped);
        let server = start(planting(fault), &app, &["-profile", path, "-urgent", "5000"]);
        drive(&server, 0..REQUESTS);
        let left = server.end();
        is_quiet(&left);
        all_have_spans(&left, REQUESTS);

        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
        let profile = Profile::decode(bytes.as_slice()).unwrap();
        let counts = profile.by_function();
        let of = |name: &str| counts.get(name).copied().unwrap_or(0);
        // Its calls are observed.
        let observed = of("net/http.(*conn).serve");
        assert!(observed > 10, "{version:?}: {counts:?}");
        // The few instructions before the hit's frame stands.
        let foreign = of(FOREIGN) + of("runtime._ExternalCode") + of("runtime._VDSO");
        assert!(foreign * 20 <= observed, "{version:?} {fault}: {counts:?}");
    }
}
