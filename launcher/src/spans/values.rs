//! Captured bytes into values.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use super::names::Names;
use crate::captured::{Named, Value};
use crate::events::decode::RawValue;
use crate::expression::ValueKind;
use crate::panic_value::{self, PanicValue, TypeNames};
use bpf::records::operation::MAX_VALUE;

/// Names and values.
pub(super) type Values = Vec<(Cow<'static, str>, Value)>;

/// Adds what was captured, by its names. What has no name, or not the form that it should have, is left out.
pub(super) fn add<'r, N: TypeNames>(
    values: &mut Values,
    raw: impl IntoIterator<Item = &'r RawValue<'r>>,
    captures: &[Named],
    names: &mut Names<N>,
) {
    for one in raw {
        if let Some(Named { name, kind }) = captures.get(usize::from(one.number))
            && let Some(value) = value(one, *kind, names)
        {
            values.push((name.clone(), value));
        }
    }
}

fn value<N: TypeNames>(raw: &RawValue<'_>, kind: ValueKind, names: &mut Names<N>) -> Option<Value> {
    let word = || raw.bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    Some(match kind {
        ValueKind::Text if raw.is_unread => unread(raw.bytes, names)?,
        ValueKind::Text => Value::Text { text: text(raw.bytes, raw.is_cut), is_cut: raw.is_cut },
        ValueKind::Address if raw.is_unread => return None,
        ValueKind::Address => Value::Text { text: names.address(address(raw.bytes)?), is_cut: false },
        ValueKind::Integer { bytes, is_signed: true } => Value::Integer(signed(word()?, bytes)),
        ValueKind::Integer { bytes: _, is_signed: false } => Value::Integer(i64::try_from(word()?).unwrap_or(i64::MAX)),
        ValueKind::Bool => Value::Bool(word()? != 0),
        ValueKind::Float { bytes: 4 } => {
            Value::Float(f32::from_bits(u32::try_from(word()? & u64::from(u32::MAX)).unwrap_or(0)).into())
        }
        ValueKind::Float { bytes: _ } => Value::Float(f64::from_bits(word()?)),
        ValueKind::Type => Value::Type(names.name(word()?)),
        ValueKind::Value => {
            // What is of no type of the program is no value: a result that was declared and is not there.
            names.name(word()?)?;
            Value::Held(held(raw.bytes, names)?)
        }
    })
}

/// A `net.IP`: four bytes or sixteen (`net/ip.go`); one that is mapped into IPv6 is one of IPv4.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four().or_else(|_other| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|address| address.to_canonical())
}

/// A string of which the address and the length are known: a constant of the program, which its file has.
fn unread<N: TypeNames>(bytes: &[u8], names: &mut Names<N>) -> Option<Value> {
    let [address, length]: [u64; 2] = bytemuck::cast(*bytes.first_chunk::<16>()?);
    let taken = length.min(u64::from(MAX_VALUE));
    let constant = names.constant(address, taken)?;
    let is_cut = length > taken;
    let text = if is_cut { text(constant.bytes(), is_cut) } else { constant.text.clone() };
    Some(Value::Text { text, is_cut })
}

/// What an interface holds: the address of its type, three words, and a text perhaps.
pub(super) fn held<N: TypeNames>(bytes: &[u8], names: &mut Names<N>) -> Option<PanicValue> {
    let (head, text) = bytes.split_first_chunk::<32>()?;
    let [found, first, second, third]: [u64; 4] = bytemuck::cast(*head);
    Some(names.value(found, [first, second, third], text))
}

/// The number of so many bytes, as a number of eight.
fn signed(word: u64, bytes: u8) -> i64 {
    let unused = 64_u32.saturating_sub(u32::from(bytes) * 8);
    word.checked_shl(unused).unwrap_or(0).cast_signed() >> unused.min(63)
}

/// Text; of one that was cut, not the beginning of a character alone. `…` says that there was more.
fn text(bytes: &[u8], is_cut: bool) -> Arc<str> {
    if !is_cut {
        return panic_value::text(bytes);
    }
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.get(..error.valid_up_to()).unwrap_or(bytes),
        Ok(_) | Err(_) => bytes,
    };
    let mut text = String::from_utf8_lossy(whole).into_owned();
    text.push('…');
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_size() {
        assert_eq!(signed(0xff, 1), -1);
        assert_eq!(signed(0x7f, 1), 127);
        assert_eq!(signed(0xffff_fffe, 4), -2);
        assert_eq!(signed(u64::MAX, 8), -1);
        assert_eq!(signed(5, 2), 5);
    }

    #[test]
    fn addresses_are_written_as_go_writes_them() {
        let text = |bytes: &[u8]| address(bytes).map(|address| address.to_string());
        assert_eq!(text(&[127, 0, 0, 1]).as_deref(), Some("127.0.0.1"));
        assert_eq!(text(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 7]).as_deref(), Some("10.0.0.7"));
        assert_eq!(text(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]).as_deref(), Some("::1"));
        assert_eq!(text(&[1, 2, 3]), None);
    }

    #[test]
    fn a_text_is_cut_at_a_character_and_says_so() {
        let text = |bytes: &[u8], is_cut| text(bytes, is_cut).to_string();
        assert_eq!(text("größe".as_bytes(), false), "größe");
        assert_eq!(text(&"größe".as_bytes()[..3], true), "gr…");
        assert_eq!(text("grö".as_bytes(), true), "grö…");
        assert_eq!(text(b"a\xffb", true), "a\u{fffd}b…");
        assert_eq!(text(b"\xc3", false), "\u{fffd}");
    }
}
