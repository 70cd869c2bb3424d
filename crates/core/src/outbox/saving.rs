//! What has been taken in is stored: one commit for all, and again later where the file cannot be written.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::file::{explain, unusable};
use super::journal::Entries;
use super::log_lines::log_refused;
use super::publishing::IN_ONE_GO;
use super::{Incoming, Outbox, Placed, Taken};
use crate::config::WhenFull;
use crate::device::{SharedSerials, Unit};
use crate::error::{Code, Error};
use crate::event::Action;
use crate::journey::Step;

/// So many of the newest events are at hand without a look into the file.
const AT_HAND: usize = 1024;
/// A commit of more events writes all tables: their pages are few among its own, and the journal's columns cost more than they do.
const FEW: usize = 16;
/// How long a file that could not be written is left alone.
const RETRY: Duration = Duration::from_secs(1);

impl Outbox {
    /// Takes events in and stores them: one commit for all.
    pub fn append(&mut self, taken: Taken) {
        let Taken { events, refused, last_seq, filtered, mut settled, shared, .. } = taken;
        let are_few = events.len() <= FEW;
        let (mut keys, mut have_all_room) = (Vec::new(), true);
        self.take_shared(shared);
        self.drop_events(refused);
        self.accounts.seen += refused + filtered;
        self.accounts.filtered += filtered;
        self.progress.series.last_seq = last_seq;
        for Incoming { key, event, settles } in events {
            self.accounts.seen += 1;
            if let Some(number) = settles {
                settled.insert(number, number);
            }
            self.progress.claim(&key, &event);
            let has_room = self.make_room();
            if has_room {
                self.progress.last += 1;
                keys.extend(are_few.then(|| key.clone()));
            } else {
                have_all_room = false;
                log_refused(&event);
                self.drop_events(1);
            }
            let placed = Placed { position: self.progress.last, event };
            let change = (placed.event.action == Action::Attach).then(|| placed.clone());
            self.changes.insert(key, change);
            if has_room {
                self.recent.push_back(placed);
            }
        }
        self.progress.settled.extend(&settled);
        self.move_trust();
        let entries = Entries { keys, settles: settled };
        // One that found no room has no row, but its device is attached all the same, or gone.
        self.save((are_few && have_all_room).then_some(&entries));
    }

    /// Whether one more event may wait. If not, it is the one to go.
    fn make_room(&mut self) -> bool {
        if self.waiting() < self.settings.max_events {
            return true;
        }
        if self.settings.when_full == WhenFull::DropNewest {
            return false;
        }
        self.progress.published += 1;
        self.log_dropped(self.progress.published);
        self.has_progress = true;
        self.drop_events(1);
        true
    }

    pub(super) fn drop_events(&mut self, count: u64) {
        self.accounts.dropped += count;
        self.lost += count;
    }

    /// Whether something is not stored yet.
    pub fn has_unsaved(&self) -> bool {
        self.retry_at.is_some() || self.has_progress
    }

    /// Stores all that is not stored yet, and forgets what need not be kept any longer.
    pub fn save_all(&mut self) {
        if self.retry_at.is_some() {
            self.save(None);
        }
        if self.has_progress {
            self.save_progress();
        }
    }

    /// Stores what is not stored yet: as entries of the journal, if those are all there is to be said.
    pub(super) fn save(&mut self, entries: Option<&Entries>) {
        let mut is_saved = false;
        let entries = entries.filter(|entries| self.is_for_the_journal(entries));
        if self.retry_at.is_none_or(|at| Instant::now() >= at) {
            let unsaved = self.recent.iter().filter(|placed| placed.position > self.saved);
            let mut progress = self.progress.clone();
            if !self.settings.publishes {
                progress.published = progress.last;
            }
            let saved = match entries {
                Some(entries) => self.store.journal(unsaved, entries, &self.shared, &progress),
                None => self.store.save(unsaved, &self.changes, &self.shared, &progress),
            };
            match saved {
                Ok(()) => {
                    self.stored_published = progress.published;
                    if entries.is_none() {
                        self.note_tabled();
                    }
                    self.note_saved();
                    is_saved = true;
                }
                Err(error) => self.note_fault(&error),
            }
        }
        if !self.settings.publishes {
            let stored = self.saved - self.progress.published;
            self.accounts.published += stored.max(0).cast_unsigned();
            self.progress.published = self.progress.published.max(self.saved);
            self.has_progress |= stored > 0;
        }
        self.save_progress_in_one_go();
        self.let_go();
        self.show();
        if is_saved {
            // Whoever sees that a record is dealt with sees as well that its event waits.
            self.settled_board.set(&self.progress.settled);
        }
    }

    /// Whether a commit may consist of these alone: nothing older is still to be stored, and not too many wait for the other tables.
    fn is_for_the_journal(&self, entries: &Entries) -> bool {
        let unsaved = usize::try_from(self.progress.last - self.saved).unwrap_or_default();
        let is_tabled = self.tabled.is_some_and(|tabled| self.progress.last - tabled < IN_ONE_GO);
        unsaved > 0 && entries.keys.len() == unsaved && self.retry_at.is_none() && is_tabled
    }

    /// All tables know of everything.
    pub(super) fn note_tabled(&mut self) {
        self.changes.clear();
        self.tabled = Some(self.progress.last);
    }

    /// Kept until they are stored; no more of them than will be remembered.
    pub(super) fn take_shared(&mut self, shared: Vec<Unit>) {
        self.shared.extend(shared);
        let excess = self.shared.len().saturating_sub(SharedSerials::MOST);
        self.shared.drain(..excess);
    }

    /// Memory is bounded: what the file holds need not be at hand, and what it does not hold cannot all be, once
    /// Redis has it.
    fn let_go(&mut self) {
        let bound = self.settings.max_events.saturating_add(i64::try_from(AT_HAND).unwrap_or(i64::MAX));
        while self.recent.len() > AT_HAND {
            let Some(first) = self.recent.front().map(|placed| placed.position) else { return };
            let excess = self.progress.last - first >= bound && first <= self.progress.published;
            if first > self.saved && !excess {
                return;
            }
            self.recent.pop_front();
        }
    }

    fn note_saved(&mut self) {
        let now = Instant::now();
        let unsaved = self.recent.iter().rev().take_while(|placed| placed.position > self.saved).count();
        // As a rule all are new: one allocation for a commit.
        self.stored.first.reserve(unsaved);
        for placed in self.recent.range(self.recent.len() - unsaved..) {
            let is_first = placed.event.journey.note(Step::Store, now);
            tracing::debug!(
                event_id = placed.event.event_id(),
                durable = self.settings.path.is_some(),
                "stored"
            );
            let stored = if is_first { &mut self.stored.first } else { &mut self.stored.again };
            stored.push(Arc::clone(&placed.event));
        }
        self.saved = self.progress.last;
        self.shared.clear();
        if self.retry_at.take().is_some() {
            self.reason = None;
            tracing::info!(path = self.settings.path, "outbox can be written again");
        }
    }

    pub(super) fn note_fault(&mut self, error: &rusqlite::Error) {
        if self.retry_at.replace(Instant::now() + RETRY).is_none() {
            let path = self.settings.path.as_deref().unwrap_or(":memory:");
            let error = unusable(Path::new(path), &explain(error));
            self.log_unsaved(&error.message);
            let message = format!("{error}; until then events are kept in memory only");
            self.reason = Some(message.clone());
            self.faults.push(Error::new(Code::Outbox, message));
        }
    }
}
