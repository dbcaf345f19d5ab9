//! All type descriptors of the program, found by walking from the linker's lists; types and itabs by name.
//!
//! A type has a descriptor if it is ever put into an interface, allocated on the heap, or reachable from such a type.

use super::descriptor::{Descriptor, TypeRegion};
use super::image::Image;
use super::itab::{Itab, contiguous_itabs, linked_itabs};
use super::kind::Kind;
use super::module_data::{ModuleData, TypeIndex};
use super::name_parts::{is_plain, short_name, split_name};
use super::wanted::Wanted;
use super::{BinaryError, VirtAddr};

/// Every descriptor and itab of the program. Owns no bytes of the file.
#[derive(Clone, Debug)]
pub(super) struct TypeList {
    descriptors: Vec<u32>,
    itabs: Vec<Itab>,
}

/// The bytes and the list of what is in them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Types<'b, 'a> {
    pub(super) region: TypeRegion<'b, 'a>,
    pub(super) list: &'b TypeList,
}

impl<'b, 'a> TypeRegion<'b, 'a> {
    /// The part of the image between the two ends that the module data states.
    pub(super) fn new(image: &'b Image<'a>, module_data: &ModuleData) -> Result<Self, BinaryError> {
        let base = module_data.types;
        let corrupt = BinaryError::Corrupt { what: "the region of type descriptors", address: base };
        let len = module_data.types_end.distance_from(base);
        let data = len.and_then(|len| image.bytes(base, len)).ok_or(corrupt)?;
        let map_strides = matches!(module_data.index, TypeIndex::Contiguous { .. });
        Ok(Self { image, base, data, map_strides, offset_embed: false })
    }
}

/// The state of a walk.
struct Walk<'r, 'b, 'a> {
    region: &'r TypeRegion<'b, 'a>,
    /// A bit per 8 bytes of the region.
    seen: Vec<u64>,
    found: Vec<u32>,
}

impl Walk<'_, '_, '_> {
    /// Notes a possible descriptor, once.
    fn add(&mut self, offset: u32) {
        let slot = usize::try_from(offset / 8).unwrap_or(usize::MAX);
        let mask = 1_u64 << (slot % 64);
        if let Some(word) = self.seen.get_mut(slot / 64)
            && *word & mask == 0
            && offset.is_multiple_of(8)
        {
            *word |= mask;
            self.found.push(offset);
        }
    }

    /// Visits what has been noted and whatever that refers to. Keeps only valid descriptors.
    fn run(mut self) -> Result<Vec<u32>, BinaryError> {
        let too_much = BinaryError::Corrupt { what: "the graph of type descriptors", address: self.region.base };
        // References are at least 8 bytes long, so an honest region holds fewer than one per 4 bytes.
        let mut budget = self.region.data.len() / 4 + 1024;
        let mut valid = Vec::with_capacity(self.found.len() * 2);
        while let Some(offset) = self.found.pop() {
            let Some(descriptor) = self.region.descriptor(offset) else {
                continue;
            };
            let region = self.region;
            let read = region.children(&descriptor, &mut |child| self.add(child));
            let read = read.and_then(|read| usize::try_from(read).ok()).unwrap_or(1);
            budget = budget.checked_sub(read).ok_or_else(|| too_much.clone())?;
            valid.push(offset);
        }
        Ok(valid)
    }
}

impl TypeList {
    /// No types: enough to spell out the name of a type whose address is known.
    pub(super) const EMPTY: Self = Self { descriptors: Vec::new(), itabs: Vec::new() };

