//! Where the parameters and results of functions are at the first instruction, as DWARF has it.

use std::collections::BTreeMap;

use gimli::{AttributeValue, EndianSlice, LittleEndian, Operation};
use go_auto_launch::binary::Architecture;
use go_auto_launch::signature::Place;
use object::read::elf::{FileHeader as _, SectionHeader as _};

type Slice<'a> = EndianSlice<'a, LittleEndian>;
type Entry<'a> = gimli::DebuggingInformationEntry<Slice<'a>>;

/// Where a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// Each word, with its size where there are several.
    Registers(Vec<(Place, Option<u64>)>),
    /// Bytes from the base of [`Place::Stack`]; within the function's own frame if negative.
    Stack(i64),
}

/// By the function's address the location of each parameter and result, by name. Of what comes several times the first.
pub(super) fn locations(file: &[u8], architecture: Architecture) -> BTreeMap<u64, BTreeMap<String, Location>> {
    let dwarf = dwarf(file);
    let mut functions = BTreeMap::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next().unwrap() {
        let unit = dwarf.unit(header).unwrap();
        let mut tree = unit.entries_tree(None).unwrap();
        let mut children = tree.root().unwrap().children();
        while let Some(child) = children.next().unwrap() {
            let entry = child.entry();
            if entry.tag() != gimli::DW_TAG_subprogram
                || !name(&dwarf, &unit, entry).is_some_and(|name| name.starts_with("main."))
            {
                continue;
            }
            let Some(low) = entry.attr_value(gimli::DW_AT_low_pc) else { continue };
            let address = dwarf.attr_address(&unit, low).unwrap().unwrap();
            let mut found = BTreeMap::new();
            let mut members = child.children();
            while let Some(member) = members.next().unwrap() {
                let entry = member.entry();
                if entry.tag() == gimli::DW_TAG_formal_parameter
                    && let Some(name) = name(&dwarf, &unit, entry)
                    && let Some(expression) = expression(&dwarf, &unit, entry, address)
                {
                    found.entry(name).or_insert_with(|| location(expression, unit.encoding(), architecture));
                }
            }
            functions.insert(address, found);
        }
    }
    functions
}

fn dwarf(file: &[u8]) -> gimli::Dwarf<Slice<'_>> {
    let header = object::elf::FileHeader64::<object::LittleEndian>::parse(file).unwrap();
    let sections = header.sections(object::LittleEndian, file).unwrap();
    let load = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        let section = sections.section_by_name(object::LittleEndian, id.name().as_bytes());
        let data = section.map_or(&[][..], |(_, section)| section.data(object::LittleEndian, file).unwrap());
        Ok(EndianSlice::new(data, LittleEndian))
    };
    gimli::Dwarf::load(load).unwrap()
}

fn name(dwarf: &gimli::Dwarf<Slice<'_>>, unit: &gimli::Unit<Slice<'_>>, entry: &Entry<'_>) -> Option<String> {
    let name = dwarf.attr_string(unit, entry.attr_value(gimli::DW_AT_name)?).unwrap();
    Some(name.to_string().unwrap().to_owned())
}

/// Where the value is at `address`.
fn expression<'a>(
    dwarf: &gimli::Dwarf<Slice<'a>>,
    unit: &gimli::Unit<Slice<'a>>,
    entry: &Entry<'a>,
    address: u64,
) -> Option<gimli::Expression<Slice<'a>>> {
    let attribute = entry.attr_value(gimli::DW_AT_location)?;
    if let AttributeValue::Exprloc(expression) = attribute {
        return Some(expression);
    }
    let mut list = dwarf.attr_locations(unit, attribute).unwrap()?;
    while let Some(found) = list.next().unwrap() {
        if found.range.begin <= address && address < found.range.end {
            return Some(found.data);
        }
    }
    None
}

fn location(expression: gimli::Expression<Slice<'_>>, encoding: gimli::Encoding, architecture: Architecture) -> Location {
    let mut operations = expression.operations(encoding);
    let (mut registers, mut offset) = (Vec::new(), None);
    while let Some(operation) = operations.next().unwrap() {
        if let Operation::Register { register } = operation {
            registers.push((place(register.0, architecture), None));
        } else if let Operation::Piece { size_in_bits, bit_offset: None } = operation {
            // A piece without a place before it is padding.
            if let Some((_, size @ None)) = registers.last_mut() {
                *size = Some(size_in_bits / 8);
            }
        } else if let Operation::FrameOffset { offset: distance } = operation {
            offset = Some(distance);
        } else {
            assert_eq!(operation, Operation::CallFrameCFA);
            offset = Some(0);
        }
    }
    // The frame's base is the stack pointer before the call; the base of places is one word above where it is at the entry.
    let base = match architecture {
        Architecture::Amd64 => 0,
        Architecture::Arm64 => 8,
    };
    offset.map_or(Location::Registers(registers), |offset| Location::Stack(offset - base))
}

/// The register of the calling convention that DWARF has under this number.
fn place(number: u16, architecture: Architecture) -> Place {
    // RAX RBX RCX RDI RSI R8 R9 R10 R11
    const INTEGERS: [u16; 9] = [0, 3, 2, 5, 4, 8, 9, 10, 11];
    let small = |number: u16| u8::try_from(number).unwrap();
    match architecture {
        Architecture::Amd64 if number >= 17 => Place::Float(small(number - 17)),
        Architecture::Amd64 => {
            let index = INTEGERS.iter().position(|&other| other == number).unwrap();
            Place::Integer(u8::try_from(index).unwrap())
        }
        Architecture::Arm64 if number >= 64 => Place::Float(small(number - 64)),
        Architecture::Arm64 => Place::Integer(small(number)),
    }
}
