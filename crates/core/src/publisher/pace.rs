//! Pacing: how many events may go out now. It delays, and drops nothing.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::PerformanceConfig;

/// How fast, and how many at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Events that one batch carries at most.
    pub batch_size: usize,
    /// Events in a second at most; 0: as many as come.
    pub per_second: u32,
}

impl From<&PerformanceConfig> for Limits {
    fn from(config: &PerformanceConfig) -> Self {
        Self { batch_size: config.batch_size, per_second: config.max_events_per_second }
    }
}

/// An allowance that fills up by the second's number of events, up to one second's worth: a burst of that goes at once.
#[derive(Debug)]
pub(super) struct Pace {
    per_second: u32,
    allowance: f64,
    at: Instant,
}

impl Pace {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, allowance: per_second.into(), at: now }
    }

    /// Another limit holds from now on.
    pub(super) fn set(&mut self, per_second: u32, now: Instant) {
        if per_second != self.per_second {
            self.fill(now);
            // Who was unlimited has a whole second's worth.
            let before = if self.per_second == 0 { f64::INFINITY } else { self.allowance };
            self.per_second = per_second;
            self.allowance = before.min(per_second.into());
        }
    }

    /// How many of `wanted` may go now; where none may, when the next one may.
    pub(super) fn allows(&mut self, wanted: usize, now: Instant) -> Result<usize, Instant> {
        if self.per_second == 0 {
            return Ok(wanted);
        }
        self.fill(now);
        if self.allowance >= 1.0 {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "from 1 to the limit"
            )]
            return Ok(wanted.min(self.allowance as usize));
        }
        let wait = (1.0 - self.allowance) / f64::from(self.per_second);
        Err(now + Duration::from_secs_f64(wait).max(Duration::from_micros(1)))
    }

    /// So many have gone.
    pub(super) fn spend(&mut self, count: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
        let count = count as f64;
        self.allowance -= count;
    }

    fn fill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        let full = f64::from(self.per_second);
        self.allowance = (self.allowance + since * full).min(full);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seconds_worth_goes_at_once_and_the_rest_at_its_rate() {
        let start = Instant::now();
        let mut pace = Pace::new(100, start);
        assert_eq!(pace.allows(1000, start), Ok(100));
        pace.spend(100);
        let mut now = start;
        let mut gone = 100;
        while gone < 1000 {
            match pace.allows(7, now) {
                Ok(count) => {
                    pace.spend(count);
                    gone += count;
                }
                Err(next) => now = next,
            }
        }
        let took = (now - start).as_secs_f64();
        assert!((8.9..9.1).contains(&took), "900 events at 100 a second: {took}");
    }

    #[test]
    fn an_idle_time_saves_up_no_more_than_a_second() {
        let start = Instant::now();
        let mut pace = Pace::new(50, start);
        pace.spend(50);
        assert!(pace.allows(1, start).is_err());
        assert_eq!(pace.allows(1000, start + Duration::from_secs(60)), Ok(50));
    }

    #[test]
    fn without_a_limit_all_may_go_and_a_new_one_holds_at_once() {
        let start = Instant::now();
        let mut pace = Pace::new(0, start);
        assert_eq!(pace.allows(1000, start), Ok(1000));
        pace.set(10, start);
        assert_eq!(pace.allows(1000, start), Ok(10));
        pace.set(0, start);
        assert_eq!(pace.allows(1000, start), Ok(1000));
    }
}
