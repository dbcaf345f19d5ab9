//! The ELF file as the kernel would map it: addresses become bytes of the file, nothing is copied.
//!
//! Knows nothing of Go. Section headers may be missing or wrong, they are only hints; what counts is the `LOAD` segments.

use std::sync::OnceLock;

use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader as _, ProgramHeader as _, SectionHeader as _};
use serde::Serialize;

use super::bytes::{slice, tail, u32_at, u64_at};
use super::{BinaryError, FileOffset, VirtAddr};

/// More `LOAD` segments than any linker writes; a limit because each address look-up visits them in turn.
const MAX_SEGMENTS: usize = 64;
/// More sections than any Go linker writes by a wide margin.
const MAX_SECTIONS: usize = 1024;

/// The processor that a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// x86-64.
    Amd64,
    /// `AArch64`.
    Arm64,
}

impl Architecture {
    /// That of this machine.
    pub const HERE: Self = if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::Amd64 };
}

impl std::fmt::Display for Architecture {
    /// As Go names it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        })
    }
}

/// One `LOAD` segment; `data` is the part that the file holds (the rest is zeros at run time).
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment<'a> {
    pub(super) address: u64,
    offset: u64,
    pub(super) data: &'a [u8],
    pub(super) executable: bool,
    writable: bool,
}

/// A section that is present in memory and in the file.
#[derive(Clone, Copy, Debug)]
struct Section<'a> {
    name: &'a [u8],
    address: u64,
    data: &'a [u8],
}

/// The parsed file.
#[derive(Debug)]
pub(super) struct Image<'a> {
    pub(super) architecture: Architecture,
    pub(super) entry: VirtAddr,
    pub(super) pie: bool,
    segments: Vec<Segment<'a>>,
    sections: Vec<Section<'a>>,
    /// Address and size of the dynamic table, if there is one.
    dynamic: Option<(u64, u64)>,
    /// See [`Image::word`].
    relocations: OnceLock<Vec<(u64, u64)>>,
}

impl<'a> Image<'a> {
    /// Reads the headers of `file`.
    pub(super) fn parse(file: &'a [u8]) -> Result<Self, BinaryError> {
        let not_elf = |error: object::read::Error| BinaryError::NotElf { what: error.to_string() };
        let header = FileHeader64::<LittleEndian>::parse(file).map_err(not_elf)?;
        let endian = header.endian().map_err(not_elf)?;
        let architecture = match header.e_machine(endian) {
            elf::EM_X86_64 => Architecture::Amd64,
            elf::EM_AARCH64 => Architecture::Arm64,
            other => return Err(BinaryError::UnsupportedArchitecture { machine: other.0 }),
        };
        let mut image = Self {
            architecture,
            entry: VirtAddr(header.e_entry(endian)),
            pie: header.e_type(endian) == elf::ET_DYN,
            segments: Vec::new(),
            sections: sections(header, file),
            dynamic: None,
            relocations: OnceLock::new(),
        };
        let table = FileOffset(header.e_phoff(endian));
        let truncated =
            |what, offset| BinaryError::Truncated { what, offset, len: u64::try_from(file.len()).unwrap_or(u64::MAX) };
        let headers = header.program_headers(endian, file).map_err(|_error| truncated("the program header table", table))?;
        for header in headers {
            match header.p_type(endian) {
                elf::PT_LOAD => {
                    let offset = header.p_offset(endian);
                    let data = slice(file, offset, header.p_filesz(endian))
                        .ok_or_else(|| truncated("a LOAD segment", FileOffset(offset)))?;
                    let executable = header.p_flags(endian).0 & elf::PF_X.0 != 0;
                    let writable = header.p_flags(endian).0 & elf::PF_W.0 != 0;
                    image.segments.push(Segment { address: header.p_vaddr(endian), offset, data, executable, writable });
                }
                elf::PT_DYNAMIC => {
                    image.dynamic = Some((header.p_vaddr(endian), header.p_filesz(endian)));
                }
                _ => {}
            }
        }
        if image.segments.len() > MAX_SEGMENTS {
            return Err(BinaryError::Corrupt { what: "the program header table", address: VirtAddr(table.0) });
        }
        Ok(image)
    }

