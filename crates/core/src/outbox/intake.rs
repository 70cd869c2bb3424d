//! The intake: gives events their numbers and hands them from the engine's thread to the outbox's.
//!
//! Numbering and queueing are one step under one lock, so that the queue is in the order of the numbers, and so that
//! the outbox can begin a new series without an event of the old one slipping in behind.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::WakeUp;
use crate::config::{OutboxConfig, WhenFull};
use crate::device::{SharedSerials, Unit};
use crate::event::Event;
use crate::source::injected::{Ticket, Verdict};
use crate::spool::Settled;

/// An event on its way into the outbox, with the name under which its device is attached.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Names the attachment among those that are there now.
    pub key: String,
    /// The event.
    pub event: Arc<Event>,
    /// Number of the kernel's uevent that is dealt with once this is stored.
    pub settles: Option<u64>,
}

/// The way into the outbox.
pub struct Intake {
    state: Mutex<State>,
    wake_up: Arc<WakeUp>,
    capacity: usize,
    when_full: WhenFull,
}

/// What has come in since the last look.
#[derive(Debug, Default)]
pub struct Taken {
    /// Events, in the order of their numbers.
    pub events: VecDeque<Incoming>,
    /// How many found no room.
    pub refused: u64,
    /// The last number given, theirs included.
    pub last_seq: u64,
    /// How many transitions a filter has held back.
    pub filtered: u64,
    /// Ranges of uevents that brought no event, or one that found no room.
    pub settled: Settled,
    /// Serial numbers that have been seen on two devices at once.
    pub shared: Vec<Unit>,
    /// What has become of reports whose events, if any, are among these.
    pub answers: Vec<(Ticket, Verdict)>,
}

impl Taken {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.refused == 0
            && self.filtered == 0
            && self.answers.is_empty()
            && self.settled.is_empty()
            && self.shared.is_empty()
    }
}

/// There is room for so many, however few may wait for Redis: a disk that keeps us waiting for a moment costs nothing.
const LEAST: usize = 1024;

struct State {
    series: Series,
    queue: VecDeque<Incoming>,
    refused: u64,
    filtered: u64,
    settled: Settled,
    shared: Vec<Unit>,
    answers: Vec<(Ticket, Verdict)>,
}

impl State {
    fn settle(&mut self, number: Option<u64>) {
        if let Some(number) = number {
            self.settled.insert(number, number);
        }
    }
}

/// A producer and the last number that it has given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// Who numbers.
    pub producer: Arc<str>,
    /// The last number given.
    pub last_seq: u64,
}

impl Intake {
    /// An intake that goes on after the series' last number. As many events as may wait for Redis find room: more than that
    /// wait only where a disk does not answer.
    pub fn new(series: Series, config: &OutboxConfig) -> Self {
        let state = State {
            series,
            queue: VecDeque::new(),
            refused: 0,
            filtered: 0,
            settled: Settled::default(),
            shared: Vec::new(),
            answers: Vec::new(),
        };
        let capacity = config.max_events.max(LEAST);
        Self { state: Mutex::new(state), wake_up: Arc::default(), capacity, when_full: config.when_full }
    }

    /// Numbers an event, which `make` builds from its producer and number, has `tell` tell of it, and queues it: nobody can
    /// hear that it is published before they have heard of it. Once it is stored, uevent `settles` is dealt with. Wakes nobody.
    pub fn number(
        &self,
        key: String,
        settles: Option<u64>,
        make: impl FnOnce(Arc<str>, u64) -> Event,
        tell: impl FnOnce(&Arc<Event>),
    ) {
        let mut state = self.lock();
        state.series.last_seq += 1;
        let event = Arc::new(make(Arc::clone(&state.series.producer), state.series.last_seq));
        tell(&event);
        let is_full = state.queue.len() >= self.capacity;
        state.refused += u64::from(is_full);
        if is_full && self.when_full == WhenFull::DropNewest {
            state.settle(settles);
            return;
        }
        if is_full {
            let given_up = state.queue.pop_front().and_then(|incoming| incoming.settles);
            state.settle(given_up);
        }
        state.queue.push_back(Incoming { key, event, settles });
    }

    /// Uevents from `first` to `last` are dealt with, without any event. Stored with whatever is stored next.
    pub fn settle(&self, first: u64, last: u64) {
        self.lock().settled.insert(first, last);
    }

    /// These serial numbers identify nothing. Stored with whatever is stored next.
    pub fn share(&self, units: Vec<Unit>) {
        if units.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.shared.extend(units);
        let excess = state.shared.len().saturating_sub(SharedSerials::MOST);
        state.shared.drain(..excess);
    }

    /// Wakes the outbox.
    pub fn wake(&self) {
        self.wake_up.wake();
    }

    /// What wakes the outbox, for who leaves that to the subscriber.
    pub fn wake_up(&self) -> &WakeUp {
        &self.wake_up
    }

    /// What is to be called whenever the subscriber has come.
    pub fn come(&self) -> impl Fn() + Send + Sync + 'static {
        let wake_up = Arc::clone(&self.wake_up);
        move || wake_up.come()
    }

    /// Waits until the outbox has been woken since the last wait.
    pub async fn arrived(&self) {
        self.wake_up.arrived().await;
    }

    /// Takes what has come in.
    pub fn take(&self) -> Taken {
        let mut state = self.lock();
        Taken {
            events: std::mem::take(&mut state.queue),
            refused: std::mem::take(&mut state.refused),
            last_seq: state.series.last_seq,
            filtered: std::mem::take(&mut state.filtered),
            settled: std::mem::take(&mut state.settled),
            shared: std::mem::take(&mut state.shared),
            answers: std::mem::take(&mut state.answers),
        }
    }

    /// Counts a transition that a filter has held back.
    pub fn note_filtered(&self) {
        self.lock().filtered += 1;
    }

    /// Has it said what has become of a report, once all that has come in by now is stored.
    pub fn answer(&self, ticket: Ticket, verdict: Verdict) {
        self.lock().answers.push((ticket, verdict));
    }

    /// Begins another series. `renumber` is given what has come in, and says with which number the series goes on.
    pub fn restart(&self, producer: Arc<str>, renumber: impl FnOnce(VecDeque<Incoming>) -> u64) {
        let mut state = self.lock();
        let queue = std::mem::take(&mut state.queue);
        state.series = Series { producer, last_seq: renumber(queue) };
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What may panic under this lock builds an event, and the queue is whole then.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Action;
    use crate::test_support::event;

    #[test]
    fn where_there_is_no_room_the_setting_says_which_events_go() {
        for (when_full, kept) in [(WhenFull::DropOldest, 11..=1034), (WhenFull::DropNewest, 1..=1024)] {
            let config = OutboxConfig { max_events: 10, when_full, ..OutboxConfig::default() };
            let intake = Intake::new(Series { producer: "test".into(), last_seq: 0 }, &config);
            for at in 1..=1034 {
                intake.number(
                    at.to_string(),
                    None,
                    |_, seq| (*event(seq, Action::Attach, seq)).clone(),
                    |_| (),
                );
            }
            let Taken { events, refused, last_seq, .. } = intake.take();
            let seqs: Vec<u64> = events.iter().map(|incoming| incoming.event.seq).collect();
            assert_eq!((seqs, refused, last_seq), (kept.collect(), 10, 1034));
        }
    }
}
