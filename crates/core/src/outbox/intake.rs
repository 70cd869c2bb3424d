//! The intake: gives events their numbers and hands them from the engine's thread to the outbox's.
//!
//! Numbering and queueing are one step under one lock, so that the queue is in the order of the numbers, and so that
//! the outbox can begin a new series without an event of the old one slipping in behind.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::event::Event;

/// An event on its way into the outbox, with the name under which its device is attached.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Names the attachment among those that are there now.
    pub key: String,
    /// The event.
    pub event: Arc<Event>,
}

/// The way into the outbox.
pub struct Intake {
    state: Mutex<State>,
    arrived: Notify,
    capacity: usize,
}

struct State {
    series: Series,
    queue: VecDeque<Incoming>,
    refused: u64,
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
    /// An intake that goes on after the series' last number. It holds `capacity` events at most: more than that wait
    /// only where a disk does not answer.
    pub fn new(series: Series, capacity: usize) -> Self {
        let state = State { series, queue: VecDeque::new(), refused: 0 };
        Self { state: Mutex::new(state), arrived: Notify::new(), capacity }
    }

    /// Numbers an event, which `make` builds from its producer and number, and queues it. Wakes nobody.
    pub fn number(&self, key: String, make: impl FnOnce(Arc<str>, u64) -> Event) -> Arc<Event> {
        let mut state = self.lock();
        state.series.last_seq += 1;
        let event = Arc::new(make(Arc::clone(&state.series.producer), state.series.last_seq));
        if state.queue.len() < self.capacity {
            state.queue.push_back(Incoming { key, event: Arc::clone(&event) });
        } else {
            state.refused += 1;
        }
        event
    }

    /// Wakes the outbox.
    pub fn wake(&self) {
        self.arrived.notify_one();
    }

    /// Waits until the outbox has been woken since the last wait.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Takes what has come in, and how many events found no room.
    pub fn take(&self) -> (VecDeque<Incoming>, u64) {
        let mut state = self.lock();
        (std::mem::take(&mut state.queue), std::mem::take(&mut state.refused))
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
