//! The baggage that a program sets by the OpenTelemetry API, as it lies in a context.

use core::mem::size_of;

use super::{ABSENT, MapLayout, NO_MAP, Offset, Setting};

/// Layouts of `go.opentelemetry.io/otel/internal/baggage`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct BaggageConfig {
    /// The descriptor of `baggageContextKeyType` in the file; 0 where there is none.
    pub key: Setting<u64>,
    /// `List map[string]Item`.
    pub map: MapLayout,
    /// `baggageState.list List`.
    pub list: Offset,
    /// `baggageState.setHook`, before `getHook`.
    pub hooks: Offset,
    /// `Item.value string`, in older versions `Value`.
    pub value: Offset,
    /// `Item.properties []Property`, in older versions `Properties`.
    pub properties: Offset,
    /// `Item.metadata string`; [`ABSENT`] in older versions.
    pub metadata: Offset,
    /// `Property.Key string`.
    pub property_key: Offset,
    /// `Property.Value string`.
    pub property_value: Offset,
    /// `Property.HasValue bool`.
    pub property_has_value: Offset,
    /// Bytes of a `Property`.
    pub property_size: Setting<u32>,
    /// 1: what came is not in the program's contexts.
    pub is_unseen: Setting<u32>,
}

/// There is none.
pub const NO_BAGGAGE: BaggageConfig = BaggageConfig {
    key: Setting::new(0),
    map: NO_MAP,
    list: Setting::new(ABSENT),
    hooks: Setting::new(ABSENT),
    value: Setting::new(ABSENT),
    properties: Setting::new(ABSENT),
    metadata: Setting::new(ABSENT),
    property_key: Setting::new(ABSENT),
    property_value: Setting::new(ABSENT),
    property_has_value: Setting::new(ABSENT),
    property_size: Setting::new(0),
    is_unseen: Setting::new(0),
};

const _: () = assert!(size_of::<MapLayout>() == 16 * 4 && size_of::<BaggageConfig>() == 8 + (16 + 10) * 4);
