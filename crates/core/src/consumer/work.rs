//! What a consumer has in hand: entries that wait for the handler, and results that wait for Redis.

use std::cell::{Cell, RefCell};
use std::collections::{HashSet, VecDeque};

use tokio::sync::Notify;

use crate::stream_reply::Entry;

/// An entry that the group has given us.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) entry: Entry,
    /// Which making of the group gave it: one that was made anew knows nothing of it.
    pub(super) epoch: u32,
}

/// An entry on its way to the dead-letter stream.
#[derive(Clone, Debug)]
pub(super) struct DeadLetter {
    pub(super) given: Given,
    pub(super) reason: String,
    pub(super) attempts: u32,
    /// It was sent, and what became of it has not been heard.
    pub(super) sent: bool,
}

impl DeadLetter {
    pub(super) fn new(given: Given, reason: String, attempts: u32) -> Self {
        Self { given, reason, attempts, sent: false }
    }
}

/// Entries by what is to be done with them. Each ID is known from when it is given until Redis knows its end.
#[derive(Default)]
pub(super) struct Work {
    backlog: RefCell<VecDeque<Given>>,
    known: RefCell<HashSet<String>>,
    handled: RefCell<VecDeque<String>>,
    dead: RefCell<VecDeque<DeadLetter>>,
    /// What Redis has got to know of since our own pending entries are being read, on another connection.
    lately: RefCell<Option<HashSet<String>>>,
    epoch: Cell<u32>,
    /// An entry waits for a handler.
    pub(super) arrived: Notify,
    /// The backlog has become shorter.
    pub(super) taken: Notify,
    /// A result waits for Redis.
    pub(super) settled: Notify,
}

impl Work {
    /// Puts an entry behind those that wait, unless it is in hand already.
    pub(super) fn give(&self, entry: Entry) {
        if self.lately.borrow().as_ref().is_some_and(|lately| lately.contains(&entry.id)) {
            return;
        }
        if self.known.borrow_mut().insert(entry.id.clone()) {
            self.backlog.borrow_mut().push_back(Given { entry, epoch: self.epoch.get() });
            self.arrived.notify_one();
        }
    }

    /// The next entry for the handler.
    pub(super) fn take(&self) -> Option<Given> {
        let next = self.backlog.borrow_mut().pop_front();
        self.taken.notify_one();
        next
    }

    pub(super) fn waiting(&self) -> usize {
        self.backlog.borrow().len()
    }

    /// The handler has taken it, or nobody ever will: the group need not keep it.
    pub(super) fn handled(&self, id: String) {
        self.handled.borrow_mut().push_back(id);
        self.settled.notify_one();
    }

    pub(super) fn bury(&self, letter: DeadLetter) {
        self.dead.borrow_mut().push_back(letter);
        self.settled.notify_one();
    }

    /// Up to `limit` IDs that Redis is to be told of; they stay until [`Self::acknowledged`].
    pub(super) fn to_acknowledge(&self, limit: usize) -> Vec<String> {
        self.handled.borrow().iter().take(limit).cloned().collect()
    }

    /// Redis knows of the first of those that were handled.
    pub(super) fn acknowledged(&self, ids: &[String]) {
        self.handled.borrow_mut().drain(..ids.len());
        let mut known = self.known.borrow_mut();
        for id in ids {
            known.remove(id);
        }
        if let Some(lately) = &mut *self.lately.borrow_mut() {
            lately.extend(ids.iter().cloned());
        }
        self.taken.notify_one();
    }

    /// Our own pending entries are about to be read: what is settled meanwhile is not to be given again.
    pub(super) fn begin_look(&self) {
        self.lately.replace(Some(HashSet::new()));
    }

    pub(super) fn end_look(&self) {
        self.lately.replace(None);
    }

    /// The first letter that waits.
    pub(super) fn letter(&self) -> Option<DeadLetter> {
        self.dead.borrow().front().cloned()
    }