    /// The segments, those with data before those with code.
    pub(super) fn segments_data_first(&self) -> impl Iterator<Item = &Segment<'a>> {
        let (code, data): (Vec<_>, Vec<_>) = self.segments.iter().partition(|segment| segment.executable);
        data.into_iter().chain(code)
    }

    /// The segment that holds `address` in the file.
    fn segment(&self, address: u64) -> Option<(&Segment<'a>, u64)> {
        self.segments.iter().find_map(|segment| {
            let distance = address.checked_sub(segment.address)?;
            (distance < u64::try_from(segment.data.len()).ok()?).then_some((segment, distance))
        })
    }

    /// The bytes from `address` to the end of its segment's part of the file.
    pub(super) fn bytes_from(&self, address: VirtAddr) -> Option<&'a [u8]> {
        let (segment, distance) = self.segment(address.0)?;
        tail(segment.data, distance)
    }

    /// Exactly `len` bytes at `address`, which the program cannot change.
    pub(super) fn constant(&self, address: VirtAddr, len: u64) -> Option<&'a [u8]> {
        let (segment, distance) = self.segment(address.0).filter(|(segment, _)| !segment.writable)?;
        slice(segment.data, distance, len)
    }

    /// Exactly `len` bytes at `address`.
    pub(super) fn bytes(&self, address: VirtAddr, len: u64) -> Option<&'a [u8]> {
        slice(self.bytes_from(address)?, 0, len)
    }

    /// Where the byte at `address` lies in the file.
    pub(super) fn file_offset(&self, address: VirtAddr) -> Option<FileOffset> {
        let (segment, distance) = self.segment(address.0)?;
        segment.offset.checked_add(distance).map(FileOffset)
    }

    /// Whether `address` lies in an executable segment.
    pub(super) fn is_executable(&self, address: VirtAddr) -> bool {
        self.segment(address.0).is_some_and(|(segment, _)| segment.executable)
    }

    /// The contents and address of the section called `name`, if the headers know one.
    pub(super) fn section(&self, name: &str) -> Option<(VirtAddr, &'a [u8])> {
        let section = self.sections.iter().find(|section| section.name == name.as_bytes())?;
        Some((VirtAddr(section.address), section.data))
    }

    /// The 64-bit word at `address` as it will be (but for the load bias) when the program runs.
    ///
    /// Linkers leave the final value in the file. Only a word that is zero there can be one that a relocation fills in.
    pub(super) fn word(&self, address: VirtAddr) -> Option<u64> {
        match u64_at(self.bytes_from(address)?, 0)? {
            0 => Some(self.relocated(address).unwrap_or(0)),
            word => Some(word),
        }
    }

    /// The value that a relocation gives to the word at `address`, which is zero in the file.
    pub(super) fn relocated(&self, address: VirtAddr) -> Option<u64> {
        let table = self.relocations();
        let index = table.binary_search_by_key(&address.0, |&(at, _)| at).ok()?;
        table.get(index).map(|&(_, value)| value)
    }

    /// `RELATIVE` relocations of words that are zero in the file: (address, value), by address. Usually none.
    pub(super) fn relocations(&self) -> &[(u64, u64)] {
        self.relocations.get_or_init(|| {
            let mut found = self.read_relocations().unwrap_or_default();
            found.sort_unstable();
            found
        })
    }

    fn read_relocations(&self) -> Option<Vec<(u64, u64)>> {
        const ENTRY: usize = 24;
        let (address, size) = self.dynamic.filter(|_| self.pie)?;
        let (mut rela, mut rela_size) = (None, 0);
        for entry in self.bytes(VirtAddr(address), size)?.as_chunks::<16>().0 {
            match (u64_at(entry, 0)?.cast_signed(), u64_at(entry, 8)?) {
                (0, _) => break,
                (tag, value) if tag == elf::DT_RELA.0 => rela = Some(VirtAddr(value)),
                (tag, value) if tag == elf::DT_RELASZ.0 => rela_size = value,
                _ => {}
            }
        }
        let relative = match self.architecture {
            Architecture::Amd64 => elf::R_X86_64_RELATIVE.0,
            Architecture::Arm64 => elf::R_AARCH64_RELATIVE.0,
        };
        let entries = self.bytes(rela?, rela_size)?.as_chunks::<ENTRY>().0.iter();
        let zero_in_file = |entry: &[u8; ENTRY]| {
            let at = VirtAddr(u64_at(entry, 0)?);
            let is_relative = u32_at(entry, 8)? == relative;
            let value = u64_at(entry, 16)?;
            (is_relative && value != 0 && u64_at(self.bytes_from(at)?, 0)? == 0).then_some((at.0, value))
        };
        Some(entries.filter_map(zero_in_file).collect())
    }
}

/// The sections that lie in memory. Broken headers give none: nothing depends on them.
fn sections<'a>(header: &FileHeader64<LittleEndian>, file: &'a [u8]) -> Vec<Section<'a>> {
    let endian = LittleEndian;
    let Ok(headers) = header.section_headers(endian, file) else {
        return Vec::new();
    };
    let Ok(names) = header.section_strings(endian, file, headers) else {
        return Vec::new();
    };
    headers
        .iter()
        .take(MAX_SECTIONS)
        .filter(|section| section.sh_addr(endian) != 0)
        .filter_map(|section| {
            Some(Section {
                name: section.name(endian, names).ok()?,
                address: section.sh_addr(endian),
                data: section.data(endian, file).ok().filter(|data| !data.is_empty())?,
            })
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests;
