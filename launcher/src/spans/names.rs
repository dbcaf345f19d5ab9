//! Names of the program's types, each looked up once: that reads the program's file.

use std::collections::HashMap;

use crate::panic_value::{PanicValue, TypeNames};

/// Names that are remembered.
const MAX_NAMES: usize = 1_024;

/// Names by the run-time addresses of descriptors.
#[derive(Debug)]
pub(super) struct Names<N> {
    type_names: N,
    known: HashMap<u64, Option<String>>,
}

impl<N: TypeNames> Names<N> {
    pub(super) fn new(type_names: N) -> Self {
        Self { type_names, known: HashMap::new() }
    }

    /// What is asked.
    pub(super) fn source(&self) -> &N {
        &self.type_names
    }

    /// The name of the type whose descriptor is at `address`.
    pub(super) fn name(&mut self, address: u64) -> Option<String> {
        if self.known.len() >= MAX_NAMES {
            self.known.clear();
        }
        self.known.entry(address).or_insert_with(|| self.type_names.type_name(address)).clone()
    }

    /// A Go value of the type whose descriptor is at `address`.
    pub(super) fn value(&mut self, address: u64, words: [u64; 3], text: &[u8]) -> PanicValue {
        PanicValue::new(self.name(address), words, text)
    }
}
