//! Where the baggage lies that the program sets by the OpenTelemetry API: in the contexts of what it sends.

use bpf::config::baggage::{BaggageConfig, NO_BAGGAGE};
use bpf::config::otel_api::event;
use bpf::config::{ABSENT, Setting};

use super::facts::Facts;
use super::fields::FieldReader;
use super::left_out::LeftOut;
use super::planned::Planned;
use super::probe::{Body, Layout};

/// Types that are read.
pub const TYPES: [&str; 4] = [STATE, LIST, ITEM, PROPERTY];

const KEY: &str = "go.opentelemetry.io/otel/internal/baggage.baggageContextKeyType";
const STATE: &str = "go.opentelemetry.io/otel/internal/baggage.baggageState";
const LIST: &str = "go.opentelemetry.io/otel/internal/baggage.List";
const ITEM: &str = "go.opentelemetry.io/otel/internal/baggage.Item";
const PROPERTY: &str = "go.opentelemetry.io/otel/internal/baggage.Property";
/// Whether the program gets what came with requests, by the OpenTelemetry API; `None` where that is not observed.
#[must_use]
pub fn is_given(planned: &[Planned]) -> Option<bool> {
    let of_api = planned.iter().find(|planned| planned.layouts.iter().any(|(layout, _)| *layout == Layout::OtelApi))?;
    Some(of_api.probes.iter().any(|probe| probe.event.body == Body::OtelApi && probe.event.number == event::BAGGAGE))
}

/// Finds it; [`NO_BAGGAGE`] where the program sets none. `is_given`: the program gets what came.
///
/// # Errors
/// Where it is not as expected.
pub fn plan(facts: &Facts<'_>, fields: &mut FieldReader<'_>, is_given: bool) -> Result<BaggageConfig, LeftOut> {
    let named = facts.binary.types_named(&[KEY])?;
    let Some(key) = named.first().copied().flatten() else {
        return Ok(NO_BAGGAGE);
    };
    // Since 1.47 the fields have small letters.
    let mut either = |of_type: &str, names: [&str; 2]| {
        let found = names.iter().find(|name| facts.layouts.field(of_type, name).is_some()).unwrap_or(&names[0]);
        fields.required(of_type, found)
    };
    let [value, properties] = [either(ITEM, ["value", "Value"])?, either(ITEM, ["properties", "Properties"])?];
    let property_size = facts.layouts.get(PROPERTY).and_then(|layout| u32::try_from(layout.size).ok());
    Ok(BaggageConfig {
        key: Setting::new(key.0),
        map: fields.map(LIST)?,
        list: fields.required(STATE, "list")?,
        hooks: fields.required(STATE, "setHook")?,
        value,
        properties,
        metadata: fields.optional(ITEM, "metadata"),
        property_key: fields.required(PROPERTY, "Key")?,
        property_value: fields.required(PROPERTY, "Value")?,
        property_has_value: fields.required(PROPERTY, "HasValue")?,
        property_size: Setting::new(property_size.unwrap_or(ABSENT)),
        is_unseen: Setting::new(u32::from(!is_given)),
    })
}
