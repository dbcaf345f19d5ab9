//! One type descriptor (`internal/abi.Type` and what follows it for each kind): decoding, names, children.
//!
//! The layout of the header is the same in all supported Go versions; see `internal/abi/type.go`.

use super::VirtAddr;
use super::bytes::{i32_at, tail, u8_at, u16_at, u32_at, u64_at, varint_string};
use super::image::Image;
use super::kind::{Form, Kind};
use super::map_format::MapFormat;

/// Length of the header that all kinds have.
pub(super) const HEADER: u64 = 48;
/// Longer names are those of damaged files.
const MAX_NAME: usize = 1 << 16;
/// `tflag`: the uncommon part (package path, methods) follows the kind's own part.
const UNCOMMON: u8 = 1;
/// `tflag`: the name is stored with a leading `*` that does not belong to it.
const EXTRA_STAR: u8 = 2;
/// `tflag`: the type has a name.
const NAMED: u8 = 4;

/// The bytes that descriptors, their names and type offsets lie in.
#[derive(Clone, Copy, Debug)]
pub(super) struct TypeRegion<'b, 'a> {
    pub(super) image: &'b Image<'a>,
    pub(super) base: VirtAddr,
    pub(super) data: &'a [u8],
    /// Whether map descriptors have strides (Go ≥ 1.27).
    pub(super) map_strides: bool,
    /// Whether the lowest bit of a field's offset says that it is embedded and the offset is in the others (Go 1.18).
    pub(super) offset_embed: bool,
}

/// The header of a descriptor that passed the checks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptor {
    /// From the start of the region.
    pub(super) offset: u32,
    pub(super) size: u64,
    pub(super) kind: Kind,
    flags: u8,
    name: i32,
    pointer_to_this: i32,
}

impl Descriptor {
    /// Whether it is a defined type such as `http.Header`, as opposed to `map[string][]string`.
    pub(super) fn is_named(&self) -> bool {
        self.flags & NAMED != 0
    }

    /// Where the descriptor of the pointer to this type is, if this one says so.
    pub(super) fn pointer_to_this(&self) -> Option<u32> {
        u32::try_from(self.pointer_to_this).ok().filter(|&offset| offset != 0)
    }
}

