//! Baggage of the OpenTelemetry API as the value of a header `baggage`: `List` of `go.opentelemetry.io/otel/internal/baggage`, a map, as
//! `baggage.Baggage.String` writes it (`go.opentelemetry.io/otel/baggage`): values are percent-encoded, and members and properties without a
//! valid key left out.
//!
//! match-go: v1.28.0..: go.opentelemetry.io/otel/baggage.Baggage.String(b)

mod bytes;
mod encoding;

pub use encoding::{Encoding, NO_ENCODING};

use bytemuck::AnyBitPattern;

use crate::config::ABSENT;
use crate::config::baggage::BaggageConfig;
use crate::go::map::{Buckets, Groups, SAME_AGAIN, SLOTS, Tables};
use crate::target::{Lookup, Memory, Step};
use crate::trace::extracted::MAX_BAGGAGE;
use bytes::{KEY_BYTES, METADATA_BYTES, VALUE_BYTES, hex};
use encoding::part;

/// How often something is looked at, at most: a slot of the map, a byte, an end of a text.
const MAX_TURNS: u32 = 8_192;
/// What a turn may write.
const MOST: u64 = 3;
const _: () = assert!(MAX_BAGGAGE.is_power_of_two());

/// Writes the list at `list` to `text`, behind the members that its first `length` bytes are. Returns the length of all; 0 where it does not fit,
/// or cannot be read.
///
/// A call of its own in BPF: its stack is free again when it returns.
#[inline(never)]
pub fn encode<L: Lookup>(
    lookup: &L,
    config: &BaggageConfig,
    list: u64,
    state: &mut Encoding,
    text: &mut [u8; MAX_BAGGAGE],
    length: u64,
) -> u64 {
    state.part = lookup.opaque(part::NEXT);
    state.left = lookup.opaque(0);
    state.length = length;
    state.has_failed = lookup.opaque(0);
    if !state.cursor.begin(lookup, &config.map, list, &mut state.header) {
        return length;
    }
    lookup.repeat(MAX_TURNS, &mut Encode { config, state, text });
    if state.has_failed != 0 || state.part != part::NEXT || state.cursor.entries != 0 { 0 } else { state.length }
}

struct Encode<'a> {
    config: &'a BaggageConfig,
    state: &'a mut Encoding,
    text: &'a mut [u8; MAX_BAGGAGE],
}

impl Step for Encode<'_> {
    #[inline(always)]
    fn step<L: Lookup>(&mut self, lookup: &L) -> bool {
        if self.state.length > MAX_BAGGAGE as u64 - MOST {
            self.state.has_failed = 1;
            return false;
        }
        if self.state.left == 0 {
            return self.turn(lookup);
        }
        let at = self.state.at;
        let Some(byte) = self.must_read::<u8, _>(lookup, at) else {
            return false;
        };
        self.state.at = self.state.at.wrapping_add(1);
        self.state.left -= 1;
        self.byte(byte);
        true
    }
}

