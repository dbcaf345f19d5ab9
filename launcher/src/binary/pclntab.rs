//! The Go linker's table of functions (`runtime.pclntab`): names and addresses, present in stripped programs too.
//!
//! Layout since Go 1.18: magic, 0, 0, instruction quantum, pointer size, then eight words; the names are one block
//! of NUL-terminated strings; `ftab` lists the functions by address.

use super::bytes::{slice, tail, u8_at, u32_at, u64_at};
use super::image::Image;
use super::{BinaryError, VirtAddr};

/// Go 1.20 and newer.
const MAGIC: u32 = 0xffff_fff1;
/// Go 1.18 and 1.19.
const MAGIC_1_18: u32 = 0xffff_fff0;
/// Go 1.16 and 1.17.
const MAGIC_1_16: u32 = 0xffff_fffa;
/// Go 1.2 to 1.15.
const MAGIC_1_2: u32 = 0xffff_fffb;
const HEADER_LEN: usize = 72;
/// Longer names are those of damaged files.
const MAX_NAME: usize = 1 << 16;
/// Bytes of an `ftab` entry: two offsets of 32 bits, of the function in the text and of its record.
const ENTRY: u64 = 8;

/// Sections that hold the table, and it alone.
const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];

/// The table, validated.
#[derive(Clone, Copy, Debug)]
pub(super) struct PclnTable<'a> {
    pub(super) address: VirtAddr,
    /// Whether Go 1.18 or 1.19 wrote it.
    pub(super) before_1_20: bool,
    pub(super) function_count: u64,
    /// Offsets of function names, compilation units, files, pc values, function records.
    pub(super) offsets: [u64; 5],
    names: &'a [u8],
    /// For each compilation unit the offsets of its files' names, four bytes each.
    pub(super) units: &'a [u8],
    files: &'a [u8],
    /// Tables of values by instruction; function records have offsets into it.
    pub(super) pc_values: &'a [u8],
    /// From `ftab` on; function records lie at offsets from here.
    records: &'a [u8],
    /// `function_count` entries and a last offset.
    ftab: &'a [u8],
}

/// One `ftab` entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Of the first instruction, from the start of the text.
    pub(super) text_offset: u64,
    /// Of the next function's first instruction.
    pub(super) next_offset: u64,
    /// Where its record begins.
    pub(super) record: u64,
}

impl<'a> PclnTable<'a> {
    /// Finds the table: by section name, else by its header anywhere in the segments.
    ///
    /// # Errors
    /// A table of an older Go.
    pub(super) fn find(image: &Image<'a>) -> Result<Option<Self>, BinaryError> {
        let mut older = None;
        for (address, data) in SECTIONS.iter().filter_map(|name| image.section(name)) {
            // The segment's bytes may go on where a damaged section header ends.
            let data = image.bytes_from(address).unwrap_or(data);
            older = older.or_else(|| older_version(data));
            if let Some(table) = Self::parse(address, data) {
                return Ok(Some(table));
            }
        }
        for segment in image.segments_data_first() {
            let skip = usize::try_from(segment.address.wrapping_neg() & 7).unwrap_or(0);
            let words = segment.data.get(skip..).unwrap_or_default();
            for (index, word) in words.as_chunks::<8>().0.iter().enumerate() {
                if !is_header(word) {
                    continue;
                }
                let distance = skip + index * 8;
                let address = VirtAddr(segment.address.wrapping_add(u64::try_from(distance).unwrap_or(0)));
                if let Some(table) = segment.data.get(distance..).and_then(|data| Self::parse(address, data)) {
                    return Ok(Some(table));
                }
            }
        }
        match older {
            Some(version) => Err(BinaryError::UnsupportedGoVersion { version: version.to_owned() }),
            None => Ok(None),
        }
    }

    /// Checks the header and the bounds of every part.
    fn parse(address: VirtAddr, data: &'a [u8]) -> Option<Self> {
        is_header(data).then_some(())?;
        let word = |index: usize| u64_at(data, 8 + 8 * index);
        let function_count = word(0)?;
        let offsets = [word(3)?, word(4)?, word(5)?, word(6)?, word(7)?];
        let increasing = offsets.is_sorted_by(|a, b| a < b);
        let [names, units, files, pc_values, pcln] = offsets;
        let behind_header = names >= u64::try_from(HEADER_LEN).ok()?;
        (increasing && behind_header && function_count > 0).then_some(())?;
        let records = tail(data, pcln)?;
        Some(Self {
            address,
            before_1_20: u32_at(data, 0)? == MAGIC_1_18,
            function_count,
            offsets,
            names: slice(data, names, units - names)?,
            units: slice(data, units, files - units)?,
            files: slice(data, files, pc_values - files)?,
            pc_values: slice(data, pc_values, pcln - pc_values)?,
            records,
            ftab: slice(records, 0, function_count.checked_mul(ENTRY)?.checked_add(4)?)?,
        })
    }