    /// Finds all descriptors and itabs.
    ///
    /// # Errors
    /// The lists do not lie in the file, or the graph is larger than the region it lies in.
    pub(super) fn find(region: &TypeRegion<'_, '_>, index: TypeIndex) -> Result<Self, BinaryError> {
        let mut walk = Walk { region, seen: vec![0; region.data.len() / 512 + 1], found: Vec::new() };
        let itabs = match index {
            TypeIndex::Links { types: (at, count), itabs } => {
                let corrupt = BinaryError::Corrupt { what: "typelinks", address: at };
                let links = region.image.bytes(at, count * 4).ok_or(corrupt)?;
                links.as_chunks().0.iter().for_each(|link| walk.add(u32::from_le_bytes(*link)));
                linked_itabs(region, itabs)?
            }
            TypeIndex::Contiguous { descriptors_end, itabs } => {
                let end = region.offset(descriptors_end.0).unwrap_or(0);
                let mut next = 8;
                while next < end
                    && let Some(descriptor) = region.descriptor(next)
                {
                    walk.add(next);
                    match region.next(&descriptor) {
                        Some(behind) if behind > next => next = behind,
                        _ => break,
                    }
                }
                contiguous_itabs(region, itabs)
            }
        };
        for itab in &itabs {
            for address in [itab.interface, itab.concrete] {
                if let Some(offset) = region.offset(address) {
                    walk.add(offset);
                }
            }
        }
        Ok(Self { descriptors: walk.run()?, itabs })
    }
}

impl TypeList {
    /// All itabs.
    pub(super) fn itabs(&self) -> &[Itab] {
        &self.itabs
    }
}

impl Types<'_, '_> {
    /// The descriptors, in no particular order.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = Descriptor> {
        self.list.descriptors.iter().filter_map(|&offset| self.region.descriptor(offset))
    }

    /// The descriptor at an address that some other table gave.
    pub(super) fn descriptor_at(&self, address: VirtAddr) -> Option<Descriptor> {
        self.region.descriptor(self.region.offset(address.0)?)
    }

    /// Finds defined types by full name (`net/http.Request`): for each name the descriptor or `None`.
    pub(super) fn find(&self, names: &[&str]) -> Vec<Option<Descriptor>> {
        let split: Vec<_> = names.iter().map(|name| split_name(name)).collect();
        let wanted = Wanted::new(split.iter().map(|&(_, short)| short));
        let mut found = vec![None; names.len()];
        for descriptor in self.descriptors().filter(Descriptor::is_named) {
            let Some(short) = self.region.text(&descriptor).and_then(|text| short_name(text, wanted.longest)) else {
                continue;
            };
            let indices = wanted.find(short);
            if indices.is_empty() {
                continue;
            }
            let package = self.region.package_path(&descriptor);
            for &index in indices {
                if let Some(slot) = found.get_mut(index)
                    && split.get(index).map(|&(path, _)| path.as_bytes()) == package
                {
                    slot.get_or_insert(descriptor);
                }
            }
        }
        found
    }

    /// The descriptor of each name, which may begin with `*`s or be an unnamed type as [`Self::name`] spells it.
    pub(super) fn find_any(&self, names: &[&str]) -> Vec<Option<Descriptor>> {
        let bases: Vec<_> = names.iter().map(|name| name.trim_start_matches('*')).collect();
        let mut found = self.find(&bases);
        for (name, slot) in names.iter().zip(&mut found) {
            if slot.is_some() {
                let stars = name.len() - name.trim_start_matches('*').len();
                for _ in 0..stars {
                    *slot = slot.and_then(|base| self.pointer_to(&base));
                }
            } else if !is_plain(name) {
                *slot = self.find_unnamed(name);
            }
        }
        found
    }

    fn pointer_to(&self, base: &Descriptor) -> Option<Descriptor> {
        let address = self.region.address(base.offset).0;
        let points_here = |candidate: &Descriptor| {
            candidate.kind == Kind::Pointer
                && !candidate.is_named()
                && self.region.pointer(u64::from(candidate.offset) + 48) == Some(address)
        };
        let direct = base.pointer_to_this().and_then(|offset| self.region.descriptor(offset)).filter(points_here);
        direct.or_else(|| self.descriptors().find(points_here))
    }

    fn find_unnamed(&self, name: &str) -> Option<Descriptor> {
        let unnamed = self.descriptors().filter(|descriptor| !descriptor.is_named());
        let same_start = |descriptor: &Descriptor| {
            let text = self.region.text(descriptor)?;
            Some(text.first() == name.as_bytes().first())
        };
        unnamed.filter(|d| same_start(d) == Some(true)).find(|d| self.name(d).as_deref() == Some(name))
    }

    /// The itab of type `concrete` as `interface`.
    pub(super) fn itab(&self, concrete: &Descriptor, interface: &Descriptor) -> Option<VirtAddr> {
        let address = |descriptor: &Descriptor| self.region.address(descriptor.offset).0;
        let (concrete, interface) = (address(concrete), address(interface));
        let itab = self.list.itabs.iter().find(|itab| itab.interface == interface && itab.concrete == concrete)?;
        Some(itab.address)
    }
}

