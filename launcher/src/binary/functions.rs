//! Functions by name: where they begin and end.

use std::collections::BTreeMap;

use serde::Serialize;

use super::VirtAddr;
use super::image::{Architecture, Image};
use super::module_data::ModuleData;
use super::pclntab::{Entry, PclnTable};
use super::wanted::Wanted;

/// No function of real code is longer; a limit for the time that damaged files can take.
const MAX_CODE: u64 = 1 << 24;
/// Padding is not longer: functions are aligned to 16 to 64 bytes.
const MAX_PADDING: usize = 4096;

/// A function that the program contains as such. (An inlined copy has no entry and cannot be found.)
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Function {
    /// The name as the linker wrote it, for example `net/http.(*conn).serve`; `[...]` stands for type arguments,
    /// and dots in the last element of an import path are `%2e`.
    pub name: String,
    /// The first instruction.
    pub entry: VirtAddr,
    /// Behind the last instruction, without padding.
    pub end: VirtAddr,
}

/// The functions found of those that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Functions(BTreeMap<String, Function>);

impl Functions {
    /// The function called `name`, if the program has it and it was asked for.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Function> {
        self.0.get(name)
    }

    /// All that were found, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Function> {
        self.0.values()
    }

    /// Whether none was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is needed to turn table entries into functions.
#[derive(Clone, Copy, Debug)]
pub(super) struct FunctionTable<'b, 'a> {
    pub(super) image: &'b Image<'a>,
    pub(super) pclntab: &'b PclnTable<'a>,
    pub(super) module_data: &'b ModuleData,
}

impl FunctionTable<'_, '_> {
    /// One pass over the names, then one over the entries that compares only where their names begin.
    ///
    /// Of several functions with the same name (an ABI wrapper beside assembly) the first in the text is taken.
    pub(super) fn find(&self, names: &[&str]) -> Functions {
        let wanted = Wanted::new(names.iter().copied());
        let matching = self.pclntab.names().filter(|(_, name)| !wanted.find(name).is_empty());
        let mut offsets: Vec<u32> = matching.map(|(offset, _)| offset).collect();
        offsets.sort_unstable();
        let mut found = BTreeMap::new();
        for entry in self.pclntab.entries() {
            let Some(offset) = self.pclntab.name_offset(entry) else { continue };
            if let Ok(index) = offsets.binary_search(&offset)
                && let Some(function) = self.function(entry)
            {
                offsets.remove(index);
                found.insert(function.name.clone(), function);
            }
        }
        Functions(found)
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
        Some(Function {
            name: self.pclntab.name(self.pclntab.name_offset(entry)?)?.to_owned(),
            entry: start,
            end: start.checked_add(u64::try_from(len).ok()?)?,
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
