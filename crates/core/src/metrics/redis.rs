//! What is counted of the work with Redis: how often it was away or had to be spared, and how far consumer groups are behind.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::groups::Groups;

#[derive(Debug, Default)]
pub(super) struct RedisFigures {
    pub(super) groups: Groups,
    paced: AtomicU64,
    errors: AtomicU64,
    reconnects: AtomicU64,
    was_connected: AtomicBool,
    is_connected: AtomicBool,
}

impl RedisFigures {
    /// Events wait because of the pace.
    pub(super) fn count_paced(&self) {
        self.paced.fetch_add(1, Ordering::Relaxed);
    }

    /// It could not be worked with.
    pub(super) fn count_error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// The connection has changed, or something about it.
    pub(super) fn told(&self, connected: bool) {
        if !connected {
            // What was learned of them gets old, and nothing new is.
            self.groups.set(&[]);
        }
        let was_connected = self.is_connected.swap(connected, Ordering::Relaxed);
        if connected && !was_connected && self.was_connected.swap(true, Ordering::Relaxed) {
            self.reconnects.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn paced(&self) -> u64 {
        self.paced.load(Ordering::Relaxed)
    }

    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    pub(super) fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onlooker::GroupLag;

    #[test]
    fn a_connection_that_comes_back_is_a_reconnect_and_the_first_one_is_none() {
        let redis = RedisFigures::default();
        for connected in [false, true, true] {
            redis.told(connected);
        }
        redis.groups.set(&[GroupLag { name: "plugin-loader".into(), unread: Some(2), pending: 1 }]);
        assert_eq!((redis.reconnects(), redis.groups.read().len()), (0, 2));
        redis.told(false);
        assert_eq!(
            redis.groups.read().len(),
            1,
            "how far a group is behind nobody knows while redis is away"
        );
        for connected in [false, true] {
            redis.told(connected);
        }
        assert_eq!(redis.reconnects(), 1);
    }
}