    /// The first letter is about to be sent.
    pub(super) fn letter_is_sent(&self) {
        if let Some(letter) = self.dead.borrow_mut().front_mut() {
            letter.sent = true;
        }
    }

    /// The first letter is written, or somebody else's.
    pub(super) fn buried(&self) {
        if let Some(letter) = self.dead.borrow_mut().pop_front() {
            let id = letter.given.entry.id;
            self.known.borrow_mut().remove(&id);
            if let Some(lately) = &mut *self.lately.borrow_mut() {
                lately.insert(id);
            }
        }
        self.taken.notify_one();
    }

    /// Whether Redis knows of every result.
    pub(super) fn is_settled(&self) -> bool {
        self.handled.borrow().is_empty() && self.dead.borrow().is_empty()
    }

    /// Results that Redis does not know of yet.
    pub(super) fn unsettled(&self) -> usize {
        self.handled.borrow().len() + self.dead.borrow().len()
    }

    /// IDs of all that is in hand.
    pub(super) fn in_hand(&self) -> Vec<String> {
        self.known.borrow().iter().cloned().collect()
    }

    pub(super) fn is_in_hand(&self, id: &str) -> bool {
        self.known.borrow().contains(id)
    }

    /// What waits and is not among `ours` has been taken over by another consumer.
    pub(super) fn leave_to_others(&self, asked: &[String], ours: &HashSet<String>) {
        let gone: HashSet<&String> = asked.iter().filter(|id| !ours.contains(*id)).collect();
        let (mut backlog, mut known) = (self.backlog.borrow_mut(), self.known.borrow_mut());
        let epoch = self.epoch.get();
        backlog.retain(|given| {
            // A group that was made anew knows nothing of what the one before gave: nobody else has that.
            let stays = given.epoch != epoch || !gone.contains(&given.entry.id);
            if !stays {
                known.remove(&given.entry.id);
            }
            stays
        });
        self.taken.notify_one();
    }

    /// The group is made anew: it knows nothing of what is in hand.
    pub(super) fn begin_epoch(&self) {
        self.epoch.set(self.epoch.get() + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str) -> Entry {
        Entry { id: id.into(), fields: Vec::new() }
    }

    #[test]
    fn an_entry_in_hand_is_not_taken_twice() {
        let work = Work::default();
        work.give(entry("1-1"));
        work.give(entry("1-1"));
        let given = work.take().expect("one");
        assert!(work.take().is_none());
        work.give(given.entry.clone());
        assert_eq!(work.waiting(), 0, "not while it is handled");
        work.handled(given.entry.id.clone());
        let ids = work.to_acknowledge(10);
        work.give(given.entry.clone());
        assert_eq!(work.waiting(), 0, "nor while its acknowledgement is under way");
        work.acknowledged(&ids);
        assert!(work.is_settled());
        work.give(given.entry);
        assert_eq!(work.waiting(), 1, "afterwards it is a new one");
    }

    #[test]
    fn what_others_took_over_is_left_to_them() {
        let work = Work::default();
        for id in ["1-1", "1-2", "1-3"] {
            work.give(entry(id));
        }
        let asked = ["1-1".to_owned(), "1-2".to_owned()];
        work.leave_to_others(&asked, &HashSet::from(["1-1".to_owned()]));
        let left: Vec<String> = std::iter::from_fn(|| work.take()).map(|given| given.entry.id).collect();
        assert_eq!(left, ["1-1", "1-3"], "and what nobody asked about stays");
        assert!(!work.is_in_hand("1-2"));
    }

    #[test]
    fn what_waited_when_the_group_was_made_anew_is_nobody_elses() {
        let work = Work::default();
        work.give(entry("1-1"));
        work.begin_epoch();
        work.give(entry("1-2"));
        work.leave_to_others(&["1-1".to_owned(), "1-2".to_owned()], &HashSet::new());
        let left: Vec<String> = std::iter::from_fn(|| work.take()).map(|given| given.entry.id).collect();
        assert_eq!(left, ["1-1"]);
    }
}
