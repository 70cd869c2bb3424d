//! Which of this boot's kernel uevents have been dealt with: a set of the kernel's running numbers.
//!
//! A number is in the set once what it tells is an event that is stored, or is no news. Numbers run over all uevents of the
//! machine, so that those of USB devices are few among them; as long as a socket loses nothing, everything between two that it
//! has heard is dealt with as well, and the set stays a handful of ranges.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// So many ranges are kept apart. Beyond that the lowest ones are joined: what was missed so long ago has long been written.
/// Where nothing is heard each record is a range of its own, and as many may wait.
const MOST_RANGES: usize = 10_000;

/// A set of numbers, as ranges in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    ranges: Vec<(u64, u64)>,
}

impl Settled {
    /// Adds all numbers from `first` to `last`; none where `last` is the lower one.
    pub fn insert(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        // All that overlap the new range or lie next to it become one with it.
        let from = self.ranges.partition_point(|(_, end)| end.saturating_add(1) < first);
        let to = self.ranges.partition_point(|(start, _)| *start <= last.saturating_add(1));
        let joined = self.ranges[from..to]
            .iter()
            .fold((first, last), |(start, end), range| (start.min(range.0), end.max(range.1)));
        self.ranges.splice(from..to, [joined]);
        while self.ranges.len() > MOST_RANGES {
            let (_, end) = self.ranges.remove(1);
            self.ranges[0].1 = end;
        }
    }

    /// Adds all that are in another set.
    pub fn extend(&mut self, other: &Self) {
        for (first, last) in &other.ranges {
            self.insert(*first, *last);
        }
    }

    /// Whether there is no number in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether this number is in the set.
    pub fn contains(&self, number: u64) -> bool {
        let at = self.ranges.partition_point(|(_, end)| *end < number);
        self.ranges.get(at).is_some_and(|(start, _)| *start <= number)
    }

    /// Reads what [`fmt::Display`] has written. What cannot be read is left out: its records count as missed then, and are
    /// compared with what is attached.
    pub fn parse(text: &str) -> Self {
        let mut settled = Self::default();
        for range in text.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            if let (Ok(first), Ok(last)) = (first.parse(), last.parse()) {
                settled.insert(first, last);
            }
        }
        settled
    }
}

/// `17-20,31`.
impl fmt::Display for Settled {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.ranges.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            if first == last { write!(out, "{comma}{first}")? } else { write!(out, "{comma}{first}-{last}")? }
        }
        Ok(())
    }
}

/// What the outbox has stored of the set, where other threads can look at it.
#[derive(Clone, Debug, Default)]
pub struct SettledBoard(Arc<Mutex<Settled>>);

impl SettledBoard {
    /// Whether this number is stored.
    pub fn contains(&self, number: u64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(number)
    }

    pub(crate) fn set(&self, settled: &Settled) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *held != *settled {
            held.clone_from(settled);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_touches_becomes_one_range() {
        let mut settled = Settled::default();
        for (first, last) in [(5, 6), (9, 9), (7, 8), (20, 19), (11, 12)] {
            settled.insert(first, last);
        }
        assert_eq!(settled.to_string(), "5-9,11-12");
        assert!(settled.contains(5) && settled.contains(9) && !settled.contains(10) && !settled.contains(4));
        assert_eq!(Settled::parse("5-9,nonsense,11-12"), settled);
        settled.insert(0, u64::MAX);
        assert_eq!(settled.to_string(), format!("0-{}", u64::MAX));
    }

    #[test]
    fn what_was_long_ago_is_joined_so_that_the_set_stays_small() {
        let mut settled = Settled::default();
        for number in 0..10_000 {
            settled.insert(number * 3, number * 3);
        }
        assert!(!settled.contains(1), "as many records as may wait are told apart");
        for number in 10_000..11_000 {
            settled.insert(number * 3, number * 3);
        }
        assert_eq!(settled.ranges.len(), MOST_RANGES);
        assert!(settled.contains(1) && settled.contains(32_997) && !settled.contains(32_996));
    }

    proptest! {
        #[test]
        fn it_is_a_set(inserts in proptest::collection::vec((0..60_u64, 0..5_u64), 0..30)) {
            let (mut settled, mut model) = (Settled::default(), BTreeSet::new());
            for (first, more) in inserts {
                settled.insert(first, first + more);
                model.extend(first..=first + more);
            }
            for number in 0..70 {
                prop_assert_eq!(settled.contains(number), model.contains(&number));
            }
            prop_assert_eq!(Settled::parse(&settled.to_string()), settled);
        }
    }
}
