//! A condition variable with a time: whoever waits is woken when it is set.

use std::convert::Infallible;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Goes off once, so long after it has been set, unless it is set again before.
#[derive(Default)]
pub(crate) struct Alarm {
    due: Mutex<Option<Instant>>,
    set: Condvar,
}

impl Alarm {
    /// One that is not set. It always can be had; on Linux that is not so.
    #[expect(clippy::unnecessary_wraps, reason = "a timerfd cannot always be had")]
    pub(crate) fn new() -> Result<Self, Infallible> {
        Ok(Self::default())
    }

    /// Whoever waits goes on in so long.
    pub(crate) fn set(&self, after: Duration) {
        *self.lock() = Some(Instant::now() + after);
        self.set.notify_one();
    }

    /// Waits until it goes off.
    pub(crate) fn wait(&self) {
        let mut due = self.lock();
        loop {
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            due = match left {
                Some(Duration::ZERO) => break *due = None,
                Some(left) => self.set.wait_timeout(due, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.set.wait(due).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        // Nothing under this lock panics.
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn it_goes_off_once_and_not_before_it_is_set() {
        let alarm = Arc::new(Alarm::default());
        let waiter = {
            let alarm = Arc::clone(&alarm);
            thread::spawn(move || alarm.wait())
        };
        thread::sleep(Duration::from_millis(20));
        assert!(!waiter.is_finished(), "it was not set");
        alarm.set(Duration::from_millis(1));
        waiter.join().expect("joined");
        assert!(alarm.lock().is_none());
    }
}
