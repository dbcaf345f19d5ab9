//! What several parameters may be, in words.

pub(super) const TEXT: &str = "any text";
pub(super) const BOOLEAN: &str = "true or false";
pub(super) const COUNT: &str = "a whole number, 0 or more";
pub(super) const POSITIVE: &str = "a whole number, 1 or more";
pub(super) const MILLISECONDS: &str = "a whole number of milliseconds";
pub(super) const TIMEOUT: &str = "a whole number of milliseconds; 0 is no limit";
pub(super) const FILE: &str = "the path of a PEM file";
pub(super) const PAIRS: &str = "key=value pairs separated by commas, percent-encoded";
pub(super) const URL: &str = "an http:// or https:// URL";
/// The default of a variable for traces, or for spans.
pub(super) const GENERAL: &str = "the general variable";
