//! From a type to what it points to or consists of, and back.

use super::kind::{Form, Kind};
use super::{GoBinary, VirtAddr};
use crate::binary::types::{TypeList, Types};

impl GoBinary<'_> {
    /// The type of the elements of the pointer, slice, array or channel type, or of the values of the map type, whose descriptor is at
    /// `address`. Needs no walk over the types.
    #[must_use]
    pub fn element_of(&self, address: VirtAddr) -> Option<VirtAddr> {
        let region = self.type_region().ok()?;
        let descriptor = region.descriptor(region.offset(address.0)?)?;
        let at = match descriptor.kind.form() {
            Form::Pointer | Form::Slice | Form::Array | Form::Chan => 48,
            Form::Map => 56,
            Form::Basic | Form::Func | Form::Interface | Form::Struct => return None,
        };
        let element = region.descriptor_behind(u64::from(descriptor.offset) + at)?;
        Some(region.address(element.offset))
    }

    /// The number of elements of the array type whose descriptor is at `address`.
    #[must_use]
    pub fn array_length(&self, address: VirtAddr) -> Option<u64> {
        let region = self.type_region().ok()?;
        let descriptor = region.descriptor(region.offset(address.0)?)?;
        (descriptor.kind == Kind::Array).then(|| region.word(u64::from(descriptor.offset) + 64)).flatten()
    }

    /// The number of methods of the interface type whose descriptor is at `address`.
    #[must_use]
    pub fn method_count(&self, address: VirtAddr) -> Option<u64> {
        let region = self.type_region().ok()?;
        region.interface_methods(&region.descriptor(region.offset(address.0)?)?)
    }

    /// The kind and size of the type whose descriptor is at `address`. Needs no walk over the types.
    #[must_use]
    pub fn kind_at(&self, address: VirtAddr) -> Option<(Kind, u64)> {
        let region = self.type_region().ok()?;
        let descriptor = region.descriptor(region.offset(address.0)?)?;
        Some((descriptor.kind, descriptor.size))
    }

    /// The fields of the struct type whose descriptor is at `address`; none for other types. Needs no walk over the types.
    #[must_use]
    pub fn fields_at(&self, address: VirtAddr) -> Vec<super::Field> {
        let Ok(region) = self.type_region() else {
            return Vec::new();
        };
        let types = Types { region, list: &TypeList::EMPTY };
        types.descriptor_at(address).and_then(|descriptor| super::layout::fields(&types, &descriptor)).unwrap_or_default()
    }
}
