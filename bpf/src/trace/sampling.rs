//! The sampling decision, taken before any string is read.
//!
//! Equal to the SDKs' for the same trace ids: `TraceIDRatioBased` compares the trace id's last eight bytes,
//! big-endian, shifted right by one, with `ratio × 2^63` (opentelemetry-go `sdk/trace/sampling.go`).

use crate::config::Settings;

/// Whether a span of this trace is recorded. `parent` is the parent's sampled flag, where there is a parent.
#[inline(always)]
#[must_use]
pub fn is_sampled(settings: &Settings, trace_id: &[u8; 16], parent: Option<bool>) -> bool {
    if settings.parent_based.get() != 0
        && let Some(sampled) = parent
    {
        return sampled;
    }
    let [_, _, _, _, _, _, _, _, low @ ..] = *trace_id;
    u64::from_be_bytes(low) >> 1 < settings.threshold.get()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::Shared;

    fn sampler(parent_based: u32, threshold: u64) -> Settings {
        Settings { parent_based: Shared::new(parent_based), off: Shared::new(0), threshold: Shared::new(threshold) }
    }

    fn trace(low: u64) -> [u8; 16] {
        let mut id = [0xab; 16];
        id[8..].copy_from_slice(&low.to_be_bytes());
        id
    }

    #[test]
    fn the_extremes_take_all_or_none() {
        assert!(is_sampled(&sampler(0, 1 << 63), &trace(u64::MAX), None));
        assert!(!is_sampled(&sampler(0, 0), &trace(0), None));
    }

    #[test]
    fn the_ratio_reads_the_low_bytes_big_endian() {
        // Ratio 0.5: the bound is 2^62, so ids below 2^63 are taken.
        let half = sampler(0, 1 << 62);
        assert!(is_sampled(&half, &trace(0x7fff_ffff_ffff_ffff), None));
        assert!(!is_sampled(&half, &trace(0x8000_0000_0000_0000), None));
        assert!(!is_sampled(&half, &trace(0xff00_0000_0000_0000), None));
        assert!(is_sampled(&half, &trace(0x0000_0000_0000_00ff), None));
    }

    #[test]
    fn a_parent_decides_only_where_the_sampler_is_parent_based() {
        assert!(is_sampled(&sampler(1, 0), &trace(7), Some(true)));
        assert!(!is_sampled(&sampler(1, 1 << 63), &trace(7), Some(false)));
        assert!(!is_sampled(&sampler(0, 0), &trace(7), Some(true)));
        assert!(is_sampled(&sampler(0, 1 << 63), &trace(7), Some(false)));
    }
}
