//! Records of operations, decoded.

use bytemuck::Pod;

use crate::records::RecordHeader;
use crate::records::operation::{OperationStart, ValueHead, whole};

/// A captured value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) number: u16,
    pub(super) is_cut: bool,
    pub(super) is_unread: bool,
    pub(super) bytes: Vec<u8>,
}

impl Value {
    pub(super) fn word(number: u16, word: u64) -> Self {
        Self { number, is_cut: false, is_unread: false, bytes: word.to_ne_bytes().to_vec() }
    }

    pub(super) fn text(number: u16, text: &str) -> Self {
        Self { number, is_cut: false, is_unread: false, bytes: text.as_bytes().to_vec() }
    }
}

/// A record with its values.
pub(super) struct Record<H> {
    pub(super) head: H,
    pub(super) values: Vec<Value>,
}

impl<H> std::ops::Deref for Record<H> {
    type Target = H;
    fn deref(&self) -> &H {
        &self.head
    }
}

impl Record<OperationStart> {
    /// The span's own id.
    pub(super) fn id(&self) -> u64 {
        u64::from_ne_bytes(self.head.span.span_id)
    }

    /// That of its parent; 0 where it has none.
    pub(super) fn parent(&self) -> u64 {
        u64::from_ne_bytes(self.head.span.parent_span_id)
    }
}

pub(super) fn decode<H: Pod>(bytes: &[u8]) -> Record<H> {
    let header: RecordHeader = bytemuck::pod_read_unaligned(&bytes[..8]);
    assert_eq!(header.size as usize, bytes.len());
    let (head, rest) = bytes.split_at(size_of::<H>());
    Record { head: bytemuck::pod_read_unaligned(head), values: values(rest) }
}

pub(super) fn values(mut rest: &[u8]) -> Vec<Value> {
    let mut values = Vec::new();
    while !rest.is_empty() {
        let (head, behind) = rest.split_at(size_of::<ValueHead>());
        let ValueHead { number, whole, length } = bytemuck::pod_read_unaligned(head);
        let (bytes, behind) = behind.split_at((length as usize).next_multiple_of(8));
        let (is_cut, is_unread) = (whole == whole::CUT, whole == whole::UNREAD);
        assert!(whole == whole::WHOLE || is_cut || is_unread);
        values.push(Value { number, is_cut, is_unread, bytes: bytes[..length as usize].to_vec() });
        rest = behind;
    }
    values
}