#[cfg(test)]
mod tests {
    use super::super::image::tests::{DATA, elf};
    use super::*;

    const BASE: u64 = 0x1000;

    /// A descriptor's header.
    fn header(kind: u8, flags: u8, size: u64, name: i32) -> Vec<u8> {
        let mut bytes = [size.to_le_bytes(), size.to_le_bytes()].concat();
        bytes.extend([0, 0, 0, 0, flags, 8, 8, kind]);
        bytes.extend([0; 16]);
        bytes.extend(name.to_le_bytes());
        bytes.extend([0; 4]);
        bytes
    }

    /// A region with one link, to its first descriptor, which is at offset 8.
    fn list_of(region: &[u8]) -> (Vec<u8>, Result<TypeList, BinaryError>) {
        let file = elf(false, &[(BASE, DATA, region), (0x9000, DATA, &8_u32.to_le_bytes())], None);
        let image = Image::parse(&file).unwrap();
        let data = image.bytes(VirtAddr(BASE), u64::try_from(region.len()).unwrap()).unwrap();
        let region = TypeRegion { image: &image, base: VirtAddr(BASE), data, map_strides: false, offset_embed: false };
        let index = TypeIndex::Links { types: (VirtAddr(0x9000), 1), itabs: (VirtAddr(0x9000), 0) };
        let list = TypeList::find(&region, index);
        drop(image);
        (file, list)
    }

    /// `*T` where `T` is again that pointer type.
    #[test]
    fn a_cycle_ends() {
        let mut region = vec![0; 8];
        region.extend(header(22, 0, 8, 0));
        region.extend((BASE + 8).to_le_bytes());
        let (file, list) = list_of(&region);
        let list = list.unwrap();
        assert_eq!(list.descriptors, [8]);
        let image = Image::parse(&file).unwrap();
        let data = image.bytes(VirtAddr(BASE), 64).unwrap();
        let region = TypeRegion { image: &image, base: VirtAddr(BASE), data, map_strides: false, offset_embed: false };
        let types = Types { region, list: &list };
        let descriptor = types.descriptor_at(VirtAddr(BASE + 8)).unwrap();
        assert_eq!(types.name(&descriptor), None);
        assert!(types.find_any(&["**a.T", "a.T"]).iter().all(Option::is_none));
    }

    #[test]
    fn a_struct_with_more_fields_than_the_file_has_bytes_has_no_layout() {
        let mut region = vec![0; 8];
        region.extend(header(25, 0, 8, 0));
        for word in [0, BASE, u64::MAX / 24, u64::MAX / 24] {
            region.extend(word.to_le_bytes());
        }
        let (file, list) = list_of(&region);
        assert_eq!(list.unwrap().descriptors, [8]);
        let image = Image::parse(&file).unwrap();
        let region = TypeRegion { image: &image, base: VirtAddr(BASE), data: &region, map_strides: false, offset_embed: false };
        let descriptor = region.descriptor(8).unwrap();
        assert!(region.fields(&descriptor).is_none());
    }
}
