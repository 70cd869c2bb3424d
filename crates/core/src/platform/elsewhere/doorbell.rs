//! A condition variable: nothing here has a file descriptor to be polled with.

use std::convert::Infallible;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::time::Duration;

/// Rings until it is silenced.
#[derive(Debug, Default)]
pub(crate) struct Doorbell {
    rings: Mutex<bool>,
    rung: Condvar,
}

impl Doorbell {
    /// A silent one. It always can be had; on Linux that is not so.
    #[expect(clippy::unnecessary_wraps, reason = "an eventfd cannot always be had")]
    pub(crate) fn new() -> Result<Self, Infallible> {
        Ok(Self::default())
    }

    pub(crate) fn ring(&self) {
        *self.lock() = true;
        self.rung.notify_one();
    }

    /// Waits for nothing.
    pub(crate) fn silence(&self) {
        *self.lock() = false;
    }

    /// Waits until it rings, and no longer than this.
    pub(crate) fn wait(&self, most: Duration) {
        drop(self.rung.wait_timeout_while(self.lock(), most, |rings| !*rings));
    }

    /// Waits until it rings, and silences it.
    pub(super) fn answer(&self) {
        let rings = self.rung.wait_while(self.lock(), |rings| !*rings);
        *rings.unwrap_or_else(PoisonError::into_inner) = false;
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        // Nothing under this lock panics.
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Doorbell {
    fn wake(self: std::sync::Arc<Self>) {
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn a_ring_before_the_wait_is_heard_and_one_while_it_lasts_ends_it() {
        let bell = Arc::new(Doorbell::default());
        bell.ring();
        bell.wait(Duration::MAX);
        bell.silence();
        bell.wait(Duration::from_millis(1));
        let ringer = {
            let bell = Arc::clone(&bell);
            thread::spawn(move || bell.ring())
        };
        bell.answer();
        ringer.join().expect("joined");
        assert!(!*bell.lock());
    }
}
