//! When the outbox is woken: at once, or once the subscriber has what is to be stored.
//!
//! A kernel that has one processor for both gives it to whom it owes most, and that is seldom the subscriber, whoever was woken first: an
//! event was stored and sent to Redis before it was told (docs/adr/0018).

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// What wakes the outbox.
#[derive(Debug, Default)]
pub struct WakeUp {
    arrived: Notify,
    /// The subscriber is to wake it.
    is_left: AtomicBool,
    /// The subscriber has come, and has not been waited for in vain since.
    is_prompt: AtomicBool,
}

impl WakeUp {
    /// Wakes it.
    pub(super) fn wake(&self) {
        self.is_left.store(false, Ordering::Release);
        self.arrived.notify_one();
    }

    /// Waits until it has been woken since the last wait.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Leaves it to the subscriber, which is about to be woken. False where that cannot be relied upon: it is to be woken then.
    pub fn leave(&self) -> bool {
        let leaves = self.is_prompt.load(Ordering::Acquire);
        if leaves {
            self.is_left.store(true, Ordering::Release);
        }
        leaves
    }

    /// Whether it is still left to the subscriber.
    pub fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Acquire)
    }

    /// The subscriber has been waited for in vain: unless it has just come, this wakes instead, and nothing is left to it before it comes.
    pub fn take_back(&self) {
        if self.is_left.swap(false, Ordering::AcqRel) {
            self.is_prompt.store(false, Ordering::Release);
            self.arrived.notify_one();
        }
    }

    /// The subscriber has come.
    pub(super) fn come(&self) {
        self.is_prompt.store(true, Ordering::Release);
        if self.is_left.swap(false, Ordering::AcqRel) {
            self.arrived.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    fn has_been_woken(wake_up: &WakeUp) -> bool {
        pin!(wake_up.arrived()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_subscriber_that_comes_wakes_it_and_one_that_does_not_is_not_counted_on() {
        let wake_up = WakeUp::default();
        assert!(!wake_up.leave(), "nobody has ever come");
        wake_up.come();
        assert!(!has_been_woken(&wake_up), "nothing was left to it");
        assert!(wake_up.leave());
        assert!(!has_been_woken(&wake_up));
        wake_up.come();
        assert!(has_been_woken(&wake_up));
        wake_up.come();
        wake_up.take_back();
        assert!(!has_been_woken(&wake_up), "once");
        assert!(wake_up.leave());
        wake_up.take_back();
        assert!(has_been_woken(&wake_up));
        assert!(!wake_up.leave(), "it was waited for in vain");
        wake_up.come();
        assert!(wake_up.leave());
    }

    #[test]
    fn whoever_wakes_it_meanwhile_has_done_so_for_both() {
        let wake_up = WakeUp::default();
        wake_up.come();
        assert!(wake_up.leave());
        wake_up.wake();
        assert!(!wake_up.is_left() && has_been_woken(&wake_up));
        wake_up.come();
        assert!(!has_been_woken(&wake_up));
    }
}
