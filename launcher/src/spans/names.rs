//! Names of the program's types, and its constants, each looked up once: that reads the program's file.

use std::collections::HashMap;

use crate::panic_value::{PanicValue, TypeNames};

/// The longest text of an error, in bytes, that is looked for.
const MAX_CONSTANT: u64 = 1_024;
/// Names that are remembered.
const MAX_NAMES: usize = 1_024;

/// Names by the run-time addresses of descriptors.
#[derive(Debug)]
pub(super) struct Names<N> {
    source: N,
    known: HashMap<u64, Option<String>>,
    /// By address and length.
    constants: HashMap<(u64, u64), Option<Vec<u8>>>,
}

impl<N: TypeNames> Names<N> {
    pub(super) fn new(source: N) -> Self {
        Self { source, known: HashMap::new(), constants: HashMap::new() }
    }

    /// What is asked.
    pub(super) fn source(&self) -> &N {
        &self.source
    }

    /// The name of the type whose descriptor is at `address`.
    pub(super) fn name(&mut self, address: u64) -> Option<String> {
        if self.known.len() >= MAX_NAMES {
            self.known.clear();
        }
        self.known.entry(address).or_insert_with(|| self.source.type_name(address)).clone()
    }

    /// The text of a constant of the program.
    pub(super) fn constant(&mut self, address: u64, length: u64) -> Option<&[u8]> {
        if self.constants.len() >= MAX_NAMES {
            self.constants.clear();
        }
        let known = self.constants.entry((address, length));
        known.or_insert_with(|| self.source.constant(address, length)).as_deref()
    }

    /// A Go value of the type whose descriptor is at `address`. A text that nothing has touched yet is a constant of the program.
    pub(super) fn value(&mut self, address: u64, words: [u64; 3], text: &[u8]) -> PanicValue {
        let name = self.name(address);
        let [at, length, _] = words;
        let is_plausible = text.is_empty() && at != 0 && (1..=MAX_CONSTANT).contains(&length);
        let constant = if is_plausible { self.constant(at, length) } else { None };
        PanicValue::new(name, words, constant.unwrap_or(text))
    }
}
