//! The record that the runtime keeps of each function, `runtime._func`, in the layouts of Go 1.18 to 1.27.
//!
//! Eleven words, of which Go 1.18 and 1.19 lack one (`startLine`), then two tables: offsets of pc values, and offsets of funcdata.
//! (`runtime/runtime2.go`, `internal/abi/symtab.go`)

use super::bytes::{i32_at, u8_at, u32_at};

/// Which table of pc values. (`abi.PCDATA_…`; the same numbers in all versions)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PcData {
    /// Which inlined call an instruction belongs to.
    InlineTreeIndex = 2,
}

/// Which funcdata. (`abi.FUNCDATA_…`; the same numbers in all versions)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FuncData {
    /// The tree of inlined calls.
    InlineTree = 3,
    /// Where the parameters lie.
    ArgInfo = 5,
}

/// `abi.FuncFlagAsm`.
const ASSEMBLY: u8 = 4;
/// `_func.args` where the assembler was not told.
const UNKNOWN_ARGS: i32 = i32::MIN;

/// The bytes of one record, and what lies behind it.
#[derive(Clone, Copy, Debug)]
pub(super) struct FuncRecord<'a> {
    bytes: &'a [u8],
    /// Where the four bytes begin that end the record: function id, flags, padding, number of funcdata.
    last: usize,
}

impl<'a> FuncRecord<'a> {
    /// The record at the start of `bytes`.
    pub(super) fn new(bytes: &'a [u8], before_1_20: bool) -> Self {
        Self { bytes, last: if before_1_20 { 36 } else { 40 } }
    }

    /// The size of the area for parameters and results; `None` where it is not known.
    pub(super) fn args(&self) -> Option<u32> {
        i32_at(self.bytes, 8).filter(|&size| size != UNKNOWN_ARGS).and_then(|size| u32::try_from(size).ok())
    }

    /// Offset of the `CALL runtime.deferreturn` from the entry; `None` in a function without `defer`.
    pub(super) fn deferreturn(&self) -> Option<u32> {
        u32_at(self.bytes, 12).filter(|&offset| offset != 0)
    }

    /// The offset of the table of values that `which` is, in the block of pc values.
    pub(super) fn pc_data(&self, which: PcData) -> Option<u32> {
        let index = which as usize;
        (index < self.pc_data_count()?).then_some(())?;
        u32_at(self.bytes, self.tables() + 4 * index).filter(|&offset| offset != 0)
    }

    /// The offset of `which` from the start of all funcdata.
    pub(super) fn func_data(&self, which: FuncData) -> Option<u32> {
        let index = which as usize;
        (index < usize::from(u8_at(self.bytes, self.last + 3)?)).then_some(())?;
        let table = self.pc_data_count()?.checked_mul(4)?.checked_add(self.tables())?;
        u32_at(self.bytes, table.checked_add(4 * index)?).filter(|&offset| offset != u32::MAX)
    }

    /// `funcID`: zero for all but some of the runtime, and wrappers.
    pub(super) fn id(&self) -> Option<u8> {
        u8_at(self.bytes, self.last)
    }

    /// Whether it was written in assembly.
    pub(super) fn is_assembly(&self) -> bool {
        u8_at(self.bytes, self.last + 1).is_some_and(|flags| flags & ASSEMBLY != 0)
    }

    /// Offset of the table of files, in the block of pc values.
    pub(super) fn files(&self) -> Option<u32> {
        u32_at(self.bytes, 20).filter(|&offset| offset != 0)
    }

    /// Where the files of its compilation unit begin in the list of all units' files.
    pub(super) fn unit(&self) -> Option<u32> {
        u32_at(self.bytes, 32)
    }

    fn pc_data_count(&self) -> Option<usize> {
        usize::try_from(u32_at(self.bytes, 28)?).ok()
    }

    fn tables(&self) -> usize {
        self.last + 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record with three tables of pc values and six of funcdata, whose offsets are 0x10 higher each.
    fn record(before_1_20: bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [0x100_u32, 0x200, 24, 0x55, 1, 2, 3, 3, 0x77] {
            bytes.extend(word.to_le_bytes());
        }
        if !before_1_20 {
            bytes.extend(9_u32.to_le_bytes());
        }
        bytes.extend([22, 4, 0, 6]);
        for offset in [0_u32, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x80] {
            bytes.extend(offset.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn both_layouts_say_the_same() {
        for before_1_20 in [false, true] {
            let bytes = record(before_1_20);
            let record = FuncRecord::new(&bytes, before_1_20);
            assert_eq!((record.args(), record.deferreturn()), (Some(24), Some(0x55)));
            assert_eq!((record.id(), record.is_assembly()), (Some(22), true));
            assert_eq!((record.files(), record.unit()), (Some(2), Some(0x77)));
            assert_eq!(record.pc_data(PcData::InlineTreeIndex), Some(0x20));
            assert_eq!(record.func_data(FuncData::InlineTree), Some(0x60));
            assert_eq!(record.func_data(FuncData::ArgInfo), Some(0x80));
        }
    }

    #[test]
    fn what_is_not_there_is_none() {
        let mut bytes = record(false);
        bytes.splice(8..12, i32::MIN.to_le_bytes());
        bytes.splice(12..16, [0; 4]);
        let record = FuncRecord::new(&bytes, false);
        assert_eq!((record.args(), record.deferreturn()), (None, None));
        for len in 0..bytes.len() {
            assert_eq!(FuncRecord::new(&bytes[..len], false).func_data(FuncData::ArgInfo), None, "{len}");
        }
        let mut fewer = bytes.clone();
        fewer[43] = 5;
        assert_eq!(FuncRecord::new(&fewer, false).func_data(FuncData::ArgInfo), None);
        fewer.splice(28..32, u32::MAX.to_le_bytes());
        assert_eq!(FuncRecord::new(&fewer, false).func_data(FuncData::InlineTree), None);
        fewer.splice(28..32, 2_u32.to_le_bytes());
        assert_eq!(FuncRecord::new(&fewer, false).pc_data(PcData::InlineTreeIndex), None);
    }
}
