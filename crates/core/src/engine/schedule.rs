//! When the engine has to do something that nothing else reminds it of.

use std::time::{Duration, Instant};

/// How long a source that cannot start is left alone.
const RETRY: Duration = Duration::from_secs(5);

pub(super) struct Schedule {
    interval: Duration,
    snapshot: Instant,
    /// The snapshot that is to follow the next one.
    again: Option<Instant>,
    retry: Instant,
}

impl Schedule {
    pub(super) fn new(interval: Duration) -> Self {
        let now = Instant::now();
        Self { interval, snapshot: now + interval, again: None, retry: now + RETRY }
    }

    /// Asks for a snapshot no later than `delay` from now.
    pub(super) fn snapshot_within(&mut self, delay: Duration) {
        self.snapshot = self.snapshot.min(Instant::now() + delay);
    }

    /// Asks for a snapshot at once, and for another one no later than `delay` from now.
    pub(super) fn snapshot_now_and_after(&mut self, delay: Duration) {
        let now = Instant::now();
        self.snapshot = now;
        self.again = Some(now + delay);
    }

    pub(super) fn snapshot_is_due(&self, now: Instant) -> bool {
        now >= self.snapshot
    }

    pub(super) fn snapshot_taken(&mut self, now: Instant) {
        let next = now + self.interval;
        self.snapshot = self.again.take().map_or(next, |again| next.min(again));
    }

    pub(super) fn retry_soon(&mut self) {
        self.retry = self.retry.min(Instant::now() + Duration::from_millis(100));
    }

    /// Whether sources that cannot start should be tried; if so, the next time is set.
    pub(super) fn retry_is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.retry;
        if due {
            self.retry = now + RETRY;
        }
        due
    }

    /// The next time at which something is due; a retry counts only where there is something to try.
    pub(super) fn next(&self, with_retry: bool) -> Instant {
        if with_retry { self.snapshot.min(self.retry) } else { self.snapshot }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const SOON: Duration = Duration::from_millis(250);

    #[test]
    fn a_snapshot_that_is_to_follow_another_one_is_not_put_off_to_the_interval() {
        let mut schedule = Schedule::new(DAY);
        schedule.snapshot_now_and_after(SOON);
        let now = Instant::now();
        assert!(schedule.snapshot_is_due(now));
        schedule.snapshot_taken(now);
        assert!(!schedule.snapshot_is_due(now), "it is taken once, not as fast as possible");
        assert!(schedule.snapshot_is_due(now + SOON));
        schedule.snapshot_taken(now + SOON);
        assert!(!schedule.snapshot_is_due(now + DAY), "and then the interval holds again");
    }
}
