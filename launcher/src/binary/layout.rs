//! Where the fields of a type lie, from the program's own type descriptors.

use std::collections::BTreeMap;

use serde::Serialize;

use super::VirtAddr;
use super::descriptor::Descriptor;
use super::kind::Kind;
use super::map_layout::{MapLayout, MapReader};
use super::types::Types;

/// No struct of real code has more fields; a limit for damaged files.
const MAX_FIELDS: usize = 4096;

/// A field of a struct.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// The field's name; for an embedded field the name of its type.
    pub name: String,
    /// Bytes from the start of the struct.
    pub offset: u64,
    /// Size of the field's type in bytes.
    pub size: u64,
    /// Kind of the field's type.
    pub kind: Kind,
    /// Whether the field is embedded.
    pub embedded: bool,
    /// The descriptor of the field's type.
    pub type_address: VirtAddr,
}

/// A type's size, and its fields if it is a struct, or how to read it if it is a map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TypeLayout {
    /// Full name, for example `net/http.Request`.
    pub name: String,
    /// The type descriptor: what an interface value of this type (for a pointer type: of that pointer) refers to.
    pub address: VirtAddr,
    /// Size of a value in bytes.
    pub size: u64,
    /// Kind of the type.
    pub kind: Kind,
    /// The fields in order of offset, for structs.
    pub fields: Vec<Field>,
    /// How to read the map, for maps whose implementation is understood.
    pub map: Option<MapLayout>,
}

impl TypeLayout {
    /// The field called `name`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// The layouts found of the types that were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Layouts(BTreeMap<String, TypeLayout>);

impl Layouts {
    /// The layout of the type called `name`, if the program describes it and it was asked for.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&TypeLayout> {
        self.0.get(name)
    }

    /// The field `field` of the struct called `name`.
    #[must_use]
    pub fn field(&self, name: &str, field: &str) -> Option<&Field> {
        self.get(name)?.field(field)
    }

    /// How to read values of the map type called `name`, for example `net/http.Header`.
    #[must_use]
    pub fn map(&self, name: &str) -> Option<&MapLayout> {
        self.get(name)?.map.as_ref()
    }

    /// All layouts, by name.
    pub fn iter(&self) -> impl Iterator<Item = &TypeLayout> {
        self.0.values()
    }

    pub(super) fn read(types: &Types<'_, '_>, names: &[&str]) -> Self {
        let maps = MapReader::new(types);
        let found = names.iter().zip(types.find_any(names));
        let layout = |(name, descriptor): (&&str, Option<Descriptor>)| {
            let layout = layout(types, &maps, (*name).to_owned(), &descriptor?)?;
            Some((layout.name.clone(), layout))
        };
        Self(found.filter_map(layout).collect())
    }
}

/// The layout of one type; `None` if a field cannot be read: better no layout than half of one.
pub(super) fn layout(
    types: &Types<'_, '_>,
    maps: &MapReader<'_, '_, '_>,
    name: String,
    descriptor: &Descriptor,
) -> Option<TypeLayout> {
    Some(TypeLayout {
        name,
        address: types.region.address(descriptor.offset),
        size: descriptor.size,
        kind: descriptor.kind,
        fields: fields(types, descriptor)?,
        map: maps.layout(descriptor),
    })
}

/// The fields of a struct, none for other types; `None` if one cannot be read.
pub(super) fn fields(types: &Types<'_, '_>, descriptor: &Descriptor) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    for raw in types.region.fields(descriptor)?.take(MAX_FIELDS) {
        let raw = raw?;
        let field_type = types.descriptor_at(raw.type_address)?;
        let inside = raw.offset.checked_add(field_type.size)? <= descriptor.size;
        inside.then_some(())?;
        fields.push(Field {
            name: raw.name.to_owned(),
            offset: raw.offset,
            size: field_type.size,
            kind: field_type.kind,
            embedded: raw.embedded,
            type_address: raw.type_address,
        });
    }
    Some(fields)
}
