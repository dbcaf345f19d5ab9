//! Defined types by their names, and what types consist of.

use super::descriptor::{Descriptor, TypeRegion};
use super::kind::{Form, Kind};
use super::name_parts::short_name;
use super::types::Types;
use super::{BinaryError, GoBinary, VirtAddr};

/// Longer names are not looked for.
const MAX_NAME: usize = 4096;
/// No struct of real code has more fields; a limit for damaged files.
const MAX_FIELDS: usize = 4096;

/// A defined type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefinedType<'a> {
    /// The import path of its package; empty for `error` and the like.
    pub path: &'a str,
    /// The name of its package, which need not be the path's last element.
    pub package: &'a str,
    /// Its own name, with its type arguments.
    pub name: &'a str,
    /// Its descriptor.
    pub address: VirtAddr,
}

/// What a type consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeParts {
    /// Its kind.
    pub kind: Kind,
    /// In bytes.
    pub size: u64,
    /// The descriptors of what it is made of: a struct's fields in order, a map's key and element, the one element of others.
    pub elements: Vec<VirtAddr>,
    /// The length of an array, the number of an interface's methods.
    pub len: u64,
}

/// Where the descriptors are whose types have names, by a number made of the name.
#[derive(Clone, Debug, Default)]
pub(super) struct NameIndex(Vec<(u32, u32)>);

impl NameIndex {
    pub(super) fn new(types: &Types<'_, '_>) -> Self {
        let number = |descriptor: Descriptor| {
            let text = types.region.text(&descriptor)?;
            Some((number(short_name(text, MAX_NAME)?), descriptor.offset))
        };
        let mut all: Vec<_> = types.descriptors().filter(Descriptor::is_named).filter_map(number).collect();
        all.sort_unstable();
        Self(all)
    }

    fn offsets(&self, name: &[u8]) -> impl Iterator<Item = u32> {
        let number = number(name);
        let start = self.0.partition_point(|&(other, _)| other < number);
        let all = self.0.get(start..).unwrap_or_default();
        all.iter().take_while(move |&&(other, _)| other == number).map(|&(_, offset)| offset)
    }
}

/// FNV-1a.
fn number(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |number, &byte| (number ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl<'a> GoBinary<'a> {
    /// The types called `name` (with its type arguments, without its package) of all packages. The first question makes an index.
    ///
    /// # Errors
    /// The program's type descriptors cannot be read at all.
    pub fn defined_types(&self, name: &str) -> Result<Vec<DefinedType<'a>>, BinaryError> {
        self.with_types(|types| {
            let index = self.type_names.get_or_init(|| NameIndex::new(types));
            let found = index.offsets(name.as_bytes()).filter_map(|offset| {
                let defined = types.region.defined(&types.region.descriptor(offset)?)?;
                (defined.name == name).then_some(defined)
            });
            found.collect()
        })
    }

    /// The defined type whose descriptor is at `address`. Needs no walk over the types.
    #[must_use]
    pub fn defined_type_at(&self, address: VirtAddr) -> Option<DefinedType<'a>> {
        let region = self.type_region().ok()?;
        region.defined(&region.descriptor(region.offset(address.0)?)?)
    }

    /// What the type consists of whose descriptor is at `address`. Needs no walk over the types.
    #[must_use]
    pub fn type_parts(&self, address: VirtAddr) -> Option<TypeParts> {
        let region = self.type_region().ok()?;
        let descriptor = region.descriptor(region.offset(address.0)?)?;
        let at = u64::from(descriptor.offset);
        let element = |offset: u64| region.pointer(at + offset).map(VirtAddr);
        let (elements, len) = match descriptor.kind.form() {
            Form::Basic | Form::Func => (Vec::new(), 0),
            Form::Pointer | Form::Slice | Form::Chan => (vec![element(48)?], 0),
            Form::Map => (vec![element(48)?, element(56)?], 0),
            Form::Array => (vec![element(48)?], region.word(at + 64)?),
            Form::Interface => (Vec::new(), region.interface_methods(&descriptor)?),
            Form::Struct => {
                let fields = region.fields(&descriptor)?.take(MAX_FIELDS + 1).map(|field| Some(field?.type_address));
                (fields.collect::<Option<Vec<_>>>()?, 0)
            }
        };
        (elements.len() <= MAX_FIELDS).then_some(TypeParts { kind: descriptor.kind, size: descriptor.size, elements, len })
    }
}

impl<'a> TypeRegion<'_, 'a> {
    /// What `descriptor` is called; `None` where it has no name.
    fn defined(&self, descriptor: &Descriptor) -> Option<DefinedType<'a>> {
        let text = self.text(descriptor).filter(|_| descriptor.is_named())?;
        let name = short_name(text, MAX_NAME)?;
        let package = text.strip_suffix(name)?;
        let package = package.strip_suffix(b".").unwrap_or(package);
        Some(DefinedType {
            path: std::str::from_utf8(self.package_path(descriptor)?).ok()?,
            package: std::str::from_utf8(package).ok()?,
            name: std::str::from_utf8(name).ok()?,
            address: self.address(descriptor.offset),
        })
    }
}
