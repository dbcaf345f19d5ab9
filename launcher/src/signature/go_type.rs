//! The types of a declaration, as its text has them.

use std::fmt;

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GoType {
    /// Predeclared, or `unsafe.Pointer`.
    Basic(Basic),
    /// `*T`.
    Pointer(Box<GoType>),
    /// `[]T`, and `...T`.
    Slice(Box<GoType>),
    /// `[N]T`.
    Array(u64, Box<GoType>),
    /// `map[K]V`.
    Map(Box<GoType>, Box<GoType>),
    /// `chan T`, in either direction or both.
    Chan(Box<GoType>),
    /// `func(…) …`, as written.
    Func(String),
    /// `any`, `error`, or one that is spelled out.
    Interface {
        /// Whether it has no methods: its first word is then the type itself, not an itab.
        is_empty: bool,
    },
    /// One that is spelled out.
    Struct(Vec<Field>),
    /// A defined type.
    Named {
        /// The package as written, or the declaration's own; `None` for a type parameter.
        package: Option<String>,
        /// With its type arguments, if any.
        name: String,
    },
}

/// A field of a struct that is spelled out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// For an embedded field the name of its type.
    pub name: String,
    /// Its type.
    pub go_type: GoType,
}

/// The predeclared types but interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are those of Go's own types")]
pub enum Basic {
    Bool,
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uintptr,
    Float32,
    Float64,
    Complex64,
    Complex128,
    String,
    UnsafePointer,
}

impl Basic {
    const NAMES: [(&str, Self); 20] = [
        ("bool", Self::Bool),
        ("int", Self::Int),
        ("int8", Self::Int8),
        ("int16", Self::Int16),
        ("int32", Self::Int32),
        ("int64", Self::Int64),
        ("uint", Self::Uint),
        ("uint8", Self::Uint8),
        ("uint16", Self::Uint16),
        ("uint32", Self::Uint32),
        ("uint64", Self::Uint64),
        ("uintptr", Self::Uintptr),
        ("float32", Self::Float32),
        ("float64", Self::Float64),
        ("complex64", Self::Complex64),
        ("complex128", Self::Complex128),
        ("string", Self::String),
        ("unsafe.Pointer", Self::UnsafePointer),
        ("byte", Self::Uint8),
        ("rune", Self::Int32),
    ];

    /// The type that is predeclared as `name`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|&(_, basic)| basic)
    }

    /// Its name; of two the one that is no alias.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|&&(_, basic)| basic == self).map_or("", |&(name, _)| name)
    }
}

impl GoType {
    /// The name of a defined type without its package.
    pub(super) fn short_name(&self) -> String {
        match self {
            Self::Named { package: _, name } => name.clone(),
            Self::Basic(_)
            | Self::Pointer(_)
            | Self::Slice(_)
            | Self::Array(..)
            | Self::Map(..)
            | Self::Chan(_)
            | Self::Func(_)
            | Self::Interface { .. }
            | Self::Struct(_) => self.to_string(),
        }
    }
}

/// As Go writes it.
impl fmt::Display for GoType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic(basic) => f.write_str(basic.name()),
            Self::Pointer(element) => write!(f, "*{element}"),
            Self::Slice(element) => write!(f, "[]{element}"),
            Self::Array(len, element) => write!(f, "[{len}]{element}"),
            Self::Map(key, element) => write!(f, "map[{key}]{element}"),
            Self::Chan(element) => write!(f, "chan {element}"),
            Self::Func(text) => f.write_str(text),
            Self::Interface { is_empty: true } => f.write_str("interface {}"),
            Self::Interface { is_empty: false } => f.write_str("interface { … }"),
            Self::Struct(fields) => {
                f.write_str("struct {")?;
                for (index, Field { name, go_type }) in fields.iter().enumerate() {
                    write!(f, "{} {name} {go_type}", if index == 0 { "" } else { ";" })?;
                }
                f.write_str(if fields.is_empty() { "}" } else { " }" })
            }
            Self::Named { package: Some(package), name } => write!(f, "{package}.{name}"),
            Self::Named { package: None, name } => f.write_str(name),
        }
    }
}
