//! How to read a Go map: the hash table's own structs and where keys and elements lie in it.
//!
//! The numbers come from the map type's descriptor and from the descriptors of the runtime's own structs.

use std::cell::OnceCell;

use serde::Serialize;

use super::bytes::{u8_at, u16_at, u32_at};
use super::descriptor::Descriptor;
use super::kind::Kind;
use super::map_format::MapFormat;
use super::types::Types;

/// Slots in a bucket or group, of either implementation.
pub const MAP_SLOTS: u64 = 8;

/// Which implementation, and its numbers. All offsets and sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MapLayout {
    /// Buckets with overflow chains: Go ≤ 1.23, or built with `GOEXPERIMENT=noswissmap`.
    Hmap(HmapLayout),
    /// Groups with control words: Go ≥ 1.24.
    Swiss(SwissLayout),
}

/// Where keys and elements lie in a bucket or group, and their sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SlotLayout {
    /// Size of the bucket or group.
    pub group_size: u64,
    /// Key `i` lies at `keys_offset + i * key_stride` of the bucket or group.
    pub keys_offset: u64,
    /// See `keys_offset`.
    pub key_stride: u64,
    /// Element `i` lies at `elems_offset + i * elem_stride`.
    pub elems_offset: u64,
    /// See `elems_offset`.
    pub elem_stride: u64,
    /// Size of a key.
    pub key_size: u64,
    /// Size of an element.
    pub elem_size: u64,
    /// The slot holds a pointer to the key, not the key.
    pub indirect_key: bool,
    /// The slot holds a pointer to the element, not the element.
    pub indirect_elem: bool,
}

/// A `runtime.hmap` and its buckets. A bucket begins with one `tophash` byte per slot, which is above 4 if the slot is
/// full (`runtime.minTopHash` = 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HmapLayout {
    /// `hmap.count`: number of entries (int).
    pub count: u64,
    /// `hmap.B` (uint8): there are `1 << B` buckets.
    pub log2_buckets: u64,
    /// `hmap.buckets`: pointer to the array of buckets.
    pub buckets: u64,
    /// `hmap.oldbuckets`: pointer to the array before growth, half as long or as long; nil if not growing.
    pub old_buckets: u64,
    /// The pointer to the next bucket of the chain, in a bucket.
    pub overflow: u64,
    /// Where keys and elements lie in a bucket.
    pub slots: SlotLayout,
}

/// An `internal/runtime/maps.Map`, its tables and groups. A group begins with a control word of one byte per slot, whose
/// bit 7 is clear if the slot is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SwissLayout {
    /// `Map.used`: number of entries (uint64).
    pub used: u64,
    /// `Map.dirPtr`: the only group if `dirLen` is 0, else an array of `dirLen` pointers to tables.
    pub dir_ptr: u64,
    /// `Map.dirLen` (int).
    pub dir_len: u64,
    /// `table.groups.data`: pointer to the array of groups, in a table.
    pub table_groups: u64,
    /// `table.groups.lengthMask` (uint64): number of groups − 1, in a table.
    pub table_length_mask: u64,
    /// Where keys and elements lie in a group.
    pub slots: SlotLayout,
}

/// Offsets in `runtime.hmap`: count, B, buckets, oldbuckets.
type Hmap = [u64; 4];
/// Offsets in `maps.Map`: used, dirPtr, dirLen; in `maps.table`: groups.data, groups.lengthMask.
type Swiss = [u64; 5];

/// Reads map layouts; looks the runtime's structs up once, and only if there is a map.
#[derive(Debug)]
pub(super) struct MapReader<'t, 'b, 'a> {
    types: &'t Types<'b, 'a>,
    structs: OnceCell<(Option<Hmap>, Option<Swiss>)>,
}

impl<'t, 'b, 'a> MapReader<'t, 'b, 'a> {
    pub(super) fn new(types: &'t Types<'b, 'a>) -> Self {
        Self { types, structs: OnceCell::new() }
    }