impl<'a> TypeRegion<'_, 'a> {
    /// The address of what lies at `offset`.
    pub(super) fn address(&self, offset: u32) -> VirtAddr {
        VirtAddr(self.base.0.wrapping_add(offset.into()))
    }

    /// The offset of `address`, if it lies in the region.
    pub(super) fn offset(&self, address: u64) -> Option<u32> {
        let offset = u32::try_from(address.checked_sub(self.base.0)?).ok()?;
        (usize::try_from(offset).ok()? < self.data.len()).then_some(offset)
    }

    pub(super) fn from(&self, offset: u64) -> Option<&'a [u8]> {
        tail(self.data, offset)
    }

    /// The pointer at `offset`, relocated.
    pub(super) fn pointer(&self, offset: u64) -> Option<u64> {
        match u64_at(self.from(offset)?, 0)? {
            0 => self.image.relocated(self.base.checked_add(offset)?).or(Some(0)),
            word => Some(word),
        }
    }

    /// The plain word at `offset`.
    pub(super) fn word(&self, offset: u64) -> Option<u64> {
        u64_at(self.from(offset)?, 0)
    }

    /// Decodes and checks the header at `offset`.
    pub(super) fn descriptor(&self, offset: u32) -> Option<Descriptor> {
        let bytes = self.from(offset.into())?.get(..48)?;
        let (size, pointers) = (u64_at(bytes, 0)?, u64_at(bytes, 8)?);
        let aligned = offset.is_multiple_of(8) && u8_at(bytes, 21)?.is_power_of_two();
        (aligned && pointers <= size).then_some(())?;
        Some(Descriptor {
            offset,
            size,
            kind: Kind::from_number(u8_at(bytes, 23)?)?,
            flags: u8_at(bytes, 20)?,
            name: i32_at(bytes, 40)?,
            pointer_to_this: i32_at(bytes, 44)?,
        })
    }

    /// The descriptor that the pointer at `offset` refers to.
    pub(super) fn descriptor_behind(&self, offset: u64) -> Option<Descriptor> {
        self.descriptor(self.offset(self.pointer(offset)?)?)
    }

    /// The name at an offset from the region's start: a flag byte, a length, the text.
    fn name_at_offset(&self, offset: i32) -> Option<&'a [u8]> {
        let offset = u64::try_from(offset).ok().filter(|&offset| offset != 0)?;
        name_text(self.from(offset)?)
    }

    /// The name at an address, with its flag byte.
    fn name_at(&self, address: u64) -> Option<(u8, &'a [u8])> {
        let bytes = match self.offset(address) {
            Some(offset) => self.from(offset.into())?,
            None => self.image.bytes_from(VirtAddr(address))?,
        };
        Some((u8_at(bytes, 0)?, name_text(bytes)?))
    }

    /// The type's own text: package name (not path), name, or the literal type.
    pub(super) fn text(&self, descriptor: &Descriptor) -> Option<&'a [u8]> {
        let text = self.name_at_offset(descriptor.name)?;
        if descriptor.flags & EXTRA_STAR != 0 { text.strip_prefix(b"*") } else { Some(text) }
    }

    /// The import path of the package that defines the type; empty for `error` and the like.
    pub(super) fn package_path(&self, descriptor: &Descriptor) -> Option<&'a [u8]> {
        match self.uncommon(descriptor) {
            Some(uncommon) => match i32_at(self.from(uncommon)?, 0)? {
                0 | -1 => Some(b""),
                name => self.name_at_offset(name),
            },
            None => Some(b""),
        }
    }

    /// Which format the map descriptor has: the bucket's or group's size must be the size of its type.
    pub(super) fn map_format(&self, descriptor: &Descriptor) -> Option<MapFormat> {
        let at = u64::from(descriptor.offset);
        let size = self.descriptor_behind(at + 64)?.size;
        if self.word(at + 80)? == size {
            return Some(if self.map_strides { MapFormat::Strides } else { MapFormat::Slots });
        }
        let bucket_size = u16_at(self.from(at + 82)?, 0)?;
        (u64::from(bucket_size) == size).then_some(MapFormat::Hmap)
    }

    /// The size of the descriptor without its uncommon part.
    fn own_len(&self, descriptor: &Descriptor) -> Option<u64> {
        Some(match descriptor.kind.form() {
            Form::Basic => HEADER,
            Form::Pointer | Form::Slice | Form::Func => HEADER + 8,
            Form::Chan => HEADER + 16,
            Form::Array => HEADER + 24,
            Form::Interface | Form::Struct => HEADER + 32,
            Form::Map => self.map_format(descriptor)?.descriptor_len(),
        })
    }

    /// Where the uncommon part is: {package path i32, methods u16, exported u16, methods' offset u32, unused u32}.
    pub(super) fn uncommon(&self, descriptor: &Descriptor) -> Option<u64> {
        (descriptor.flags & UNCOMMON != 0).then_some(())?;
        u64::from(descriptor.offset).checked_add(self.own_len(descriptor)?)
    }

    /// Where the next descriptor begins if they stand one after the other (Go ≥ 1.27): behind the own part, the
    /// uncommon part, the fields or parameters, and the methods.
    pub(super) fn next(&self, descriptor: &Descriptor) -> Option<u32> {
        let own = u64::from(descriptor.offset) + self.own_len(descriptor)?;
        let methods = match self.uncommon(descriptor) {
            Some(uncommon) => 16 + 16 * self.methods(uncommon)?.1,
            None => 0,
        };
        let list = match descriptor.kind.form() {
            Form::Func => {
                let (inputs, outputs) = self.func_counts(descriptor)?;
                8 * (u64::from(inputs) + u64::from(outputs))
            }
            Form::Struct | Form::Interface => self.list(descriptor).map(|(_, count, stride)| count * stride)?,
            Form::Basic | Form::Array | Form::Chan | Form::Map | Form::Pointer | Form::Slice => 0,
        };
        u32::try_from((own + methods + list).checked_next_multiple_of(8)?).ok()
    }

    /// Offset and number of the methods described by the uncommon part at `uncommon`.
    pub(super) fn methods(&self, uncommon: u64) -> Option<(u64, u64)> {
        let bytes = self.from(uncommon)?;
        Some((uncommon.checked_add(u32_at(bytes, 8)?.into())?, u16_at(bytes, 4)?.into()))
    }

    /// Offset, count and stride of the fields of a struct or the methods of an interface.
    fn list(&self, descriptor: &Descriptor) -> Option<(u32, u64, u64)> {
        let stride = if descriptor.kind == Kind::Struct { 24 } else { 8 };
        matches!(descriptor.kind, Kind::Struct | Kind::Interface).then_some(())?;
        let at = u64::from(descriptor.offset);
        let (list, count) = (self.pointer(at + 56)?, self.word(at + 64)?);
        if count == 0 {
            return Some((0, 0, stride));
        }
        let list = self.offset(list)?;
        let room = u64::try_from(self.data.len()).ok()?.checked_sub(list.into())?;
        (count <= room / stride).then_some((list, count, stride))
    }

    /// The number of methods of an interface.
    pub(super) fn interface_methods(&self, descriptor: &Descriptor) -> Option<u64> {
        self.list(descriptor).map(|(_, count, _)| count)
    }

    /// The fields of a struct, none for other types; `None` if the list does not lie in the region.
    pub(super) fn fields(&self, descriptor: &Descriptor) -> Option<impl Iterator<Item = Option<RawField<'a>>>> {
        let list = if descriptor.kind == Kind::Struct { self.list(descriptor)? } else { (0, 0, 0) };
        let (list, count, stride) = list;
        let fields = (0..count).map(move |index| {
            let at = u64::from(list) + index * stride;
            let (flags, name) = self.name_at(self.pointer(at)?)?;
            let type_address = VirtAddr(self.pointer(at + 8)?);
            let name = std::str::from_utf8(name).ok()?;
            let word = self.word(at + 16)?;
            let (embedded, offset) = if self.offset_embed { (word & 1 != 0, word >> 1) } else { (flags & 8 != 0, word) };
            Some(RawField { name, embedded, offset, type_address })
        });
        Some(fields)
    }

    /// Calls `visit` with the offset of each descriptor that this one refers to. Returns how many references it read.
    pub(super) fn children(&self, descriptor: &Descriptor, visit: &mut impl FnMut(u32)) -> Option<u64> {
        let at = u64::from(descriptor.offset);
        let mut read = 1;
        let mut pointer = |offset: u64| {
            read += 1;
            if let Some(child) = self.pointer(offset).and_then(|address| self.offset(address)) {
                visit(child);
            }
        };
        match descriptor.kind.form() {
            Form::Pointer | Form::Slice | Form::Chan => pointer(at + 48),
            Form::Array => (48..64).step_by(8).for_each(|field| pointer(at + field)),
            Form::Map => (48..72).step_by(8).for_each(|field| pointer(at + field)),
            Form::Func => {
                let (inputs, outputs) = self.func_counts(descriptor)?;
                let first = self.func_types(descriptor);
                (0..u64::from(inputs) + u64::from(outputs)).for_each(|index| pointer(first + 8 * index));
            }
            Form::Struct => {
                let (list, count, stride) = self.list(descriptor)?;
                (0..count).for_each(|index| pointer(u64::from(list) + index * stride + 8));
            }
            Form::Basic | Form::Interface => {}
        }
        let mut relative = |offset: i32| {
            read += 1;
            if let Ok(child @ 1..) = u32::try_from(offset) {
                visit(child);
            }
        };
        relative(descriptor.pointer_to_this);
        if descriptor.kind == Kind::Interface {
            let (list, count, stride) = self.list(descriptor)?;
            for index in 0..count {
                relative(i32_at(self.from(u64::from(list) + index * stride + 4)?, 0)?);
            }
        }
        if let Some(uncommon) = self.uncommon(descriptor) {
            let (methods, count) = self.methods(uncommon)?;
            for index in 0..count {
                relative(i32_at(self.from(methods.checked_add(16 * index + 4)?)?, 0)?);
            }
        }
        Some(read)
    }
}

/// A struct's field as its descriptor states it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawField<'a> {
    pub(super) name: &'a str,
    pub(super) embedded: bool,
    pub(super) offset: u64,
    pub(super) type_address: VirtAddr,
}

/// The text of a name: behind its flag byte, preceded by its length.
fn name_text(bytes: &[u8]) -> Option<&[u8]> {
    let (text, _) = varint_string(bytes.get(1..)?)?;
    (text.len() <= MAX_NAME).then_some(text)
}
