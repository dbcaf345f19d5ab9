//! Which types the program uses as an interface, and what pointer types point to.

use super::{BinaryError, GoBinary, VirtAddr};
use crate::binary::kind::Kind;

impl GoBinary<'_> {
    /// The types of which the linker made an itab for the interface whose descriptor is at `interface`: the addresses of
    /// their descriptors, each once. Conversions that only the running program decides on are not among them.
    ///
    /// # Errors
    /// The program's type descriptors cannot be read at all.
    pub fn implementers(&self, interface: VirtAddr) -> Result<Vec<VirtAddr>, BinaryError> {
        self.with_types(|types| {
            let itabs = types.list.itabs().iter().filter(|itab| itab.interface == interface.0);
            let mut found: Vec<VirtAddr> = itabs.map(|itab| VirtAddr(itab.concrete)).collect();
            found.sort_unstable();
            found.dedup();
            found
        })
    }

    /// The table that the linker made for the type whose descriptor is at `concrete` as the interface at `interface`, if it made one.
    ///
    /// # Errors
    /// As [`Self::implementers`].
    pub fn itab_at(&self, concrete: VirtAddr, interface: VirtAddr) -> Result<Option<VirtAddr>, BinaryError> {
        self.with_types(|types| {
            let is_it = |itab: &&super::itab::Itab| itab.interface == interface.0 && itab.concrete == concrete.0;
            types.list.itabs().iter().find(is_it).map(|itab| itab.address)
        })
    }

    /// The type that the itab at `address` is for, as the file has it; `None` where there is none. Needs no walk over the types.
    #[must_use]
    pub fn type_of_itab(&self, address: VirtAddr) -> Option<VirtAddr> {
        // `internal/abi.ITab`: the interface, then the type.
        self.image.word(address.checked_add(8)?).map(VirtAddr)
    }

    /// The type that the pointer type whose descriptor is at `pointer` points to; `None` where it is no pointer type.
    ///
    /// # Errors
    /// As [`Self::implementers`].
    pub fn pointed_to(&self, pointer: VirtAddr) -> Result<Option<VirtAddr>, BinaryError> {
        self.with_types(|types| {
            let descriptor = types.descriptor_at(pointer).filter(|found| found.kind == Kind::Pointer)?;
            let element = types.region.descriptor_behind(u64::from(descriptor.offset) + 48)?;
            Some(types.region.address(element.offset))
        })
    }
}
