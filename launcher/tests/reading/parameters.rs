//! The sizes of the parameters of functions, from DWARF.

use std::collections::{BTreeMap, HashMap};

use gimli::{AttributeValue, EndianSlice, LittleEndian};

type Entry<'a> = gimli::DebuggingInformationEntry<EndianSlice<'a, LittleEndian>>;

/// A type: how large it is, or which other type it is; neither in what is one pointer.
struct Type {
    size: Option<u64>,
    other: Option<usize>,
}

impl Type {
    fn new(entry: &Entry<'_>) -> Self {
        let size = entry.attr_value(gimli::DW_AT_byte_size).and_then(|size| size.udata_value());
        let is_pointer = entry.tag() == gimli::DW_TAG_pointer_type;
        Self { size, other: type_of(entry).filter(|_| !is_pointer) }
    }
}

/// By the function's address the size of each parameter, in order. Functions whose description stands at another place, because
/// they are inlined somewhere, are left out.
pub(super) fn of(file: &[u8]) -> BTreeMap<u64, Vec<u64>> {
    let dwarf = super::dwarf(file);
    let mut types = HashMap::new();
    let mut functions = BTreeMap::new();
    let mut units = dwarf.units();
    while let Some(header) = units.next().unwrap() {
        let unit = dwarf.unit(header).unwrap();
        let mut tree = unit.entries_tree(None).unwrap();
        let mut children = tree.root().unwrap().children();
        while let Some(child) = children.next().unwrap() {
            let entry = child.entry();
            if entry.tag() != gimli::DW_TAG_subprogram {
                types.insert(entry.offset().to_debug_info_offset(&unit).unwrap().0, Type::new(entry));
                continue;
            }
            let Some(low) = entry.attr_value(gimli::DW_AT_low_pc) else { continue };
            if entry.attr_value(gimli::DW_AT_abstract_origin).is_some() {
                continue;
            }
            let address = dwarf.attr_address(&unit, low).unwrap().unwrap();
            let mut parameters = Vec::new();
            let mut members = child.children();
            while let Some(member) = members.next().unwrap() {
                let entry = member.entry();
                // Type parameters stand within their function.
                if entry.tag() == gimli::DW_TAG_typedef {
                    types.insert(entry.offset().to_debug_info_offset(&unit).unwrap().0, Type::new(entry));
                }
                let is_result = entry.attr_value(gimli::DW_AT_variable_parameter) == Some(AttributeValue::Flag(true));
                if entry.tag() == gimli::DW_TAG_formal_parameter && !is_result {
                    parameters.push(type_of(entry).unwrap());
                }
            }
            functions.insert(address, parameters);
        }
    }
    let sizes = |parameters: Vec<usize>| parameters.into_iter().map(|parameter| size(&types, parameter)).collect();
    functions.into_iter().map(|(address, parameters)| (address, sizes(parameters))).collect()
}

fn type_of(entry: &Entry<'_>) -> Option<usize> {
    let attribute = entry.attr_value(gimli::DW_AT_type)?;
    let AttributeValue::DebugInfoRef(offset) = attribute else { panic!("{attribute:?}") };
    Some(offset.0)
}

fn size(types: &HashMap<usize, Type>, offset: usize) -> u64 {
    let found = &types[&offset];
    found.size.or_else(|| Some(size(types, found.other?))).unwrap_or(8)
}
