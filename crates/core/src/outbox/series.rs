//! Beginning another series of numbers, where those that the file would give next have been given before.

use std::collections::HashMap;
use std::sync::Arc;

use super::Outbox;
use super::intake::{Intake, Series, Taken};
use super::state::Mark;
use crate::event::Event;

impl Outbox {
    /// The file has gone back in time: what it held when it was opened was published before that, and what came
    /// since has numbers that were given before. It gets new ones, of a new producer.
    pub fn begin_series(&mut self, producer: &str, intake: &Intake) {
        let producer: Arc<str> = producer.into();
        intake.restart(Arc::clone(&producer), |queue| {
            let last_seq = queue.back().map_or(self.progress.series.last_seq, |incoming| incoming.event.seq);
            self.append(Taken { events: queue, last_seq, ..Taken::default() });
            let known = (self.opened.position - self.progress.published).max(0);
            self.accounts.published += known.cast_unsigned();
            self.progress.published += known;
            self.renumber(&producer);
            self.progress.series.last_seq
        });
        self.show();
    }

    fn renumber(&mut self, producer: &Arc<str>) {
        let first = self.progress.published + 1;
        let at_hand = self.recent.front().map_or(self.progress.last + 1, |placed| placed.position);
        let mut events = match self.store.read_all(first, at_hand - 1) {
            Ok(events) => events,
            Err(error) => {
                self.note_fault(&error);
                Vec::new()
            }
        };
        events.extend(self.recent.iter().filter(|placed| placed.position >= first).cloned());
        // What cannot be read is lost, and the others close up.
        let count = i64::try_from(events.len()).unwrap_or(i64::MAX);
        self.drop_events((self.waiting() - count).cast_unsigned());
        for (placed, position) in events.iter_mut().zip(first..) {
            placed.position = position;
        }
        self.progress.last = first - 1 + count;
        let before = self.progress.series.producer.clone();
        let mut renumbered = HashMap::new();
        let mut seq = 0;
        for placed in &mut events {
            seq += 1;
            let old = placed.event.seq;
            let event = Event { producer: Arc::clone(producer), seq, ..(*placed.event).clone() };
            placed.event = Arc::new(event);
            renumbered.insert(old, placed.clone());
        }
        for (key, attach, _) in self.store.attached().unwrap_or_default() {
            if attach.producer == before
                && let Some(placed) = renumbered.get(&attach.seq)
            {
                self.changes.entry(key).or_insert_with(|| Some(placed.clone()));
            }
        }
        for placed in self.changes.values_mut().flatten() {
            if let Some(new) = renumbered.get(&placed.event.seq).filter(|_| placed.event.producer == before) {
                *placed = new.clone();
            }
        }
        self.progress.series = Series { producer: Arc::clone(producer), last_seq: seq };
        self.progress.published_seq = 0;
        self.opened = Mark { position: self.progress.published, seq: 0 };
        self.progress.trusted = self.opened;
        self.is_trusted = false;
        self.saved = self.saved.min(self.progress.published);
        self.recent = events.into();
        self.ahead.clear();
        self.save(None);
    }
}
