//! Itabs, the method tables that the linker made: {interface, type, hash, methods}.

use super::descriptor::TypeRegion;
use super::image::Image;
use super::{BinaryError, VirtAddr};

/// More pairs of interface and type than this are not looked at.
const MAX_ITABS: u64 = 1 << 20;

/// A method table: type `concrete` seen as `interface`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Itab {
    pub(super) address: VirtAddr,
    pub(super) interface: u64,
    pub(super) concrete: u64,
}

/// `itablinks`: pointers to itabs.
pub(super) fn linked_itabs(region: &TypeRegion<'_, '_>, (at, count): (VirtAddr, u64)) -> Result<Vec<Itab>, BinaryError> {
    let corrupt = BinaryError::Corrupt { what: "itablinks", address: at };
    let image = region.image;
    image.bytes(at, count * 8).ok_or(corrupt)?;
    let links = (0..count.min(MAX_ITABS)).filter_map(|index| image.word(at.checked_add(8 * index)?));
    Ok(links.filter_map(|address| itab(image, VirtAddr(address))).collect())
}

/// Itabs one after the other, each with as many method pointers as its interface has methods, at least one.
pub(super) fn contiguous_itabs(region: &TypeRegion<'_, '_>, (at, len): (VirtAddr, u64)) -> Vec<Itab> {
    let mut found = Vec::new();
    let mut distance = 0;
    while distance < len
        && let Some(itab) = at.checked_add(distance).and_then(|address| itab(region.image, address))
        && let Some(interface) = region.offset(itab.interface).and_then(|offset| region.descriptor(offset))
        && let Some(methods) = region.interface_methods(&interface)
    {
        found.push(itab);
        distance += 24 + 8 * methods.max(1);
    }
    found
}

fn itab(image: &Image<'_>, address: VirtAddr) -> Option<Itab> {
    let interface = image.word(address)?;
    let concrete = image.word(address.checked_add(8)?)?;
    Some(Itab { address, interface, concrete })
}
