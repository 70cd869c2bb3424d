//! What waits to be exported: a bounded queue that whoever fills it never waits for.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Things that wait, `most` at most.
pub(super) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    most: usize,
    batch: usize,
    /// There is something, or there is a whole batch.
    grown: Notify,
}

struct Waiting<T> {
    items: VecDeque<T>,
    refused: u64,
}

impl<T> Queue<T> {
    pub(super) fn new(most: usize, batch: usize) -> Self {
        let waiting = Mutex::new(Waiting { items: VecDeque::new(), refused: 0 });
        Self { waiting, most, batch, grown: Notify::new() }
    }

    /// Adds one. Where there is no room it is counted, and what waits longer stays. True where nothing has waited before it.
    pub(super) fn push(&self, item: T) -> bool {
        let mut waiting = self.lock();
        if waiting.items.len() >= self.most {
            waiting.refused += 1;
            return false;
        }
        waiting.items.push_back(item);
        let count = waiting.items.len();
        drop(waiting);
        if count == 1 || count == self.batch {
            self.grown.notify_one();
        }
        count == 1
    }

    /// Takes a batch, or what there is.
    pub(super) fn take(&self) -> Vec<T> {
        let mut waiting = self.lock();
        let count = self.batch.min(waiting.items.len());
        waiting.items.drain(..count).collect()
    }

    /// Forgets what waits. Gives how many that were.
    pub(super) fn clear(&self) -> u64 {
        std::mem::take(&mut self.lock().items).len() as u64
    }

    /// How many were refused since this was asked.
    pub(super) fn take_refused(&self) -> u64 {
        std::mem::take(&mut self.lock().refused)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().items.len()
    }

    /// Until so many wait.
    pub(super) async fn holds(&self, count: usize) {
        while self.len() < count {
            self.grown.notified().await;
        }
    }

    pub(super) fn batch_size(&self) -> usize {
        self.batch
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<T>> {
        // A queue is whole between any two statements under the lock.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_is_counted_and_what_waits_stays() {
        let queue = Queue::new(3, 2);
        let begins: Vec<bool> = (0..5).map(|item| queue.push(item)).collect();
        assert_eq!(begins, [true, false, false, false, false]);
        assert_eq!((queue.take(), queue.take(), queue.take()), (vec![0, 1], vec![2], vec![]));
        assert_eq!((queue.take_refused(), queue.take_refused()), (2, 0));
    }
}
