//! A histogram of durations that any thread adds to, and nobody waits for.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::snapshot::Distribution;

/// Upper bounds of the buckets in ms: from what an idle machine takes to what an outage of Redis lasts.
pub const BOUNDS_MS: [f64; 19] = [
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0,
    10_000.0, 30_000.0, 60_000.0,
];
/// The same in seconds.
pub(super) const BOUNDS_S: [f64; 19] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0,
];

/// Bounds in microseconds, in which durations are compared: no rounding decides on which side of a bound one is.
const BOUNDS_US: [u64; 19] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// Durations, counted by how long they were.
#[derive(Debug, Default)]
pub(super) struct Durations {
    counts: [AtomicU64; BOUNDS_US.len() + 1],
    nanoseconds: AtomicU64,
}

impl Durations {
    /// Counts one.
    pub(super) fn add(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| bound * 1_000 < nanoseconds);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// What has been counted, in ms.
    pub(super) fn in_ms(&self) -> Distribution {
        self.read(&BOUNDS_MS, 1e6)
    }

    /// What has been counted, in seconds.
    pub(super) fn in_seconds(&self) -> Distribution {
        self.read(&BOUNDS_S, 1e9)
    }

    fn read(&self, bounds: &'static [f64], unit: f64) -> Distribution {
        #[expect(clippy::cast_precision_loss, reason = "a sum of durations: its last digits say nothing")]
        let sum = self.nanoseconds.load(Ordering::Relaxed) as f64 / unit;
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Distribution { bounds, counts, sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_the_same_in_each_unit() {
        for ((us, ms), s) in BOUNDS_US.iter().zip(BOUNDS_MS).zip(BOUNDS_S) {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let us = *us as f64;
            assert!((us / 1e3 - ms).abs() < 1e-9 && (us / 1e6 - s).abs() < 1e-12, "{us} us");
        }
    }

    #[test]
    fn a_duration_that_is_a_bound_belongs_below_it() {
        let durations = Durations::default();
        for us in [0, 50, 51, 10_000, 10_001, 60_000_000, 60_000_001] {
            durations.add(Duration::from_micros(us));
        }
        let Distribution { counts, sum, .. } = durations.in_ms();
        let at =
            |bound: f64| BOUNDS_MS.iter().position(|other| (other - bound).abs() < 1e-9).expect("a bound");
        assert_eq!((counts[0], counts[1], counts[at(10.0)], counts[at(25.0)]), (2, 1, 1, 1));
        assert_eq!((counts[at(60_000.0)], counts[BOUNDS_MS.len()]), (1, 1));
        assert!((sum - 120_020.103).abs() < 1e-6, "{sum}");
        assert_eq!(durations.in_seconds().count(), 7);
    }
}
