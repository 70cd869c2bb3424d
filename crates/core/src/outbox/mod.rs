//! The outbox: events that wait for Redis, in order, in memory.
//!
//! It is the one place between the engine and the publisher. Events stay in it until Redis has acknowledged them;
//! it holds at most `max_events`. Beyond that the oldest go, and are counted and said: see [`Outbox::take_lost`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::event::Event;

/// Events that wait for Redis.
pub struct Outbox {
    state: Mutex<State>,
    appended: Notify,
    max_events: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Arc<Event>>,
    lost: u64,
}

impl Outbox {
    /// An empty outbox of at most `max_events`.
    pub fn new(max_events: usize) -> Self {
        Self { state: Mutex::default(), appended: Notify::new(), max_events }
    }

    /// Appends an event and wakes the publisher.
    pub fn append(&self, event: Arc<Event>) {
        let mut state = self.lock();
        if state.waiting.len() >= self.max_events {
            if state.lost == 0 {
                let max_events = self.max_events;
                tracing::error!(max_events, "outbox full, dropping the oldest events");
            }
            state.waiting.pop_front();
            state.lost += 1;
        }
        state.waiting.push_back(event);
        drop(state);
        self.appended.notify_one();
    }

    /// The first `limit` events that wait; they stay until [`Outbox::remove_through`].
    pub fn first(&self, limit: usize) -> Vec<Arc<Event>> {
        self.lock().waiting.iter().take(limit).cloned().collect()
    }

    /// Removes the events up to this number: Redis has acknowledged them.
    pub fn remove_through(&self, seq: u64) {
        let mut state = self.lock();
        while state.waiting.front().is_some_and(|event| event.seq <= seq) {
            state.waiting.pop_front();
        }
    }

    /// How many events wait.
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// How many events have been dropped since this was last asked.
    pub fn take_lost(&self) -> u64 {
        std::mem::take(&mut self.lock().lost)
    }

    /// Waits until something has been appended since the last wait.
    pub async fn appended(&self) {
        self.appended.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under this lock panics, and the queue is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Action;
    use crate::test_support::event;

    fn seqs(outbox: &Outbox) -> Vec<u64> {
        outbox.first(usize::MAX).iter().map(|event| event.seq).collect()
    }

    #[test]
    fn events_stay_until_they_are_acknowledged() {
        let outbox = Outbox::new(10);
        (1..=5).for_each(|seq| outbox.append(event(seq, Action::Attach, seq)));
        assert_eq!(outbox.first(2).len(), 2);
        assert_eq!(outbox.waiting(), 5);
        outbox.remove_through(3);
        assert_eq!(seqs(&outbox), [4, 5]);
    }

    #[test]
    fn beyond_the_bound_the_oldest_go_and_are_counted_once() {
        let outbox = Outbox::new(3);
        (1..=5).for_each(|seq| outbox.append(event(seq, Action::Attach, seq)));
        assert_eq!(seqs(&outbox), [3, 4, 5]);
        assert_eq!((outbox.take_lost(), outbox.take_lost()), (2, 0));
        // A batch that was on its way when its head was dropped is removed as a whole.
        outbox.remove_through(4);
        assert_eq!(seqs(&outbox), [5]);
    }
}
