//! The user's sampler and propagators, as an engine takes them.

use bpf::config::{Propagators, Setting, Settings, propagator};
use bpf::shared::Shared;

use crate::config::{Config, Propagator, RootSampler, Sampler};
use crate::engine::Sampling;

/// Sampler and propagators as an engine takes them.
///
/// A ratio becomes the bound `ratio × 2^63`, as in opentelemetry-go's `TraceIDRatioBased` (`sdk/trace/sampling.go`).
pub(super) fn sampling(config: &Config) -> Sampling {
    let (parent_based, root) = match config.sampler {
        Sampler::AlwaysOn => (0, RootSampler::AlwaysOn),
        Sampler::AlwaysOff => (0, RootSampler::AlwaysOff),
        Sampler::TraceIdRatio(ratio) => (0, RootSampler::TraceIdRatio(ratio)),
        Sampler::ParentBased { root } => (1, root),
    };
    let all = 1_u64 << 63;
    let threshold = match root {
        RootSampler::AlwaysOn => all,
        RootSampler::AlwaysOff => 0,
        RootSampler::TraceIdRatio(ratio) if ratio >= 1.0 => all,
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "2^63 is exact in a double, and the ratio lies between 0 and 1"
        )]
        RootSampler::TraceIdRatio(ratio) => (ratio.max(0.0) * all as f64) as u64,
    };
    let bit = |one: &Propagator| match one {
        Propagator::TraceContext => propagator::TRACE_CONTEXT,
        Propagator::Baggage => propagator::BAGGAGE,
        Propagator::B3 => propagator::B3,
        Propagator::B3Multi => propagator::B3_MULTI,
    };
    let propagators = config.propagators.iter().map(bit).fold(0, |all, one| all | one);
    let settings = Settings { parent_based: Shared::new(parent_based), off: Shared::new(0), threshold: Shared::new(threshold) };
    Sampling { settings, propagators: Propagators(Setting::new(propagators.into())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command_line::CommandLine;

    #[test]
    fn ratios_become_bounds() {
        let (mut config, _) = Config::from(&CommandLine::default(), &|_| None);
        let mut setting = |sampler| {
            config.sampler = sampler;
            let setting = sampling(&config).settings;
            (setting.parent_based.get(), setting.threshold.get())
        };
        assert_eq!(setting(Sampler::AlwaysOn), (0, 1 << 63));
        assert_eq!(setting(Sampler::AlwaysOff), (0, 0));
        assert_eq!(setting(Sampler::TraceIdRatio(0.5)), (0, 1 << 62));
        assert_eq!(setting(Sampler::TraceIdRatio(1.0)), (0, 1 << 63));
        assert_eq!(setting(Sampler::TraceIdRatio(0.0)), (0, 0));
        assert_eq!(setting(Sampler::ParentBased { root: RootSampler::TraceIdRatio(0.25) }), (1, 1 << 61));
    }
}
