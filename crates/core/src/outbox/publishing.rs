//! What waits to be published: given out in batches, acknowledged, published again where a server has forgotten it.

use super::Outbox;
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::file::{explain, is_beyond_repair, unusable};
use super::state::Mark;
use super::store::Placed;
use crate::error::{Code, Error};
use crate::event::Event;
use crate::journey::Step;

/// So many events are told of to the file, or forgotten, in one go.
pub(super) const IN_ONE_GO: i64 = 256;

/// So many events, at least, are read from the file in one go, before they are asked for.
const AHEAD: usize = 256;

/// Places that are looked at in one go.
const PAGE: i64 = 512;

impl Outbox {
    /// The first `limit` events that wait; they stay until [`Outbox::acknowledge`]. None, although some wait, where the file
    /// cannot be read just now.
    pub fn batch(&mut self, limit: usize) -> Vec<Placed> {
        let mut unreadable = 0;
        let batch = loop {
            let first = self.progress.published + 1;
            let at_hand = self.recent.front().map_or(i64::MAX, |placed| placed.position);
            if self.waiting() == 0 || at_hand <= first {
                // Nothing of the file waits any more.
                self.ahead = VecDeque::new();
                break self.at_hand(first, limit);
            }
            let last = self.progress.last.min(at_hand - 1);
            let next = match self.read(first, last, limit) {
                Ok(mut batch) if !batch.is_empty() => {
                    if batch.last().is_some_and(|placed| placed.position == last) {
                        let room = limit - batch.len();
                        batch.extend(self.recent.iter().take(room).cloned());
                    }
                    break batch;
                }
                Ok(_) => self.store.next_place(first, last),
                Err(error) => Err(error),
            };
            match next {
                Ok(next) => {
                    let next = next.unwrap_or(last + 1);
                    unreadable += self.give_up_through(next - 1);
                }
                Err(error) if is_beyond_repair(&error) => unreadable += self.give_up_through(last),
                Err(error) => {
                    self.note_fault(&error);
                    break Vec::new();
                }
            }
        };
        if unreadable > 0 {
            let path = self.settings.path.as_deref().unwrap_or(":memory:");
            let message = format!(
                "the outbox {path} is damaged: {unreadable} events that waited cannot be read and are lost"
            );
            self.faults.push(Error::new(Code::Outbox, message));
            self.show();
        }
        batch
    }

    /// What comes after that place, where a batch up to there is under way: as far as it can be had without a doubt.
    pub fn following(&mut self, place: i64, limit: usize) -> Vec<Placed> {
        let first = place + 1;
        let at_hand = self.recent.front().map_or(self.progress.last + 1, |placed| placed.position);
        if first > self.progress.last {
            Vec::new()
        } else if at_hand <= first {
            self.at_hand(first, limit)
        } else {
            // What cannot be read is told of by the batch that needs it.
            self.read(first, at_hand - 1, limit).unwrap_or_default()
        }
    }

    fn at_hand(&self, first: i64, limit: usize) -> Vec<Placed> {
        let skip = self.recent.front().map_or(0, |placed| first - placed.position);
        let count = usize::try_from(self.progress.last - first + 1).unwrap_or_default();
        self.recent
            .iter()
            .skip(usize::try_from(skip).unwrap_or_default())
            .take(limit.min(count))
            .cloned()
            .collect()
    }

    /// Events of the file from this place on, as [`Store::read`] has it. What is under way stays at hand.
    fn read(&mut self, first: i64, last: i64, limit: usize) -> Result<Vec<Placed>, rusqlite::Error> {
        while self.ahead.front().is_some_and(|placed| placed.position <= self.progress.published) {
            self.ahead.pop_front();
        }
        let end = self.ahead.back().map(|placed| placed.position + 1);
        let is_within = self.ahead.front().is_some_and(|placed| placed.position <= first)
            && end.is_some_and(|end| first <= end);
        if !is_within {
            self.ahead.clear();
        }
        if !is_within || end == Some(first) {
            // Whole batches, so that none is cut short by a page's end.
            let page = limit.max(AHEAD / limit.max(1) * limit);
            self.ahead.extend(self.store.read(first, last, page)?);
        }
        let skip = self.ahead.front().map_or(0, |placed| first - placed.position);
        let from = self.ahead.iter().skip(usize::try_from(skip).unwrap_or_default());
        Ok(from.take_while(|placed| placed.position <= last).take(limit).cloned().collect())
    }

    /// Events that waited in the file cannot be read back: they are lost. Gives their number.
    fn give_up_through(&mut self, last: i64) -> u64 {
        let count = (last - self.progress.published).cast_unsigned();
        self.drop_events(count);
        self.progress.published = last;
        self.has_progress = true;
        count
    }

    /// Whether an event that Redis has acknowledged `now` had been acknowledged before. It remembers itself; one that was read
    /// back from the file does not, and its place has to tell.
    pub fn is_published_again(&self, placed: &Placed, now: Instant) -> bool {
        let is_first = placed.event.journey.note(Step::Publish, now);
        !is_first && placed.position <= self.reached
    }

