//! When the engine has to do something that nothing else reminds it of.

use std::time::{Duration, Instant};

/// How long a source that cannot start is left alone.
const RETRY: Duration = Duration::from_secs(5);

pub(super) struct Schedule {
    interval: Duration,
    snapshot: Instant,
    retry: Instant,
}

impl Schedule {
    pub(super) fn new(interval: Duration) -> Self {
        let now = Instant::now();
        Self { interval, snapshot: now + interval, retry: now + RETRY }
    }

    /// Asks for a snapshot no later than `delay` from now.
    pub(super) fn snapshot_within(&mut self, delay: Duration) {
        self.snapshot = self.snapshot.min(Instant::now() + delay);
    }

    pub(super) fn snapshot_is_due(&self, now: Instant) -> bool {
        now >= self.snapshot
    }

    pub(super) fn snapshot_taken(&mut self, now: Instant) {
        self.snapshot = now + self.interval;
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
