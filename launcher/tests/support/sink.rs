//! A server without a launcher, which counts the headers it gets.

use std::collections::HashMap;

use super::apps::{self, GoVersion, Variant};
use super::plain::Plain;

/// Where the requests of a traced program go.
#[derive(Debug)]
pub(crate) struct Sink {
    process: Plain,
    /// Of HTTP/1.
    pub(crate) url: String,
    /// Of HTTP/2 by TLS, where it has that.
    pub(crate) secure: String,
}

/// What a sink has counted: requests by their `traceparent` headers. One that is not as it should be has failed the test.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) good: u64,
    /// The program has set it itself.
    pub(crate) own: u64,
    pub(crate) missing: u64,
    pub(crate) sampled: u64,
    /// Of all span ids of good ones, wrapping.
    pub(crate) sum: u64,
}

impl Sink {
    /// The one of `tests/apps/chain`.
    pub(crate) fn start() -> Self {
        let process = Plain::start(&apps::build("chain", GoVersion::GO_1_26, Variant::Stripped), &["sink"], 1);
        Self { url: format!("http://{}", process.addresses[0]), secure: String::new(), process }
    }

    /// The one of `tests/apps/headers`, which answers with what it has received.
    pub(crate) fn of_headers() -> Self {
        let process = Plain::start(&apps::build("headers", GoVersion::GO_1_26, Variant::Stripped), &["sink"], 2);
        let [plain, secure] = process.addresses[..] else { panic!("two addresses") };
        Self { url: format!("http://{plain}"), secure: format!("https://{secure}"), process }
    }

    /// Ends it; what it has counted.
    pub(crate) fn end(self) -> Counted {
        let text = self.process.end();
        let last = text.lines().next_back().unwrap();
        let words: Vec<&str> = last.split(' ').collect();
        let numbers: HashMap<&str, u64> = words.chunks(2).map(|pair| (pair[0], pair[1].parse().unwrap())).collect();
        let some: Vec<&str> = text.lines().take(5).collect();
        assert_eq!(numbers["wrong"], 0, "{last}: {some:#?}");
        Counted {
            good: numbers["good"],
            own: numbers.get("own").copied().unwrap_or(0),
            missing: numbers["missing"],
            sampled: numbers["sampled"],
            sum: numbers["sum"],
        }
    }
}
