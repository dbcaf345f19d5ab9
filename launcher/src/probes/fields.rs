//! Offsets of fields from the binary into the settings of the BPF object, noting where each came from.

use bpf::config::{ABSENT, MapLayout as MapSettings, Offset, Setting};

use serde::Serialize;

use super::left_out::LeftOut;
use crate::binary::{Layouts, MapLayout};

/// Where an offset came from.
#[derive(Clone, Debug, Serialize)]
pub struct FieldSource {
    /// `type.field`.
    pub field: String,
    /// Byte offset; `None` where the program has no such field.
    pub offset: Option<u64>,
    /// For people: `type descriptor`.
    pub source: &'static str,
}

/// Looks fields up and keeps the list of what was found for `--check`.
#[derive(Debug)]
pub struct FieldReader<'a> {
    layouts: &'a Layouts,
    /// What was looked up.
    pub sources: Vec<FieldSource>,
}

impl<'a> FieldReader<'a> {
    /// Reads from these layouts.
    #[must_use]
    pub fn new(layouts: &'a Layouts) -> Self {
        Self { layouts, sources: Vec::new() }
    }

    /// A field without which nothing works.
    ///
    /// # Errors
    /// Where the program describes no such type or field.
    pub fn required(&mut self, type_name: &str, field: &str) -> Result<Offset, LeftOut> {
        let offset = self.optional(type_name, field);
        if offset.get() == ABSENT {
            return Err(LeftOut::NotUnderstood(format!("the program describes no field {type_name}.{field}")));
        }
        Ok(offset)
    }

    /// A field of `size` words, such as a string of two, that must lie in the first `words` words, which a probe reads at once.
    ///
    /// # Errors
    /// Where the program describes no such type or field, or it lies further behind.
    pub fn within(&mut self, type_name: &str, field: &str, size: usize, words: usize) -> Result<Offset, LeftOut> {
        let offset = self.required(type_name, field)?;
        let at = offset.get();
        if at as usize + size * 8 > words * 8 || !at.is_multiple_of(8) {
            return Err(LeftOut::NotUnderstood(format!("{type_name}.{field} lies at {at}, further than expected")));
        }
        Ok(offset)
    }

    /// A field that may be missing; [`ABSENT`] then.
    pub fn optional(&mut self, type_name: &str, field: &str) -> Offset {
        let offset = self.layouts.field(type_name, field).map(|field| field.offset);
        self.sources.push(FieldSource { field: format!("{type_name}.{field}"), offset, source: "type descriptor" });
        Setting::new(offset.and_then(|offset| u32::try_from(offset).ok()).unwrap_or(ABSENT))
    }

    /// A field of the struct of type `inner_type` that is the field `outer` of another; [`ABSENT`] where either is missing.
    pub fn nested(&mut self, type_name: &str, outer: &str, inner_type: &str, inner: &str) -> Offset {
        let (outer, inner) = (self.optional(type_name, outer).get(), self.optional(inner_type, inner).get());
        Setting::new(if outer == ABSENT || inner == ABSENT { ABSENT } else { outer.saturating_add(inner) })
    }

    /// `runtime.g.stack.hi`, from which the depth of a stack is counted.
    ///
    /// # Errors
    /// Where the program does not describe it.
    pub fn stack_high(&mut self) -> Result<u32, LeftOut> {
        let high = self.nested("runtime.g", "stack", "runtime.stack", "hi").get();
        if high == ABSENT {
            return Err(LeftOut::NotUnderstood("the program does not describe where a goroutine's stack ends".to_owned()));
        }
        Ok(high)
    }

    /// How to read the map type `type_name`, whose keys are strings and whose elements are slices.
    ///
    /// # Errors
    /// Where the program does not describe it, or it does not look as expected.
    pub fn string_map(&mut self, type_name: &str) -> Result<MapSettings, LeftOut> {
        let settings = self.map(type_name)?;
        // The probe reads keys in one piece (`bpf::go::header`): at strides of a key or of a key and a slice.
        let keys_at_once = match settings.key_stride.get() {
            16 => 8,
            40 => 4,
            _ => return Err(LeftOut::NotUnderstood(format!("the map type {type_name} has slots that are not understood"))),
        };
        Ok(MapSettings { keys_at_once: Setting::new(keys_at_once), ..settings })
    }

    /// How to read the map type `type_name`, whose keys are strings, key by key.
    ///
    /// # Errors
    /// As above.
    pub fn map(&mut self, type_name: &str) -> Result<MapSettings, LeftOut> {
        let not_understood = |what: &str| LeftOut::NotUnderstood(format!("the map type {type_name} {what}"));
        let map = self.layouts.map(type_name).ok_or_else(|| not_understood("is not described by the program"))?;
        let number = |value: u64| u32::try_from(value).map(Setting::new).map_err(|_too_large| not_understood("is too large"));
        let absent = Setting::new(ABSENT);
        let (slots, settings) = match map {
            MapLayout::Swiss(swiss) => (
                swiss.slots,
                MapSettings {
                    swiss: Setting::new(1),
                    // Bit 7 of a full slot's control byte is clear (`internal/runtime/maps/group.go`).
                    full_from: Setting::new(0),
                    full_count: Setting::new(0x80),
                    count: number(swiss.used)?,
                    directory: number(swiss.dir_ptr)?,
                    directory_length: number(swiss.dir_len)?,
                    table_groups: number(swiss.table_groups)?,
                    table_mask: number(swiss.table_length_mask)?,
                    old_buckets: absent,
                    overflow: absent,
                    ..bpf::config::http_server::EMPTY_HTTP_SERVER.header_map
                },
            ),
            MapLayout::Hmap(hmap) => (
                hmap.slots,
                MapSettings {
                    swiss: Setting::new(0),
                    // `minTopHash` (`runtime/map.go`).
                    full_from: Setting::new(5),
                    full_count: Setting::new(0x100 - 5),
                    count: number(hmap.count)?,
                    directory: number(hmap.buckets)?,
                    directory_length: number(hmap.log2_buckets)?,
                    table_groups: absent,
                    table_mask: absent,
                    old_buckets: number(hmap.old_buckets)?,
                    overflow: number(hmap.overflow)?,
                    ..bpf::config::http_server::EMPTY_HTTP_SERVER.header_map
                },
            ),
        };
        let in_header = [settings.count, settings.directory, settings.directory_length, settings.old_buckets];
        let header_bytes = bpf::go::map::MAP_WORDS * 8;
        if in_header.iter().any(|offset| offset.get() != ABSENT && offset.get() >= header_bytes) {
            return Err(not_understood("has a header that is not understood"));
        }
        if slots.keys_offset != 8 || slots.key_size != 16 || slots.indirect_key || slots.indirect_elem {
            return Err(not_understood("has slots that are not understood"));
        }
        let source = match map {
            MapLayout::Swiss(_) => "map type descriptor (swiss map)",
            MapLayout::Hmap(_) => "map type descriptor (hmap)",
        };
        self.sources.push(FieldSource { field: format!("{type_name} keys"), offset: Some(slots.keys_offset), source });
        Ok(MapSettings {
            keys: number(slots.keys_offset)?,
            key_stride: number(slots.key_stride)?,
            keys_at_once: Setting::new(1),
            elements: number(slots.elems_offset)?,
            element_stride: number(slots.elem_stride)?,
            group_size: number(slots.group_size)?,
            ..settings
        })
    }
}
