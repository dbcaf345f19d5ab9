//! The redirects that have led to a request: each names the response by which the one before it was answered.

use crate::config::http_client::HttpClientConfig;
use crate::target::{Lookup, Step, Target};

/// How many there were, where `response` is the `*http.Response` by which the last one came (nil allowed).
#[inline(always)]
pub(super) fn count<T: Target>(target: &T, config: &HttpClientConfig, response: u64) -> u64 {
    let mut redirects = Redirects { config, response, count: target.opaque(0) };
    if response != 0 {
        target.repeat(MAX_REDIRECTS, &mut redirects);
    }
    redirects.count
}

/// A client follows ten redirects, unless the program says otherwise (`net/http.defaultCheckRedirect`).
const MAX_REDIRECTS: u32 = 64;

/// The way back from a request through the redirects that have led to it.
struct Redirects<'a> {
    config: &'a HttpClientConfig,
    /// The `*http.Response` by which the last one came.
    response: u64,
    count: u64,
}

impl Step for Redirects<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, memory: &L) -> bool {
        if self.response == 0 {
            return false;
        }
        self.count += 1;
        let request: u64 = memory.read_or_zero(self.response.wrapping_add(self.config.redirected.get().into()));
        if request == 0 {
            return false;
        }
        self.response = memory.read_or_zero(request.wrapping_add(self.config.redirect.get().into()));
        true
    }
}
