//! Which bytes may stand where in the value of a header `baggage`.

/// A digit of a byte that is encoded.
#[inline(always)]
pub(super) const fn hex(digit: u8) -> u8 {
    // Without a branch: 7 more from ten on, where the sum has the fifth bit.
    digit + b'0' + ((digit + 6) >> 4) * 7
}

/// Characters of ASCII, a bit each.
pub(super) struct Bytes([u64; 2]);

impl Bytes {
    const fn from(first: u8, last: u8, without: &[u8]) -> Self {
        let (mut bits, mut byte) = ([0; 2], first);
        while byte <= last {
            bits[(byte / 64) as usize] |= 1 << (byte % 64);
            byte += 1;
        }
        let mut number = 0;
        while number < without.len() {
            bits[(without[number] / 64) as usize] &= !(1 << (without[number] % 64));
            number += 1;
        }
        Self(bits)
    }

    #[inline(always)]
    pub(super) fn has(&self, byte: u8) -> bool {
        let [low, high] = self.0;
        let word = if byte & 64 == 0 { low } else { high };
        byte < 128 && word >> (byte & 63) & 1 != 0
    }
}

/// Of keys: `token` (RFC 7230 §3.2.6).
pub(super) const KEY_BYTES: Bytes = Bytes::from(b'!', b'~', b"\"(),/:;<=>?@[\\]{}");
/// Of values that stand for themselves: `baggage-octet` (W3C Baggage §3.3.1.3), but for what begins an escape.
pub(super) const VALUE_BYTES: Bytes = Bytes::from(b'!', b'~', b"\"%,;\\");
/// Of properties as they came.
pub(super) const METADATA_BYTES: Bytes = Bytes::from(b' ', b'~', b",");
