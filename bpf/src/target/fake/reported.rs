//! What a fake process has reported: records, taken apart.

use bytemuck::Pod;

use crate::records::{RecordHeader, taken};

/// The head of a record, and what follows it.
pub(crate) fn decode<H: Pod>(bytes: &[u8]) -> (H, &[u8]) {
    let (head, rest) = bytes.split_at(size_of::<H>());
    (bytemuck::pod_read_unaligned(head), rest)
}

/// The kind of a record, whose size is as it says.
pub(crate) fn kind_of(bytes: &[u8]) -> u32 {
    let (header, _): (RecordHeader, _) = decode(bytes);
    assert_eq!(header.size as usize, bytes.len());
    header.kind
}

/// Takes a string of this length off what follows the head, and says whether it was cut.
pub(crate) fn take(rest: &mut &[u8], length: u32, capacity: u32) -> (String, bool) {
    let (text, behind) = rest.split_at(taken(length, capacity) as usize);
    *rest = behind;
    (String::from_utf8(text.to_vec()).unwrap(), length > capacity)
}

/// Bytes as the headers of a request have them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
