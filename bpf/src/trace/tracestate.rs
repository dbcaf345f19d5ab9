//! The grammar of `tracestate` (W3C Trace Context, Level 2, §3.3.1), byte by byte: what it forbids is neither sent on nor exported.
//!
//! `list = list-member 0*31( OWS "," OWS list-member )`, where a member may be empty, else `key "=" value`. What is said twice
//! stays as it came.

/// Members, at most.
const MAX_MEMBERS: u64 = 32;
/// Bytes of a key, and of a value.
const MAX_LENGTH: u64 = 256;

/// Where in a member the next byte belongs.
mod place {
    /// Before it: white space, or another comma.
    pub(super) const BEFORE: u64 = 0;
    /// In its key.
    pub(super) const KEY: u64 = 1;
    /// In its value.
    pub(super) const VALUE: u64 = 2;
    /// Behind it: white space, or a comma.
    pub(super) const BEHIND: u64 = 3;
    /// Something was wrong.
    pub(super) const INVALID: u64 = 4;
}

/// How far a text has been read. It stands in a BPF map, whose contents the verifier does not follow.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Grammar {
    /// The byte that is read next.
    pub at: u64,
    place: u64,
    /// Bytes of the key or value so far.
    length: u64,
    /// Of these, spaces at the end of a value, which are white space if nothing comes behind them.
    spaces: u64,
    members: u64,
}

impl Grammar {
    /// Nothing read; `none` is 0, which need not be a constant.
    #[inline(always)]
    #[must_use]
    pub const fn new(none: u64) -> Self {
        Self { at: none, place: none + place::BEFORE, length: none, spaces: none, members: none }
    }

    /// Reads a byte.
    #[inline(always)]
    pub fn take(&mut self, byte: u8) {
        self.at += 1;
        let is_alphanumeric = byte.is_ascii_lowercase() || byte.is_ascii_digit();
        self.place = match (self.place, byte) {
            (place::BEFORE, b' ' | b'\t' | b',') | (place::BEHIND, b',') => place::BEFORE,
            (place::BEFORE, _) if is_alphanumeric => {
                (self.length, self.spaces, self.members) = (1, 0, self.members + 1);
                place::KEY
            }
            (place::KEY, b'=') => {
                self.length = 0;
                place::VALUE
            }
            (place::KEY, _) if is_alphanumeric || matches!(byte, b'_' | b'-' | b'*' | b'/' | b'@') => {
                self.length += 1;
                if self.length > MAX_LENGTH { place::INVALID } else { place::KEY }
            }
            (place::VALUE, b',') if self.length > self.spaces => place::BEFORE,
            (place::VALUE, b'\t') if self.length > self.spaces => place::BEHIND,
            (place::VALUE, b' ') => {
                (self.length, self.spaces) = (self.length + 1, self.spaces + 1);
                place::VALUE
            }
            (place::VALUE, 0x21..=0x7e) if byte != b',' && byte != b'=' => {
                (self.length, self.spaces) = (self.length + 1, 0);
                if self.length > MAX_LENGTH { place::INVALID } else { place::VALUE }
            }
            (place::BEHIND, b' ' | b'\t') => place::BEHIND,
            _ => place::INVALID,
        };
    }

    /// Whether nothing that comes can make the text valid.
    #[inline(always)]
    #[must_use]
    pub const fn is_invalid(&self) -> bool {
        self.place == place::INVALID
    }

    /// Whether what has been read is a `tracestate` with at least one member.
    #[inline(always)]
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        let ends = match self.place {
            place::BEFORE | place::BEHIND => true,
            place::VALUE => self.length > self.spaces,
            _ => false,
        };
        ends && self.members > 0 && self.members <= MAX_MEMBERS
    }
}

/// Whether `text` is a `tracestate` with at least one member.
#[must_use]
pub fn is_valid(text: &[u8]) -> bool {
    let mut grammar = Grammar::new(0);
    for &byte in text {
        grammar.take(byte);
    }
    grammar.is_complete()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_specification_allows() {
        let many = (0..32).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join(",");
        let long = format!("{}={}", "k".repeat(256), "v".repeat(256));
        for text in [
            "rojo=00f067aa0ba902b7",
            "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
            "fw529a3039@dt=FfffaNDY4OTc4;1",
            "0tenant=a b  c",
            "a=1 , b=2\t,\tc=3 ",
            "a=1,,b=2,",
            " ,a=1",
            "a*/-_@=!~",
            "a=1,a=2",
            &many,
            &long,
        ] {
            assert!(is_valid(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn what_it_forbids() {
        let many = (0..33).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join(",");
        let (long_key, long_value) = (format!("{}=v", "k".repeat(257)), format!("k={}", "v".repeat(257)));
        for text in [
            "",
            ",",
            " ",
            "a",
            "a=",
            "=1",
            "a= ",
            "a=1,b",
            "a=,b=2",
            "A=1",
            "-a=1",
            "@a=1",
            "a =1",
            "a b=1",
            "a=1=2",
            "a=1\tb",
            "a=\u{7f}",
            "a=\u{1}",
            "a=ü",
            "a\u{0}=1",
            "a=1;b=2,c",
            &many,
            &long_key,
            &long_value,
        ] {
            assert!(!is_valid(text.as_bytes()), "{text}");
        }
    }
}