    /// The `ftab` entry of function `index`.
    pub(super) fn entry(&self, index: u64) -> Option<Entry> {
        let at = usize::try_from(index.checked_mul(ENTRY)?).ok()?;
        (index < self.function_count).then_some(())?;
        Some(Entry {
            text_offset: u32_at(self.ftab, at)?.into(),
            record: u32_at(self.ftab, at + 4)?.into(),
            next_offset: u32_at(self.ftab, at + 8)?.into(),
        })
    }

    /// All entries, by address.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        (0..self.function_count).map_while(|index| self.entry(index))
    }

    /// The `_func` at `offset`, and what lies behind it.
    pub(super) fn record(&self, offset: u64) -> Option<&'a [u8]> {
        tail(self.records, offset)
    }

    /// Where in the name block the name of the function of `entry` begins.
    pub(super) fn name_offset(&self, entry: Entry) -> Option<u32> {
        u32_at(self.records, usize::try_from(entry.record).ok()?.checked_add(4)?)
    }

    /// The name that begins at `offset` of the name block.
    pub(super) fn name(&self, offset: u32) -> Option<&'a str> {
        text(self.names, offset)
    }

    /// The name of the file that begins at `offset` of the block of files.
    pub(super) fn file(&self, offset: u32) -> Option<&'a str> {
        text(self.files, offset)
    }

    /// All names with their offsets in the name block, in one pass.
    pub(super) fn names(&self) -> impl Iterator<Item = (u32, &'a [u8])> {
        let mut position = 0_usize;
        std::iter::from_fn(move || {
            let name = until_nul(self.names.get(position..)?)?;
            let offset = u32::try_from(position).ok()?;
            position += name.len() + 1;
            Some((offset, name))
        })
    }

    /// The index of the function whose code (or padding behind it) contains `text_offset`.
    pub(super) fn index_of(&self, text_offset: u64) -> Option<u64> {
        let (mut low, mut high) = (0, self.function_count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)?.text_offset <= text_offset {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let index = low.checked_sub(1)?;
        (text_offset < self.entry(index)?.next_offset).then_some(index)
    }
}

/// The name at `offset` of `block`.
fn text(block: &[u8], offset: u32) -> Option<&str> {
    let bytes = tail(block, offset.into())?;
    std::str::from_utf8(until_nul(bytes.get(..MAX_NAME).unwrap_or(bytes))?).ok()
}

/// The bytes before the first NUL. (`CStr` searches word by word, unlike `position`.)
fn until_nul(bytes: &[u8]) -> Option<&[u8]> {
    std::ffi::CStr::from_bytes_until_nul(bytes).ok().map(std::ffi::CStr::to_bytes)
}

/// Magic, two zeros, instruction quantum of amd64 or arm64, 8-byte pointers.
fn is_header(bytes: &[u8]) -> bool {
    let magic = matches!(u32_at(bytes, 0), Some(MAGIC | MAGIC_1_18));
    magic && matches!(bytes.get(4..8), Some([0, 0, 1 | 4, 8]))
}

/// The Go versions that wrote a table with an older magic number.
fn older_version(bytes: &[u8]) -> Option<&'static str> {
    matches!(u8_at(bytes, 7), Some(8)).then_some(())?;
    match u32_at(bytes, 0)? {
        MAGIC_1_16 => Some("Go 1.16 or 1.17"),
        MAGIC_1_2 => Some("Go 1.15 or older"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of two functions, `a.A` at 0 and `b.B` at 16, with 48 bytes of text.
    fn table() -> Vec<u8> {
        let mut bytes = vec![0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8];
        for word in [2_u64, 0, 0, 72, 80, 84, 88, 92] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(b"a.A\0b.B\0");
        bytes.extend([0; 12]);
        for word in [0_u32, 20, 16, 28, 48, 0, 0, 16, 4] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn names_entries_and_addresses() {
        let bytes = table();
        let table = PclnTable::parse(VirtAddr(0x1000), &bytes).unwrap();
        let names: Vec<_> = table.names().collect();
        assert_eq!(names, [(0, &b"a.A"[..]), (4, b"b.B")]);
        let found: Vec<_> = table.entries().map(|entry| (entry.text_offset, entry.next_offset)).collect();
        assert_eq!(found, [(0, 16), (16, 48)]);
        assert_eq!(table.entry(0).and_then(|entry| table.name_offset(entry)), Some(0));
        assert_eq!(table.name(4), Some("b.B"));
        assert_eq!(table.index_of(15), Some(0));
        assert_eq!(table.index_of(16), Some(1));
        assert_eq!(table.index_of(48), None);
    }

    #[test]
    fn a_short_or_disordered_table_is_none() {
        let bytes = table();
        let ftab_end = 92 + 20;
        for len in 0..ftab_end {
            assert!(PclnTable::parse(VirtAddr(0), bytes.get(..len).unwrap()).is_none(), "{len}");
        }
        let mut huge = bytes.clone();
        huge.splice(8..16, u64::MAX.to_le_bytes());
        assert!(PclnTable::parse(VirtAddr(0), &huge).is_none());
        let mut disordered = bytes;
        disordered.splice(32..40, 81_u64.to_le_bytes());
        assert!(PclnTable::parse(VirtAddr(0), &disordered).is_none());
    }
}
