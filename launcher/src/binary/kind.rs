//! The kinds of types, as `reflect` numbers them, and which of them have descriptors of the same form.

use serde::Serialize;

/// What kind of type it is (`reflect.Kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names are those of Go's own kinds")]
pub enum Kind {
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
    Array,
    Chan,
    Func,
    Interface,
    Map,
    Pointer,
    Slice,
    String,
    Struct,
    UnsafePointer,
}

impl Kind {
    /// By number, from 1.
    const ALL: [Self; 26] = [
        Self::Bool,
        Self::Int,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Uintptr,
        Self::Float32,
        Self::Float64,
        Self::Complex64,
        Self::Complex128,
        Self::Array,
        Self::Chan,
        Self::Func,
        Self::Interface,
        Self::Map,
        Self::Pointer,
        Self::Slice,
        Self::String,
        Self::Struct,
        Self::UnsafePointer,
    ];

    /// What follows the header of the descriptor.
    pub(super) fn form(self) -> Form {
        match self {
            Self::Array => Form::Array,
            Self::Chan => Form::Chan,
            Self::Func => Form::Func,
            Self::Interface => Form::Interface,
            Self::Map => Form::Map,
            Self::Pointer => Form::Pointer,
            Self::Slice => Form::Slice,
            Self::Struct => Form::Struct,
            Self::Bool
            | Self::Int
            | Self::Int8
            | Self::Int16
            | Self::Int32
            | Self::Int64
            | Self::Uint
            | Self::Uint8
            | Self::Uint16
            | Self::Uint32
            | Self::Uint64
            | Self::Uintptr
            | Self::Float32
            | Self::Float64
            | Self::Complex64
            | Self::Complex128
            | Self::String
            | Self::UnsafePointer => Form::Basic,
        }
    }

    /// From the descriptor's byte, whose upper three bits are flags in some Go versions.
    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number & 0x1f).checked_sub(1)?).copied()
    }
}

/// The kinds by what their descriptors hold; `Basic` ones hold nothing more than the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Basic,
    Array,
    Chan,
    Func,
    Interface,
    Map,
    Pointer,
    Slice,
    Struct,
}
