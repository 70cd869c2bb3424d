//! What a consumer has in hand: entries that wait for the handler, and results that wait for Redis.

use std::cell::RefCell;
use std::collections::{HashSet, VecDeque};

use tokio::sync::Notify;

use crate::error::{Code, shortened};
use crate::stream_reply::Entry;

/// Characters of what a handler has thrown: it may repeat what it was given.
const LONGEST_REASON: usize = 1000;

/// An entry on its way to the dead-letter stream.
#[derive(Clone, Debug)]
pub(super) struct DeadLetter {
    pub(super) entry: Entry,
    pub(super) code: Code,
    pub(super) reason: String,
    pub(super) attempts: u32,
    /// It was sent, and what became of it has not been heard.
    pub(super) sent: bool,
}

impl DeadLetter {
    /// An entry that nobody can read.
    pub(super) fn unreadable(entry: Entry, reason: String) -> Self {
        Self { entry, code: Code::Entry, reason, attempts: 0, sent: false }
    }

    /// An entry that no handler can bear.
    pub(super) fn unbearable(entry: Entry, reason: &str, attempts: u32) -> Self {
        let reason = shortened(reason, LONGEST_REASON);
        Self { entry, code: Code::Handler, reason, attempts, sent: false }
    }
}

/// Entries by what is to be done with them. Each ID is known from when it is given until Redis knows its end.
#[derive(Default)]
pub(super) struct Work {
    backlog: RefCell<VecDeque<Entry>>,
    known: RefCell<HashSet<String>>,
    handled: RefCell<VecDeque<String>>,
    dead: RefCell<VecDeque<DeadLetter>>,
    /// What Redis has got to know of since our own pending entries are being read, on another connection.
    lately: RefCell<Option<HashSet<String>>>,
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
            self.backlog.borrow_mut().push_back(entry);
            self.arrived.notify_one();
        }
    }

    /// The next entry for the handler.
    pub(super) fn take(&self) -> Option<Entry> {
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
            let id = letter.entry.id;
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

    /// What waits and is `theirs` has been taken over by other consumers.
    pub(super) fn leave_to_others(&self, theirs: &HashSet<String>) {
        let (mut backlog, mut known) = (self.backlog.borrow_mut(), self.known.borrow_mut());
        backlog.retain(|entry| {
            let stays = !theirs.contains(&entry.id);
            if !stays {
                known.remove(&entry.id);
            }
            stays
        });
        self.taken.notify_one();
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
        work.give(given.clone());
        assert_eq!(work.waiting(), 0, "not while it is handled");
        work.handled(given.id.clone());
        let ids = work.to_acknowledge(10);
        work.give(given.clone());
        assert_eq!(work.waiting(), 0, "nor while its acknowledgement is under way");
        work.acknowledged(&ids);
        assert!(work.is_settled());
        work.give(given);
        assert_eq!(work.waiting(), 1, "afterwards it is a new one");
    }

    #[test]
    fn a_handlers_reason_is_cut() {
        let letter = DeadLetter::unbearable(entry("1-1"), &"é".repeat(1 << 20), 1);
        assert_eq!(letter.reason, format!("{}…", "é".repeat(LONGEST_REASON)));
        assert_eq!(DeadLetter::unbearable(entry("1-1"), "two\nlines", 1).reason, "two\nlines");
    }

    #[test]
    fn what_others_took_over_is_left_to_them() {
        let work = Work::default();
        for id in ["1-1", "1-2", "1-3"] {
            work.give(entry(id));
        }
        work.leave_to_others(&HashSet::from(["1-2".to_owned(), "1-9".to_owned()]));
        let left: Vec<String> = std::iter::from_fn(|| work.take()).map(|entry| entry.id).collect();
        assert_eq!(left, ["1-1", "1-3"]);
        assert!(!work.is_in_hand("1-2"));
    }
}
