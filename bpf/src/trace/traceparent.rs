//! The `traceparent` header (W3C Trace Context, Level 1, §3.2).

/// Length of `traceparent` of version 00.
pub const LENGTH: usize = 55;

/// A remote parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// Trace id, not all zero.
    pub trace_id: [u8; 16],
    /// The parent's span id, not all zero.
    pub parent_id: [u8; 8],
    /// Bit 0 is "sampled".
    pub flags: u8,
}

/// Decodes eight lower-case hexadecimal digits without a branch (the verifier would follow each).
///
/// Returns four bytes, and a number that is not zero where a digit was invalid.
#[inline(always)]
pub(super) const fn eight_digits(text: [u8; 8]) -> ([u8; 4], u64) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let digits = u64::from_le_bytes(text);
    let values = (digits & (0x0f * ONES)) + ((digits >> 6) & ONES) * 9;
    let encoded = values + 0x30 * ONES + (((values + 6 * ONES) >> 4) & ONES) * 0x27;
    let invalid = (encoded ^ digits) | values & (0xf0 * ONES);
    let pairs = (values << 4 | values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff;
    let bytes = (fours | fours >> 16) & 0xffff_ffff;
    let [b0, b1, b2, b3, ..] = bytes.to_le_bytes();
    ([b0, b1, b2, b3], invalid)
}

/// Decodes the eight digits at `text[from..]` into `bytes`; returns what makes them invalid.
#[inline(always)]
fn decode(text: &[u8; LENGTH], from: usize, bytes: &mut [u8]) -> u64 {
    let mut digits = [0; 8];
    digits.copy_from_slice(&text[from..from + 8]);
    let (decoded, invalid) = eight_digits(digits);
    bytes.copy_from_slice(&decoded);
    invalid
}

/// Parses the first bytes of a header value of `length` bytes. `None` where the specification says to ignore it.
///
/// A value of a version above 00 may be longer; version ff is invalid.
#[inline(always)]
#[must_use]
pub fn parse(text: &[u8; LENGTH], length: u64) -> Option<TraceParent> {
    let (mut trace_id, mut parent_id) = ([0; 16], [0; 8]);
    let mut invalid = 0;
    for (index, bytes) in trace_id.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        invalid |= decode(text, 3 + 8 * index, bytes);
    }
    for (index, bytes) in parent_id.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        invalid |= decode(text, 36 + 8 * index, bytes);
    }
    let ([version, flags, ..], bad_ends) = eight_digits([text[0], text[1], text[53], text[54], b'0', b'0', b'0', b'0']);
    let dashes = (text[2] ^ b'-') | (text[35] ^ b'-') | (text[52] ^ b'-');
    let length_fits = length == 55 || (length > 55 && version != 0);
    if !length_fits
        || invalid | bad_ends != 0
        || dashes != 0
        || version == 0xff
        || u128::from_ne_bytes(trace_id) == 0
        || u64::from_ne_bytes(parent_id) == 0
    {
        return None;
    }
    Some(TraceParent { trace_id, parent_id, flags })
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn parse_text(text: &str) -> Option<TraceParent> {
        let mut bytes = [0; LENGTH];
        let length = text.len().min(LENGTH);
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        parse(&bytes, text.len() as u64)
    }

    #[test]
    fn the_specifications_example() {
        let parent = parse_text(VALID).unwrap();
        assert_eq!(u128::from_be_bytes(parent.trace_id), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(u64::from_be_bytes(parent.parent_id), 0x00f0_67aa_0ba9_02b7);
        assert_eq!(parent.flags, 1);
    }

    #[test]
    fn malformed_values_are_ignored() {
        for text in [
            "",
            "00",
            &VALID[..54],
            &format!("{VALID}-extra"),
            &VALID.to_uppercase(),
            &VALID.replace("00-4b", "ff-4b"),
            &VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
            &VALID.replace("00f067aa0ba902b7", "0000000000000000"),
            &VALID.replace("4bf9", "4bg9"),
            &VALID.replace('-', "_"),
            &VALID.replace("4bf9", "obf9"),
            &VALID.replace("4bf9", "4b\u{0}9"),
            &VALID.replace("-01", "-0x"),
        ] {
            assert_eq!(parse_text(text), None, "{text}");
        }
    }

    #[test]
    fn later_versions_may_be_longer() {
        let later = VALID.replace("00-4b", "01-4b");
        assert!(parse_text(&later).is_some());
        assert!(parse_text(&format!("{later}-what-comes")).is_some());
    }
}