impl Encode<'_> {
    /// A byte of the text that is read.
    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        let part = self.state.part;
        if part == part::VALUE || part == part::PROPERTY_VALUE {
            if VALUE_BYTES.has(byte) {
                self.put(byte);
            } else {
                self.put(b'%');
                self.put(hex(byte >> 4));
                self.put(hex(byte & 15));
            }
            return;
        }
        let bytes = if part == part::METADATA { &METADATA_BYTES } else { &KEY_BYTES };
        if bytes.has(byte) {
            self.put(byte);
        } else {
            self.leave_out();
        }
    }

    /// What was read has ended. False where all has.
    #[inline(always)]
    fn turn<L: Lookup>(&mut self, lookup: &L) -> bool {
        let config = self.config;
        match self.state.part {
            part::NEXT => return self.next_member(lookup),
            part::KEY => {
                self.put(b'=');
                return self.read(lookup, self.state.item, config.value.get(), part::VALUE);
            }
            part::VALUE => return self.properties(lookup),
            part::NEXT_PROPERTY => {
                if self.state.properties_left == 0 {
                    self.state.part = part::NEXT;
                } else {
                    self.state.before = self.state.length;
                    self.put(b';');
                    let is_read = self.read(lookup, self.state.property, config.property_key.get(), part::PROPERTY_KEY);
                    if self.state.left == 0 {
                        self.leave_out();
                    }
                    return is_read;
                }
            }
            part::PROPERTY_KEY => {
                let at = self.state.property.wrapping_add(config.property_has_value.get().into());
                match self.must_read::<u8, _>(lookup, at) {
                    None => return false,
                    Some(0) => self.next_property(),
                    Some(_) => {
                        self.put(b'=');
                        return self.read(lookup, self.state.property, config.property_value.get(), part::PROPERTY_VALUE);
                    }
                }
            }
            part::PROPERTY_VALUE => self.next_property(),
            _ => self.state.part = part::NEXT,
        }
        true
    }

    /// Goes on with a member's properties, behind its value: as they came, where they are known so, else one by one.
    #[inline(always)]
    fn properties<L: Lookup>(&mut self, lookup: &L) -> bool {
        let item = self.state.item;
        let metadata = self.config.metadata.get();
        if metadata != ABSENT {
            if !self.read(lookup, item, metadata, part::METADATA) {
                return false;
            }
            if self.state.left != 0 {
                self.state.before = self.state.length;
                self.put(b';');
                return true;
            }
        }
        let at = item.wrapping_add(self.config.properties.get().into());
        let Some(slice) = self.must_read::<[u64; 2], _>(lookup, at) else {
            return false;
        };
        [self.state.property, self.state.properties_left] = slice;
        self.state.part = part::NEXT_PROPERTY;
        true
    }

    /// Looks at the next slot of the map. False where there is none.
    #[inline(always)]
    fn next_member<L: Lookup>(&mut self, lookup: &L) -> bool {
        let Self { config, state, .. } = self;
        let (map, cursor) = (&config.map, &mut state.cursor);
        if cursor.entries == 0 {
            return false;
        }
        if cursor.slot >= SLOTS {
            let last = cursor.group;
            let group = if map.swiss.get() != 0 {
                Tables::within(cursor).next(lookup, map, last)
            } else {
                Buckets::within(cursor).next(lookup, map, last)
            };
            if group == SAME_AGAIN {
                return true;
            }
            cursor.group = group;
            cursor.slot = lookup.opaque(0);
            let Some(control) = self.must_read(lookup, group) else {
                return false;
            };
            self.state.cursor.control = control;
            return true;
        }
        let slot = cursor.slot;
        cursor.slot += 1;
        if !cursor.is_full(map, slot) {
            return true;
        }
        cursor.entries -= 1;
        let key = cursor.group.wrapping_add(slot * u64::from(map.key_stride.get()));
        state.item = cursor.group.wrapping_add(u64::from(map.elements.get()) + slot * u64::from(map.element_stride.get()));
        state.before = state.length;
        if !self.read(lookup, key, map.keys.get(), part::KEY) {
            return false;
        }
        if self.state.left == 0 {
            self.state.part = part::NEXT;
        } else if self.state.length != 0 {
            self.put(b',');
        }
        true
    }

    /// Goes on with the string that has this offset. False where it cannot be read.
    #[inline(always)]
    fn read<M: Memory>(&mut self, memory: &M, of: u64, offset: u32, part: u64) -> bool {
        let Some(string) = self.must_read::<[u64; 2], _>(memory, of.wrapping_add(offset.into())) else {
            return false;
        };
        [self.state.at, self.state.left] = string;
        self.state.part = part;
        true
    }

    /// What is there, without which nothing is written.
    #[inline(always)]
    fn must_read<T: AnyBitPattern, M: Memory>(&mut self, memory: &M, at: u64) -> Option<T> {
        let value = memory.read(at);
        if value.is_none() {
            self.state.has_failed = 1;
        }
        value
    }

    #[inline(always)]
    fn next_property(&mut self) {
        let state = &mut *self.state;
        state.property = state.property.wrapping_add(self.config.property_size.get().into());
        state.properties_left -= 1;
        state.part = part::NEXT_PROPERTY;
    }

    /// A member or a property that the specification forbids: none of it is written.
    #[inline(always)]
    fn leave_out(&mut self) {
        self.state.length = self.state.before;
        self.state.left = 0;
        if self.state.part == part::PROPERTY_KEY {
            self.next_property();
        } else {
            self.state.part = part::NEXT;
        }
    }

    #[inline(always)]
    fn put(&mut self, byte: u8) {
        // The bound is a power of two: the verifier sees that nothing else is written.
        #[expect(clippy::cast_possible_truncation, reason = "below the bound")]
        let index = self.state.length as usize & (MAX_BAGGAGE - 1);
        self.text[index] = byte;
        self.state.length += 1;
    }
}

#[cfg(test)]
mod tests;
