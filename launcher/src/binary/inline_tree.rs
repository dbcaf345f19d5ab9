//! Which functions contain an inlined copy of which others: a probe in the function itself misses those calls.
//!
//! Each function with inlined calls has a tree of them in its funcdata (`cmd/link/internal/ld/pcln.go`, `genInlTreeSym`;
//! `runtime/symtabinl.go`, `inlinedCall`), in stripped programs too.

use std::collections::BTreeMap;

use super::bytes::{tail, u32_at, varint};
use super::func_record::{FuncData, FuncRecord, PcData};
use super::function_table::FunctionTable;

/// Pairs of pc values and calls that are looked at, at most: several times those of a program of 50 MB. A limit for damaged files.
const MOST: usize = 1 << 24;
/// The same for one function.
const MAX_TREE: usize = 1 << 20;
/// Callers of each that are named.
const MAX_CALLERS: usize = 8;

/// The functions that contain copies, by the name of what was inlined.
#[derive(Clone, Debug, Default)]
pub struct Inlined(BTreeMap<String, Vec<String>>);

impl Inlined {
    /// Functions into which `name` is inlined, some of them.
    #[must_use]
    pub fn callers(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

impl<'a> FunctionTable<'_, 'a> {
    /// Looks for inlined copies of `names` in all functions.
    pub(super) fn inlined(&self, names: &[&str]) -> Inlined {
        let mut found = Inlined::default();
        let offsets = self.name_offsets(names);
        let Some(trees) = self.func_data().filter(|_| !offsets.is_empty()) else {
            return found;
        };
        let mut left = MOST;
        // By the offsets of names: what they are called matters for a few.
        let mut callers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for entry in self.pclntab.entries() {
            let Some(record) = self.record(entry.record) else { continue };
            let calls = self.tree(&record, trees, &mut left).into_iter().flatten();
            for offset in calls.filter(|offset| offsets.binary_search(offset).is_ok()) {
                let known = callers.entry(offset).or_default();
                if let Some(caller) = self.pclntab.name_offset(entry)
                    && known.len() < MAX_CALLERS
                    && known.last() != Some(&caller)
                {
                    known.push(caller);
                }
            }
        }
        for (name, callers) in callers {
            let Some(name) = self.pclntab.name(name) else { continue };
            let callers = callers.into_iter().filter_map(|caller| self.pclntab.name(caller)).map(str::to_owned);
            let known = found.0.entry(name.to_owned()).or_default();
            known.extend(callers.take(MAX_CALLERS.saturating_sub(known.len())));
        }
        found
    }

    /// The names of all calls in the tree of the function of `record`.
    pub(super) fn inlined_into(&self, record: &FuncRecord<'_>) -> Vec<&'a str> {
        let mut left = MAX_TREE;
        let tree = self.func_data().and_then(|trees| self.tree(record, trees, &mut left));
        tree.into_iter().flatten().filter_map(|name| self.pclntab.name(name)).collect()
    }

    /// The bytes to which offsets of funcdata refer.
    pub(super) fn func_data(&self) -> Option<&'a [u8]> {
        self.module_data.funcdata.and_then(|address| self.image.bytes_from(address))
    }

    /// The tree of the function of `record`, as the offsets of the names of what is inlined.
    ///
    /// Its length is not noted: the highest index that an instruction has tells.
    fn tree<'t>(
        &self,
        record: &FuncRecord<'_>,
        trees: &'t [u8],
        left: &mut usize,
    ) -> Option<impl Iterator<Item = u32> + use<'t>> {
        // Go 1.18 and 1.19: the parent's index, the id, three words (file, line, name), the parent's pc.
        let (len, name) = if self.pclntab.before_1_20 { (20, 12) } else { (16, 4) };
        let (offset, table) = (record.func_data(FuncData::InlineTree)?, record.pc_data(PcData::InlineTreeIndex)?);
        let count = usize::try_from(highest(tail(self.pclntab.pc_values, table.into())?, left)?).ok()?.checked_add(1)?;
        *left = left.checked_sub(count)?;
        let tree = tail(trees, offset.into())?.get(..count.checked_mul(len)?)?;
        Some(tree.chunks_exact(len).filter_map(move |call| u32_at(call, name)))
    }
}

/// The highest value of a table of pc values: pairs of differences, zigzag-encoded values and lengths of code, to a value that
/// does not change (`runtime/symtab.go`, `step`). Each pair is taken from `left`.
fn highest(mut table: &[u8], left: &mut usize) -> Option<u32> {
    let (mut value, mut highest, mut is_first) = (-1_i64, None, true);
    loop {
        let (change, behind) = varint(table)?;
        if change == 0 && !is_first {
            return highest;
        }
        is_first = false;
        *left = left.checked_sub(1)?;
        let change = (change >> 1).cast_signed() ^ (change & 1).cast_signed().wrapping_neg();
        value = value.wrapping_add(change);
        highest = highest.max(u32::try_from(value).ok());
        table = varint(behind)?.1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_value_is_found() {
        // Values 0, 2, 1, then the end; two instructions each.
        let highest = |table: &[u8]| highest(table, &mut 3);
        assert_eq!(highest(&[2, 2, 4, 2, 1, 2, 0]), Some(2));
        // A first value of -1 is a change of nothing.
        assert_eq!(highest(&[0, 2, 2, 2, 0]), Some(0));
        assert_eq!(highest(&[0, 2, 0]), None);
        assert_eq!(highest(&[2, 2, 4]), None);
        assert_eq!(highest(&[]), None);
        assert_eq!(highest(&[2, 2, 2, 2, 2, 2, 2, 2, 0]), None, "more than is looked at");
    }
}
