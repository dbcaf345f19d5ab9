//! ELF files by hand: what is read of them.

use super::*;

/// Flags of a segment.
pub(in super::super) const DATA: u32 = 6;
pub(in super::super) const CODE: u32 = 5;

/// An amd64 ELF file with `LOAD` segments (address, flags, contents) and a dynamic table at an address of one of them.
pub(in super::super) fn elf(pie: bool, segments: &[(u64, u32, &[u8])], dynamic: Option<(u64, u64)>) -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend(if pie { [3, 0] } else { [2, 0] });
    file.extend([62, 0, 1, 0, 0, 0]);
    let count = segments.len() + usize::from(dynamic.is_some());
    for word in [0x1234_u64, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend([0; 4]);
    for half in [64, 56, u16::try_from(count).unwrap(), 64, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    let mut offset = 64 + 56 * u64::try_from(count).unwrap();
    let mut header = |kind: u32, flags: u32, words: [u64; 6]| {
        file.extend(kind.to_le_bytes());
        file.extend(flags.to_le_bytes());
        file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    };
    for (address, flags, contents) in segments {
        let len = u64::try_from(contents.len()).unwrap();
        header(1, *flags, [offset, *address, *address, len, len, 8]);
        offset += len;
    }
    if let Some((address, len)) = dynamic {
        header(2, DATA, [0, address, address, len, len, 8]);
    }
    file.extend(segments.iter().flat_map(|(_, _, contents)| contents.iter()));
    file
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

#[test]
fn addresses_become_bytes_and_offsets() {
    let file = elf(false, &[(0x1000, CODE, &[1, 2, 3, 4]), (0x2000, DATA, &[5, 6, 7, 8])], None);
    let image = Image::parse(&file).unwrap();
    assert_eq!((image.architecture, image.entry, image.pie), (Architecture::Amd64, VirtAddr(0x1234), false));
    assert_eq!(image.bytes(VirtAddr(0x2001), 2), Some(&[6, 7][..]));
    assert_eq!(image.bytes(VirtAddr(0x2001), 4), None);
    assert_eq!(image.bytes_from(VirtAddr(0x0fff)), None);
    assert_eq!(image.file_offset(VirtAddr(0x2001)), Some(FileOffset(64 + 112 + 5)));
    assert_eq!(image.file_offset(VirtAddr(0x2004)), None);
    assert!(image.is_executable(VirtAddr(0x1003)) && !image.is_executable(VirtAddr(0x2000)));
    let order: Vec<_> = image.segments_data_first().map(|segment| segment.address).collect();
    assert_eq!(order, [0x2000, 0x1000]);
}

#[test]
fn only_words_that_are_zero_in_the_file_are_relocated() {
    // Two words, the dynamic table {RELA, RELASZ, NULL}, two relocations.
    let relocation = |address, addend| [address, 8, addend];
    let mut data = words(&[0, 0x77, 7, 0x1040, 8, 48, 0, 0]);
    data.extend(words(&[relocation(0x1000, 0x5000), relocation(0x1008, 0x6000)].concat()));
    let file = elf(true, &[(0x1000, DATA, &data)], Some((0x1010, 48)));
    let image = Image::parse(&file).unwrap();
    assert_eq!(image.relocations(), [(0x1000, 0x5000)]);
    assert_eq!(image.word(VirtAddr(0x1000)), Some(0x5000));
    assert_eq!(image.word(VirtAddr(0x1008)), Some(0x77));
    let fixed = elf(false, &[(0x1000, DATA, &data)], Some((0x1010, 48)));
    assert_eq!(Image::parse(&fixed).unwrap().word(VirtAddr(0x1000)), Some(0));
}

#[test]
fn what_reaches_beyond_the_file_is_truncated() {
    let file = elf(false, &[(0x1000, CODE, &[1, 2, 3, 4])], None);
    let shorter = file.get(..file.len() - 1).unwrap();
    let error = Image::parse(shorter).unwrap_err();
    assert_eq!(error, BinaryError::Truncated { what: "a LOAD segment", offset: FileOffset(120), len: 123 });
    let error = Image::parse(file.get(..100).unwrap()).unwrap_err();
    assert!(matches!(error, BinaryError::Truncated { what: "the program header table", .. }), "{error}");
    assert!(matches!(Image::parse(&[]), Err(BinaryError::NotElf { .. })));
}
