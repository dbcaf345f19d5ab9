//! `runtime.moduledata`: where the text, the type descriptors and the itabs lie.
//!
//! It is found by its first word, the address of the function table, and accepted only if seven more words agree with
//! that table. Its layout follows from its own contents, not from the Go version.

use super::image::Image;
use super::pclntab::PclnTable;
use super::{BinaryError, VirtAddr};

/// Sections that hold it, in the order of likelihood.
const SECTIONS: [&str; 3] = [".go.module", ".noptrdata", ".data"];
/// A table of this many entries or more is no table.
const MAX_SLICE: u64 = 1 << 28;

/// Where seeds for the walk over the type descriptors are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TypeIndex {
    /// Go ≤ 1.26: a list of offsets of descriptors and a list of pointers to itabs.
    Links {
        /// Address and number of `typelinks`.
        types: (VirtAddr, u64),
        /// Address and number of `itablinks`.
        itabs: (VirtAddr, u64),
    },
    /// Go ≥ 1.27: descriptors stand one after the other, and so do the itabs.
    Contiguous {
        /// Where the last descriptor ends.
        descriptors_end: VirtAddr,
        /// Address and length in bytes.
        itabs: (VirtAddr, u64),
    },
}

/// The fields that are used.
#[derive(Clone, Copy, Debug)]
pub(super) struct ModuleData {
    pub(super) text: VirtAddr,
    pub(super) types: VirtAddr,
    pub(super) types_end: VirtAddr,
    pub(super) index: TypeIndex,
    /// `gofunc`, from which the funcdata of functions has its offsets.
    pub(super) funcdata: Option<VirtAddr>,
}

impl ModuleData {
    /// Finds the one that belongs to `pclntab`.
    ///
    /// # Errors
    /// None is there, or it describes what is not supported.
    pub(super) fn find(image: &Image<'_>, pclntab: &PclnTable<'_>) -> Result<Self, BinaryError> {
        let missing = BinaryError::ModuleDataNotFound { pclntab: pclntab.address };
        let named = SECTIONS.iter().filter_map(|name| image.section(name));
        let all = image.segments_data_first().map(|segment| (VirtAddr(segment.address), segment.data));
        let stated = named.chain(all).flat_map(|(start, data)| {
            let skip = usize::try_from(start.0.wrapping_neg() & 7).unwrap_or(0);
            let words = data.get(skip..).unwrap_or_default().as_chunks::<8>().0.iter().enumerate();
            let first_word = pclntab.address.0.to_le_bytes();
            words
                .filter(move |(_, word)| **word == first_word)
                .filter_map(move |(index, _)| start.checked_add(u64::try_from(skip + index * 8).ok()?))
        });
        if let Some(address) = stated.into_iter().find(|&at| belongs(image, pclntab, at).is_some()) {
            return Self::read(image, pclntab, address);
        }
        let relocated = image.relocations().iter().filter(|(_, value)| *value == pclntab.address.0);
        let address = relocated.map(|&(at, _)| VirtAddr(at)).find(|&at| belongs(image, pclntab, at).is_some());
        Self::read(image, pclntab, address.ok_or(missing)?)
    }

    fn read(image: &Image<'_>, pclntab: &PclnTable<'_>, address: VirtAddr) -> Result<Self, BinaryError> {
        let corrupt = BinaryError::Corrupt { what: "runtime.moduledata", address };
        let (data, text_sections) = Self::read_fields(image, pclntab, address).ok_or(corrupt)?;
        if text_sections > 1 {
            return Err(BinaryError::ManyTextSections { count: text_sections, module_data: address });
        }
        Ok(data)
    }

    /// The fields, and the length of `textsectmap`.
    fn read_fields(image: &Image<'_>, pclntab: &PclnTable<'_>, address: VirtAddr) -> Option<(Self, u64)> {
        let word = |offset: u64| image.word(address.checked_add(offset)?);
        let slice = |offset: u64| {
            let (data, len, cap) = (word(offset)?, word(offset + 8)?, word(offset + 16)?);
            (len == cap && len < MAX_SLICE).then_some((VirtAddr(data), len))
        };
        // Go 1.18 and 1.19 have no counters for coverage: all fields behind them lie 16 bytes lower.
        let types_at = if pclntab.before_1_20 { 280 } else { 296 };
        let types = word(types_at)?;
        let base = |types_end: u64, index, funcdata_at: u64| {
            let valid = types < types_end && types_end <= types.checked_add(u64::from(u32::MAX >> 1))?;
            let funcdata = word(funcdata_at).map(VirtAddr);
            let (text, types, types_end) = (VirtAddr(word(176)?), VirtAddr(types), VirtAddr(types_end));
            valid.then_some(Self { text, types, types_end, index, funcdata })
        };
        let second = word(types_at + 8)?;
        if second < types {
            let descriptors_end = VirtAddr(types.checked_add(second)?);
            let itabs = (VirtAddr(types.checked_add(word(320)?)?), word(328)?);
            let data = base(word(312)?, TypeIndex::Contiguous { descriptors_end, itabs }, 344)?;
            return Some((data, slice(360)?.1));
        }
        // Go 1.26 has `epclntab` before `textsectmap`, which always has an entry.
        let before = types_at + 32;
        let text_sections_at = match slice(before) {
            Some((_, 1..1000)) => before,
            _ => before + 8,
        };
        let (_, text_sections) = slice(text_sections_at)?;
        let types_and_itabs = TypeIndex::Links { types: slice(text_sections_at + 24)?, itabs: slice(text_sections_at + 48)? };
        Some((base(second, types_and_itabs, types_at + 24)?, text_sections))
    }
}

/// Whether the words at `address` are those of the module data of `pclntab`.
fn belongs(image: &Image<'_>, pclntab: &PclnTable<'_>, address: VirtAddr) -> Option<()> {
    let word = |offset: u64| image.word(address.checked_add(offset)?);
    let start = |offset| pclntab.address.checked_add(offset);
    let [names, units, files, pc_values, records] = pclntab.offsets;
    let parts = [(8, names), (32, units), (56, files), (80, pc_values), (104, records), (128, records)];
    for (field, offset) in parts {
        (word(field)? == start(offset)?.0).then_some(())?;
    }
    let (min_pc, max_pc, text, text_end) = (word(160)?, word(168)?, word(176)?, word(184)?);
    let ordered = text <= min_pc && min_pc <= max_pc && max_pc <= text_end;
    let counted = word(136)? == pclntab.function_count + 1;
    (ordered && counted && image.is_executable(VirtAddr(text))).then_some(())
}
