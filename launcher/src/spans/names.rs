//! Names of the program's types, and its constants, each looked up once: that reads the program's file.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::panic_value::{PanicValue, TypeNames, text};

/// The longest text of an error, in bytes, that is looked for.
const MAX_CONSTANT: u64 = 1_024;
/// Names that are remembered.
const MAX_NAMES: usize = 1_024;

/// Names by the run-time addresses of descriptors.
#[derive(Debug)]
pub(super) struct Names<N> {
    source: N,
    known: HashMap<u64, Option<Arc<str>>, RandomState>,
    /// By address and length.
    constants: HashMap<(u64, u64), Option<Constant>, RandomState>,
    /// Network addresses as they are written.
    addresses: HashMap<IpAddr, Arc<str>, RandomState>,
}

/// A constant of the program.
#[derive(Debug)]
pub(super) struct Constant {
    /// As text; what is no UTF-8 is replaced.
    pub(super) text: Arc<str>,
    /// The bytes, where that are others.
    other: Option<Vec<u8>>,
}

impl Constant {
    fn new(bytes: Vec<u8>) -> Self {
        let text = text(&bytes);
        let other = (text.as_bytes() != bytes).then_some(bytes);
        Self { text, other }
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.other.as_deref().unwrap_or(self.text.as_bytes())
    }
}

impl<N: TypeNames> Names<N> {
    pub(super) fn new(source: N) -> Self {
        Self { source, known: HashMap::default(), constants: HashMap::default(), addresses: HashMap::default() }
    }

    /// What is asked.
    pub(super) fn source(&self) -> &N {
        &self.source
    }

    /// The name of the type whose descriptor is at `address`.
    pub(super) fn name(&mut self, address: u64) -> Option<Arc<str>> {
        if self.known.len() >= MAX_NAMES {
            self.known.clear();
        }
        self.known.entry(address).or_insert_with(|| self.source.type_name(address).map(Arc::from)).clone()
    }

    /// A constant of the program.
    pub(super) fn constant(&mut self, address: u64, length: u64) -> Option<&Constant> {
        if self.constants.len() >= MAX_NAMES {
            self.constants.clear();
        }
        let known = self.constants.entry((address, length));
        known.or_insert_with(|| self.source.constant(address, length).map(Constant::new)).as_ref()
    }

    /// A network address as it is written.
    pub(super) fn address(&mut self, address: IpAddr) -> Arc<str> {
        if self.addresses.len() >= MAX_NAMES {
            self.addresses.clear();
        }
        self.addresses.entry(address).or_insert_with(|| address.to_string().into()).clone()
    }

    /// A Go value of the type whose descriptor is at `address`. A text that nothing has touched yet is a constant of the program.
    pub(super) fn value(&mut self, address: u64, words: [u64; 3], found: &[u8]) -> PanicValue {
        let name = self.name(address);
        let [at, length, _] = words;
        let is_plausible = found.is_empty() && at != 0 && (1..=MAX_CONSTANT).contains(&length);
        let constant = if is_plausible { self.constant(at, length) } else { None };
        PanicValue::new(name, words, || constant.map_or_else(|| text(found), |constant| constant.text.clone()))
    }
}
