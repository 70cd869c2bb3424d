//! Doubts: contradictions between a snapshot and the uevents, and how long each has lasted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::device::Address;

/// How a snapshot contradicts the registry about one device. Two are equal only if they are about the same instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contradiction {
    /// sysfs shows a device of which no uevent has told.
    Present { address: Address, mark: u64 },
    /// sysfs shows another instance than the one that is known.
    Replaced { address: Address, mark: u64 },
    /// sysfs no longer shows a device whose end no uevent has told.
    Absent { instance: u64 },
}

/// Contradictions that have been seen, with the time since when.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    since: HashMap<String, (Contradiction, Instant)>,
}

impl Doubts {
    /// Takes in a snapshot's contradictions. True once one of them has outlived the grace.
    pub(super) fn weigh(
        &mut self,
        contradictions: &[(String, Contradiction)],
        now: Instant,
        grace: Duration,
    ) -> bool {
        let mut before = std::mem::take(&mut self.since);
        let mut proven = false;
        for (name, contradiction) in contradictions {
            let since = match before.remove(name) {
                Some((earlier, since)) if earlier == *contradiction => since,
                _ => now,
            };
            proven |= now.duration_since(since) >= grace;
            self.since.insert(name.clone(), (*contradiction, since));
        }
        proven
    }

    pub(super) fn clear(&mut self) {
        self.since.clear();
    }
}
