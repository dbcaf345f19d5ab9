//! Which functions contain an inlined copy of which others: a probe in the function itself misses those calls.
//!
//! Each function with inlined calls has a tree of them in its funcdata (`cmd/link/internal/ld/pcln.go`, `genInlTreeSym`;
//! `runtime/symtabinl.go`, `inlinedCall`), in stripped programs too.

use std::collections::BTreeMap;

use super::bytes::{tail, u8_at, u32_at, varint};
use super::functions::FunctionTable;
use super::pclntab::Entry;

/// `abi.FUNCDATA_InlTree`.
const INLINE_TREE: usize = 3;
/// `abi.PCDATA_InlTreeIndex`.
const INLINE_INDEX: usize = 2;
/// Bytes of a `_func` before its tables (`runtime/runtime2.go`, Go ≥ 1.20).
const FUNCTION: usize = 44;
/// Bytes of a `runtime.inlinedCall` (Go ≥ 1.20): the function's id, its name, the parent's pc, a line.
const CALL: usize = 16;
/// Pairs of pc values and calls that are looked at, at most: several times those of a program of 50 MB. A limit for damaged files.
const MOST: usize = 1 << 24;
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

impl FunctionTable<'_, '_> {
    /// Looks for inlined copies of `names` in all functions. Nothing is found in programs of Go before 1.20.
    pub(super) fn inlined(&self, names: &[&str]) -> Inlined {
        let mut found = Inlined::default();
        let wanted = super::wanted::Wanted::new(names.iter().copied());
        let mut offsets: Vec<u32> =
            self.pclntab.names().filter(|(_, name)| !wanted.find(name).is_empty()).map(|(offset, _)| offset).collect();
        offsets.sort_unstable();
        let trees = self.module_data.funcdata.and_then(|address| self.image.bytes_from(address));
        let Some(trees) = trees.filter(|_| !self.pclntab.before_1_20 && !offsets.is_empty()) else {
            return found;
        };
        let mut left = MOST;
        // By the offsets of names: what they are called matters for a few.
        let mut callers: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for entry in self.pclntab.entries() {
            let tree = self.tree(entry, trees, &mut left).unwrap_or_default();
            let calls = tree.as_chunks::<CALL>().0.iter().filter_map(|call| u32_at(call, 4));
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

    /// The tree of the function of `entry`. Its length is not noted: the highest index that an instruction has tells.
    fn tree<'t>(&self, entry: Entry, trees: &'t [u8], left: &mut usize) -> Option<&'t [u8]> {
        let record = self.pclntab.record(entry)?;
        let (tables, data) = (usize::try_from(u32_at(record, 28)?).ok()?, usize::from(u8_at(record, 43)?));
        (tables > INLINE_INDEX && data > INLINE_TREE).then_some(())?;
        let at_data = FUNCTION.checked_add(tables.checked_mul(4)?)?;
        let offset = u32_at(record, at_data.checked_add(4 * INLINE_TREE)?).filter(|&offset| offset != u32::MAX)?;
        let table = u32_at(record, FUNCTION + 4 * INLINE_INDEX).filter(|&offset| offset != 0)?;
        let count = usize::try_from(highest(tail(self.pclntab.pc_values, table.into())?, left)?).ok()?.checked_add(1)?;
        *left = left.checked_sub(count)?;
        tail(trees, offset.into())?.get(..count.checked_mul(CALL)?)
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
