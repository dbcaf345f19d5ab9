//! Checked little-endian reads: every answer is `None` rather than a panic when the bytes are not there.

/// `len` bytes of `bytes` from `start`.
pub(super) fn slice(bytes: &[u8], start: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(start).ok()?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    bytes.get(start..end)
}

/// All of `bytes` from `start` on.
pub(super) fn tail(bytes: &[u8], start: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(start).ok()?..)
}

/// `N` bytes at `offset`.
pub(super) fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

/// The byte at `offset`.
pub(super) fn u8_at(bytes: &[u8], offset: usize) -> Option<u8> {
    bytes.get(offset).copied()
}

/// The 16-bit number at `offset`.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array(bytes, offset).map(u16::from_le_bytes)
}

/// The 32-bit number at `offset`.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array(bytes, offset).map(u32::from_le_bytes)
}

/// The signed 32-bit number at `offset`.
pub(super) fn i32_at(bytes: &[u8], offset: usize) -> Option<i32> {
    array(bytes, offset).map(i32::from_le_bytes)
}

/// The 64-bit number at `offset`.
pub(super) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array(bytes, offset).map(u64::from_le_bytes)
}

/// A little-endian base-128 number at the start of `bytes`, and the bytes behind it.
///
/// Go writes lengths so, in names of types and in the build info.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

/// A string that is preceded by its length as [`varint`], and the bytes behind it.
pub(super) fn varint_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = varint(bytes)?;
    rest.split_at_checked(usize::try_from(len).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_little_endian_and_checked() {
        let bytes = [1, 2, 0, 0, 0, 0, 0, 0x80];
        assert_eq!(u16_at(&bytes, 0), Some(0x201));
        assert_eq!(u32_at(&bytes, 4), Some(0x8000_0000));
        assert_eq!(i32_at(&bytes, 4), Some(i32::MIN));
        assert_eq!(u64_at(&bytes, 0), Some(0x8000_0000_0000_0201));
        assert_eq!(u64_at(&bytes, 1), None);
        assert_eq!(u8_at(&bytes, usize::MAX), None);
        assert_eq!(slice(&bytes, u64::MAX, 2), None);
        assert_eq!(slice(&bytes, 7, 1), Some(&[0x80][..]));
    }

    #[test]
    fn a_varint_string_ends_inside_the_bytes() {
        assert_eq!(varint_string(&[2, b'g', b'o', 7]), Some((&b"go"[..], &[7][..])));
        assert_eq!(varint(&[0x80, 1, 9]), Some((128, &[9][..])));
        assert_eq!(varint_string(&[3, b'g', b'o']), None);
        assert_eq!(varint(&[0xff; 12]), None);
    }
}
