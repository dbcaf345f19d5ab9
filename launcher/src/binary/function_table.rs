//! The function table's entries into functions: by name, by address, or all of them.

use std::sync::OnceLock;

use super::VirtAddr;
use super::func_record::FuncRecord;
use super::functions::{Function, Functions};
use super::image::{Architecture, Image};
use super::module_data::ModuleData;
use super::pclntab::{Entry, PclnTable};
use super::wanted::Wanted;

/// No function of real code is longer; a limit for the time that damaged files can take.
const MAX_CODE: u64 = 1 << 24;
/// Padding is not longer: functions are aligned to 16 to 64 bytes.
const MAX_PADDING: usize = 4096;

/// What is needed to turn table entries into functions.
#[derive(Clone, Copy, Debug)]
pub(super) struct FunctionTable<'b, 'a> {
    pub(super) image: &'b Image<'a>,
    pub(super) pclntab: &'b PclnTable<'a>,
    pub(super) module_data: &'b ModuleData,
    /// What [`Self::wrapper_id`] has found.
    pub(super) wrapper_id: &'b OnceLock<Option<u8>>,
}

impl<'a> FunctionTable<'_, 'a> {
    /// One pass over the names, then one over the entries that compares only where their names begin.
    pub(super) fn find(&self, names: &[&str]) -> Functions {
        self.at_names(&self.name_offsets(names))
    }

    /// The same for the names that `is_wanted` accepts.
    pub(super) fn find_where(&self, is_wanted: impl Fn(&str) -> bool) -> Functions {
        let matching = self.pclntab.names().filter(|(_, name)| std::str::from_utf8(name).is_ok_and(&is_wanted));
        self.at_names(&matching.map(|(offset, _)| offset).collect::<Vec<_>>())
    }

    fn at_names(&self, offsets: &[u32]) -> Functions {
        let is_wanted = |entry: &Entry| self.pclntab.name_offset(*entry).is_some_and(|name| offsets.binary_search(&name).is_ok());
        let found = self.pclntab.entries().filter(is_wanted).filter_map(|entry| self.function(entry));
        Functions::new(found, || self.wrapper_id())
    }

    /// Where `names` begin in the block of names, in order. (The linker may have written a name more than once.)
    pub(super) fn name_offsets(&self, names: &[&str]) -> Vec<u32> {
        let wanted = Wanted::new(names.iter().copied());
        let matching = self.pclntab.names().filter(|(_, name)| !wanted.find(name).is_empty());
        // The block is read from its beginning to its end.
        matching.map(|(offset, _)| offset).collect()
    }

    /// Every function, by address.
    pub(super) fn all(self) -> impl Iterator<Item = Function> {
        self.pclntab.entries().filter_map(move |entry| self.function(entry))
    }

    /// The function that contains `address`.
    pub(super) fn at(&self, address: VirtAddr) -> Option<Function> {
        let index = self.pclntab.index_of(address.distance_from(self.module_data.text)?)?;
        self.function(self.pclntab.entry(index)?)
    }

    /// What the table says of a function; `offset` is [`Entry::record`].
    pub(super) fn record(&self, offset: u64) -> Option<FuncRecord<'a>> {
        Some(FuncRecord::new(self.pclntab.record(offset)?, self.pclntab.before_1_20))
    }

    /// `abi.FuncIDWrapper`: another number in each version, and always the highest. Every program has such functions
    /// (`runtime.deferreturn` counts as one).
    pub(super) fn wrapper_id(&self) -> Option<u8> {
        *self.wrapper_id.get_or_init(|| {
            let records = self.pclntab.entries().filter_map(|entry| self.record(entry.record));
            records.filter_map(|record| record.id()).max().filter(|&id| id != 0)
        })
    }

    fn function(&self, entry: Entry) -> Option<Function> {
        let text = self.module_data.text;
        let start = text.checked_add(entry.text_offset)?;
        let next = text.checked_add(entry.next_offset)?;
        let len = next.distance_from(start).filter(|&len| len <= MAX_CODE)?;
        let code = self.image.bytes(start, len)?;
        let len = match self.image.architecture {
            Architecture::Amd64 => len_without_int3(code),
            Architecture::Arm64 => len_without_zeros(code),
        };
        let len = u64::try_from(len).ok()?;
        let record = self.record(entry.record)?;
        let deferreturn = record.deferreturn().map(u64::from).filter(|&offset| offset < len);
        Some(Function {
            name: self.pclntab.name(self.pclntab.name_offset(entry)?)?.to_owned(),
            entry: start,
            end: start.checked_add(len)?,
            is_assembly: record.is_assembly(),
            args: record.args(),
            deferreturn: deferreturn.and_then(|offset| start.checked_add(offset)),
            record: entry.record,
            id: record.id()?,
        })
    }
}
/// The length without trailing `INT3`. A final `EB` shows that the first of them was the distance of a `JMP`.
fn len_without_int3(code: &[u8]) -> usize {
    let padding = code.iter().rev().take(MAX_PADDING).take_while(|&&byte| byte == 0xcc).count();
    let len = code.len() - padding;
    let short_jump = len < code.len() && len > 0 && code.get(len - 1) == Some(&0xeb);
    len + usize::from(short_jump)
}

/// The length without trailing instructions that are all zero, with which the linker fills up on arm64.
fn len_without_zeros(code: &[u8]) -> usize {
    let words = code.as_chunks::<4>().0;
    let padding = words.iter().rev().take(MAX_PADDING).take_while(|&&word| word == [0; 4]).count();
    (words.len() - padding) * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_trimmed_but_not_a_short_jump() {
        assert_eq!(len_without_int3(&[0xc3, 0xcc, 0xcc]), 1);
        assert_eq!(len_without_int3(&[0x90, 0xeb, 0xcc, 0xcc]), 3);
        assert_eq!(len_without_int3(&[0x90, 0xeb, 0xcc]), 3);
        assert_eq!(len_without_int3(&[0xcc]), 0);
        assert_eq!(len_without_int3(&[0xc3]), 1);
        assert_eq!(len_without_zeros(&[1, 0, 0, 0, 0, 0, 0, 0]), 4);
        assert_eq!(len_without_zeros(&[0; 8]), 0);
    }
}
