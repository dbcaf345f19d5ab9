//! Which traces are recorded, how spans are batched, and how much a span may hold.

use std::ffi::OsString;
use std::time::Duration;

use super::reader::Reader;

/// The six standard samplers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sampler {
    /// Every trace.
    AlwaysOn,
    /// No trace.
    AlwaysOff,
    /// This share of traces (0–1), by trace ID.
    TraceIdRatio(f64),
    /// As the parent was sampled; without a parent, as `root` says.
    ParentBased {
        /// The sampler of traces that begin here.
        root: RootSampler,
    },
}

/// A sampler that does not look at the parent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RootSampler {
    /// Every trace.
    AlwaysOn,
    /// No trace.
    AlwaysOff,
    /// This share of traces (0–1), by trace ID.
    TraceIdRatio(f64),
}

impl Default for Sampler {
    fn default() -> Self {
        Self::ParentBased { root: RootSampler::AlwaysOn }
    }
}

impl Sampler {
    pub(super) fn read<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Self {
        let name = reader.first(&["OTEL_TRACES_SAMPLER"], |text| {
            let name = text.to_ascii_lowercase();
            Self::named(&name, 1.0).map(|_known| name)
        });
        let Some(name) = name else {
            return Self::default();
        };
        let ratio = if name.ends_with("traceidratio") {
            reader.first(&["OTEL_TRACES_SAMPLER_ARG"], |text| text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio)))
        } else {
            None
        };
        Self::named(&name, ratio.unwrap_or(1.0)).unwrap_or_default()
    }

    fn named(name: &str, ratio: f64) -> Option<Self> {
        Some(match name {
            "always_on" => Self::AlwaysOn,
            "always_off" => Self::AlwaysOff,
            "traceidratio" => Self::TraceIdRatio(ratio),
            "parentbased_always_on" => Self::ParentBased { root: RootSampler::AlwaysOn },
            "parentbased_always_off" => Self::ParentBased { root: RootSampler::AlwaysOff },
            "parentbased_traceidratio" => Self::ParentBased { root: RootSampler::TraceIdRatio(ratio) },
            _ => return None,
        })
    }
}

/// How many spans may be held unless the user says so.
///
/// More than the specification's 2,048: at 50,000 spans/s one drain of the ring buffer (every 100 ms) brings 5,000 at
/// once. They are held encoded, and [`crate::export::settings::MAX_QUEUE_BYTES`] bounds their memory as well.
pub const DEFAULT_QUEUE_SIZE: usize = 20_480;

/// How spans are gathered before they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The longest time a span waits.
    pub schedule_delay: Duration,
    /// How long one batch may take, retries included.
    pub export_timeout: Duration,
    /// How many spans may wait; more are dropped and counted. At least 1.
    pub max_queue_size: usize,
    /// How many spans one request carries at most: 1 to `max_queue_size`.
    pub max_export_batch_size: usize,
}

impl Batch {
    pub(super) fn read<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Self {
        const SIZE: &str = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE";
        let millis = |text: &str| text.parse().ok().map(|millis| Duration::from_millis(millis).min(super::LONGEST_TIME));
        let positive = |text: &str| text.parse().ok().filter(|&number| number > 0);
        let delay = reader.first(&["OTEL_BSP_SCHEDULE_DELAY"], millis);
        let timeout = reader.first(&["OTEL_BSP_EXPORT_TIMEOUT"], super::reader::timeout);
        let queue = reader.first(&["OTEL_BSP_MAX_QUEUE_SIZE"], positive);
        let max_queue_size = queue.unwrap_or(DEFAULT_QUEUE_SIZE);
        let mut size = reader.first(&[SIZE], positive).unwrap_or(512);
        if size > max_queue_size {
            // The default gives way to a small queue silently; what was asked for does not.
            if size != 512 {
                reader.note(SIZE, SIZE, &size.to_string(), Some("the queue's size"));
            }
            size = max_queue_size;
        }
        Self {
            schedule_delay: delay.unwrap_or(Duration::from_secs(5)),
            export_timeout: timeout.unwrap_or(Duration::from_secs(30)),
            max_queue_size,
            max_export_batch_size: size,
        }
    }
}

/// How much a span may hold; what exceeds it is dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest text value of an attribute, in characters.
    pub attribute_value_length: Option<usize>,
    /// Attributes of a span.
    pub span_attributes: usize,
    /// Events of a span.
    pub span_events: usize,
    /// Links of a span.
    pub span_links: usize,
    /// Attributes of an event.
    pub event_attributes: usize,
    /// Attributes of a link.
    pub link_attributes: usize,
}

impl Limits {
    /// Those that hold where no variable says anything (OpenTelemetry specification, "Attribute Limits" and "Span Limits").
    pub const DEFAULT: Self = Self {
        attribute_value_length: None,
        span_attributes: 128,
        span_events: 128,
        span_links: 128,
        event_attributes: 128,
        link_attributes: 128,
    };

    pub(super) fn read<E: Fn(&str) -> Option<OsString>>(reader: &mut Reader<'_, E>) -> Self {
        let mut limit = |names: &[&'static str]| reader.first(names, |text| text.parse().ok());
        Self {
            attribute_value_length: limit(&["OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"]),
            span_attributes: limit(&["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"])
                .unwrap_or(Self::DEFAULT.span_attributes),
            span_events: limit(&["OTEL_SPAN_EVENT_COUNT_LIMIT"]).unwrap_or(Self::DEFAULT.span_events),
            span_links: limit(&["OTEL_SPAN_LINK_COUNT_LIMIT"]).unwrap_or(Self::DEFAULT.span_links),
            event_attributes: limit(&["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"])
                .unwrap_or(Self::DEFAULT.event_attributes),
            link_attributes: limit(&["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "OTEL_ATTRIBUTE_COUNT_LIMIT"])
                .unwrap_or(Self::DEFAULT.link_attributes),
        }
    }
}