    fn structs(&self) -> &(Option<Hmap>, Option<Swiss>) {
        self.structs.get_or_init(|| {
            let names = [
                "runtime.hmap",
                "internal/runtime/maps.Map",
                "internal/runtime/maps.table",
                "internal/runtime/maps.groupsReference",
            ];
            let found = self.types.find(&names);
            let offset = |index: usize, field: &str| {
                let descriptor = found.get(index).copied().flatten()?;
                self.types.region.fields(&descriptor)?.flatten().find(|raw| raw.name == field).map(|raw| raw.offset)
            };
            let hmap = || Some([offset(0, "count")?, offset(0, "B")?, offset(0, "buckets")?, offset(0, "oldbuckets")?]);
            let swiss = || {
                let groups = offset(2, "groups")?;
                let (data, mask) = (groups.checked_add(offset(3, "data")?)?, groups.checked_add(offset(3, "lengthMask")?)?);
                Some([offset(1, "used")?, offset(1, "dirPtr")?, offset(1, "dirLen")?, data, mask])
            };
            (hmap(), swiss())
        })
    }

    /// How to read values of the map type `descriptor`; `None` for other types and for maps that are not understood.
    pub(super) fn layout(&self, descriptor: &Descriptor) -> Option<MapLayout> {
        (descriptor.kind == Kind::Map).then_some(())?;
        let format = self.types.region.map_format(descriptor)?;
        let slots = self.slots(descriptor, format)?;
        let (hmap, swiss) = self.structs();
        match format {
            MapFormat::Hmap => {
                let [count, log2_buckets, buckets, old_buckets] = (*hmap)?;
                let overflow = slots.group_size.checked_sub(8)?;
                Some(MapLayout::Hmap(HmapLayout { count, log2_buckets, buckets, old_buckets, overflow, slots }))
            }
            MapFormat::Slots | MapFormat::Strides => {
                let [used, dir_ptr, dir_len, table_groups, table_length_mask] = (*swiss)?;
                let layout = SwissLayout { used, dir_ptr, dir_len, table_groups, table_length_mask, slots };
                Some(MapLayout::Swiss(layout))
            }
        }
    }

    fn slots(&self, descriptor: &Descriptor, format: MapFormat) -> Option<SlotLayout> {
        let region = &self.types.region;
        let at = u64::from(descriptor.offset);
        let own = region.data.get(usize::try_from(at).ok()?..)?;
        let key_size = region.descriptor_behind(at + 48)?.size;
        let elem_size = region.descriptor_behind(at + 56)?.size;
        let group_size = region.descriptor_behind(at + 64)?.size;
        let (positions, indirect) = match format {
            MapFormat::Hmap => {
                let (key, elem) = (u64::from(u8_at(own, 80)?), u64::from(u8_at(own, 81)?));
                (u64::from(u16_at(own, 82)?) == group_size).then_some(())?;
                let flags = u32_at(own, 84)?;
                ([MAP_SLOTS, key, MAP_SLOTS + MAP_SLOTS * key, elem], (flags & 1, flags & 2))
            }
            MapFormat::Slots => {
                let (slot, elem) = (region.word(at + 88)?, region.word(at + 96)?);
                let flags = u32_at(own, 104)?;
                ([8, slot, 8_u64.checked_add(elem)?, slot], (flags & 4, flags & 8))
            }
            MapFormat::Strides => {
                let word = |offset: u64| region.word(at + offset);
                let flags = u32_at(own, 128)?;
                ([word(88)?, word(96)?, word(104)?, word(112)?], (flags & 4, flags & 8))
            }
        };
        let [keys_offset, key_stride, elems_offset, elem_stride] = positions;
        let (indirect_key, indirect_elem) = (indirect.0 != 0, indirect.1 != 0);
        let fits = |first: u64, stride: u64, size: u64, is_pointer: bool| {
            let size = if is_pointer { 8 } else { size };
            let end = stride.checked_mul(MAP_SLOTS - 1)?.checked_add(first)?.checked_add(size)?;
            (end <= group_size).then_some(())
        };
        fits(keys_offset, key_stride, key_size, indirect_key)?;
        fits(elems_offset, elem_stride, elem_size, indirect_elem)?;
        Some(SlotLayout {
            group_size,
            keys_offset,
            key_stride,
            elems_offset,
            elem_stride,
            key_size,
            elem_size,
            indirect_key,
            indirect_elem,
        })
    }
}