    /// Redis has acknowledged these events, which [`Outbox::batch`] gave.
    pub fn acknowledge(&mut self, batch: &[Placed]) {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return };
        let count = batch.len() as u64;
        // What was given up while it was on its way has arrived after all.
        let given_up =
            (self.progress.published.min(last.position) - first.position + 1).max(0).cast_unsigned();
        self.accounts.dropped -= given_up.min(self.accounts.dropped);
        self.lost -= given_up.min(self.lost);
        self.accounts.published += count;
        self.progress.published = self.progress.published.max(last.position);
        self.progress.published_seq = last.event.seq;
        self.has_progress = true;
        self.show();
    }

    /// Up to `limit` events of this series that come after number `after`, as far as they are kept.
    ///
    /// # Errors
    /// `ERR_USB_OUTBOX` where the file cannot be read.
    pub fn after(&self, after: u64, limit: usize) -> Result<Vec<Arc<Event>>, Error> {
        let series = &self.progress.series;
        let is_wanted = |event: &Event| event.producer == series.producer && event.seq > after;
        // Each number has at most one place, so that of the first one is here or further on.
        let numbers = i64::try_from(series.last_seq.saturating_sub(after)).unwrap_or(i64::MAX);
        let mut place = (self.progress.last.saturating_sub(numbers)).max(0);
        let at_hand = self.recent.front().map_or(self.progress.last + 1, |placed| placed.position);
        let mut events = Vec::new();
        while events.len() < limit && place + 1 < at_hand {
            let last = (place + PAGE).min(at_hand - 1);
            let page = self.store.read_all(place + 1, last).map_err(|error| {
                let path = self.settings.path.as_deref().unwrap_or(":memory:");
                unusable(Path::new(path), &explain(&error))
            })?;
            events.extend(page.into_iter().map(|placed| placed.event).filter(|event| is_wanted(event)));
            place = last;
        }
        let at_hand = self.recent.iter().map(|placed| &placed.event).filter(|event| is_wanted(event));
        events.extend(at_hand.cloned());
        events.truncate(limit);
        Ok(events)
    }

    /// Stores how far publishing has come where that is far; else the next commit does, or an idle moment. Where
    /// the file misses it, Redis knows.
    pub fn save_progress_in_one_go(&mut self) {
        let far = (self.progress.published - self.stored_published).max(self.keep_from() - self.kept_from);
        if self.has_progress && far >= IN_ONE_GO {
            self.save_progress();
        }
    }

    /// Stores how far publishing has come, and forgets what need not be kept any longer.
    pub fn save_progress(&mut self) {
        if self.retry_at.is_some() {
            return;
        }
        let keep_from = self.keep_from();
        match self.store.advance(&self.changes, &self.progress, keep_from) {
            Ok(()) => {
                self.note_tabled();
                self.has_progress = false;
                self.stored_published = self.progress.published;
                self.kept_from = keep_from;
            }
            Err(error) => self.note_fault(&error),
        }
    }

    fn keep_from(&self) -> i64 {
        self.progress.published - self.settings.retain + 1
    }

    /// The last place that need not be published any more.
    pub fn published_place(&self) -> i64 {
        self.progress.published
    }

    /// Number of the last event of this series that Redis has acknowledged, in this run or an earlier one.
    pub fn published_seq(&self) -> u64 {
        self.progress.published_seq
    }

    /// Number up to which, when the file was opened, events were known to be those that had these numbers first.
    pub fn opened_seq(&self) -> u64 {
        self.opened.seq
    }

    /// Redis knows of no event that this outbox does not: its numbers are good, and so are those that come. Stored before
    /// anything is published.
    pub fn trust(&mut self) {
        if !std::mem::replace(&mut self.is_trusted, true) {
            self.move_trust();
            self.save_progress();
        }
    }

    pub(super) fn move_trust(&mut self) {
        if self.is_trusted {
            self.progress.trusted = Mark { position: self.progress.last, seq: self.progress.series.last_seq };
        }
    }

    /// Whether events were published that the watermark does not know of.
    pub fn is_unfenced(&self) -> bool {
        self.progress.unfenced
    }

    /// Says whether the watermark knows of all that was published.
    pub fn set_unfenced(&mut self, unfenced: bool) {
        self.progress.unfenced = unfenced;
        self.save_progress();
    }

    /// Goes back: what came after `seq` is to be published again, as far as it is kept. Gives how many that are.
    pub fn rewind(&mut self, seq: u64) -> u64 {
        let producer = &self.progress.series.producer;
        let is_before = |placed: &&Placed| placed.event.producer == *producer && placed.event.seq <= seq;
        // Not all that is at hand need be in the file.
        let place = match self.recent.iter().rev().find(is_before) {
            Some(placed) => Some(placed.position),
            None => match self.store.place_of(producer, seq) {
                Ok(place) => place,
                Err(error) => {
                    self.note_fault(&error);
                    None
                }
            },
        };
        let place = place.unwrap_or(self.progress.published).min(self.progress.published);
        let again = (self.progress.published - place).cast_unsigned();
        self.accounts.carried_over += again;
        self.reached = self.reached.max(self.progress.published);
        self.progress.published = place;
        self.progress.published_seq = seq;
        self.save_progress();
        self.show();
        again
    }
}
