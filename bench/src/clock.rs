//! `CLOCK_MONOTONIC`, which the server under test reads too, and medians.

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`.
pub(crate) fn monotonic() -> u64 {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(0, |time| u64::try_from(std::time::Duration::from(time).as_nanos()).unwrap_or(u64::MAX))
}

/// The median; 0 of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle), values.len() % 2) {
        (None, _) => 0.0,
        (Some(value), 1) => *value,
        (Some(value), _) => f64::midpoint(values[middle - 1], *value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let near = |values: &[f64], expected: f64| assert!((median(values.to_vec()) - expected).abs() < 1e-9, "{values:?}");
        near(&[], 0.0);
        near(&[3.0], 3.0);
        near(&[4.0, 1.0], 2.5);
        near(&[9.0, 1.0, 2.0], 2.0);
    }
}
