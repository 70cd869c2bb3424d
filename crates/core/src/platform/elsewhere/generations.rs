//! Which attachment of a device it is, where the system has one name for all of them.
//!
//! Windows calls a device the same after each replug into the same port, and its address may be the same, too. What is heard of its
//! leaving tells one attachment from the next. A listing may have shown that it had left before that is heard; what is heard then is
//! no news, and must not end the next one. Where nothing is heard, the time of its arrival has to do.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Marks for attachments. Each one is greater than those before.
#[derive(Debug)]
pub(super) struct Generations<K> {
    last: u64,
    present: HashMap<K, Present>,
    /// Ends that a listing has shown, and that are still to be heard of.
    shown: HashMap<K, u32>,
}

#[derive(Debug)]
struct Present {
    mark: u64,
    arrived: Option<u64>,
}

impl<K: Hash + Eq + Copy> Generations<K> {
    pub(super) fn new() -> Self {
        Self { last: 0, present: HashMap::new(), shown: HashMap::new() }
    }

    /// The mark of the attachment that is there. `arrived` is when, where nothing would be heard of another one.
    pub(super) fn mark(&mut self, device: K, arrived: Option<u64>) -> u64 {
        if let Some(known) = self.present.get_mut(&device)
            && (known.arrived.is_none() || arrived.is_none() || known.arrived == arrived)
        {
            known.arrived = known.arrived.or(arrived);
            return known.mark;
        }
        self.last += 1;
        self.present.insert(device, Present { mark: self.last, arrived });
        self.last
    }

    /// It has been heard that a device has come: before that, it has been heard of all that have left.
    pub(super) fn came(&mut self, device: K) -> u64 {
        self.shown.remove(&device);
        self.mark(device, None)
    }

    /// It has been heard that a device has left.
    pub(super) fn left(&mut self, device: K) {
        match self.shown.get_mut(&device) {
            Some(shown) if *shown > 1 => *shown -= 1,
            Some(_) => {
                self.shown.remove(&device);
            }
            None => {
                self.present.remove(&device);
            }
        }
    }

    /// A listing shows these devices and no other one.
    pub(super) fn listed(&mut self, devices: &HashSet<K>) {
        let shown = &mut self.shown;
        self.present.retain(|device, _| {
            let is_there = devices.contains(device);
            if !is_there {
                *shown.entry(*device).or_default() += 1;
            }
            is_there
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replug_that_no_listing_has_seen_makes_another_mark() {
        let mut generations = Generations::new();
        let before = generations.mark('a', None);
        generations.listed(&['a'].into());
        generations.left('a');
        let after = generations.came('a');
        assert_ne!(before, after);
        generations.listed(&['a'].into());
        assert_eq!(generations.mark('a', None), after, "the same attachment in each listing");
    }

    #[test]
    fn what_is_heard_after_a_listing_has_shown_it_ends_nothing_further() {
        let mut generations = Generations::new();
        let before = generations.mark('a', None);
        generations.listed(&[].into());
        // It has come again and a listing shows it, before it is heard that the one before has left.
        let after = generations.mark('a', None);
        generations.listed(&['a'].into());
        assert_ne!(before, after);
        generations.left('a');
        assert_eq!(generations.came('a'), after);
        // From here on nothing is to be heard any more, and what is heard is news.
        generations.left('a');
        assert_ne!(generations.came('a'), after);
    }

    #[test]
    fn devices_have_marks_of_their_own() {
        let mut generations = Generations::new();
        assert_ne!(generations.mark('a', None), generations.mark('b', None));
        let b = generations.mark('b', None);
        generations.left('a');
        assert_eq!(generations.mark('b', None), b);
    }

    #[test]
    fn where_nothing_is_heard_another_time_of_arrival_makes_another_mark() {
        let mut generations = Generations::new();
        let before = generations.mark('h', Some(100));
        assert_eq!(generations.mark('h', Some(100)), before);
        assert_eq!(generations.mark('h', None), before, "a time that cannot be read says nothing");
        assert!(generations.mark('h', Some(200)) > before);
    }
}
