//! How far the encoding of a list has come.

use crate::go::map::{Cursor, MAP_WORDS, NO_CURSOR};

/// Values of [`Encoding::part`]: what is being written.
pub(super) mod part {
    /// Nothing: the next member is looked for.
    pub(in super::super) const NEXT: u64 = 0;
    /// A member's key.
    pub(in super::super) const KEY: u64 = 1;
    /// Its value.
    pub(in super::super) const VALUE: u64 = 2;
    /// Its properties as they came.
    pub(in super::super) const METADATA: u64 = 3;
    /// Nothing: the next property is looked for.
    pub(in super::super) const NEXT_PROPERTY: u64 = 4;
    /// A property's key.
    pub(in super::super) const PROPERTY_KEY: u64 = 5;
    /// Its value.
    pub(in super::super) const PROPERTY_VALUE: u64 = 6;
}

/// How far it has come. It stands in a BPF map, whose contents the verifier does not follow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Encoding {
    pub(super) cursor: Cursor,
    /// The map's header.
    pub(super) header: [u64; MAP_WORDS as usize],
    /// One of [`part`].
    pub(super) part: u64,
    /// The next byte of the text that is read.
    pub(super) at: u64,
    /// Bytes of it that are left.
    pub(super) left: u64,
    /// The address of the `Item`.
    pub(super) item: u64,
    /// The address of the `Property`.
    pub(super) property: u64,
    pub(super) properties_left: u64,
    /// What was written before the member, or the property.
    pub(super) before: u64,
    /// Bytes that are written.
    pub(super) length: u64,
    /// Not 0 where it does not fit, or cannot be read.
    pub(super) has_failed: u64,
}

/// Not begun.
pub const NO_ENCODING: Encoding = Encoding {
    cursor: NO_CURSOR,
    header: [0; MAP_WORDS as usize],
    part: part::NEXT,
    at: 0,
    left: 0,
    item: 0,
    property: 0,
    properties_left: 0,
    before: 0,
    length: 0,
    has_failed: 0,
};
