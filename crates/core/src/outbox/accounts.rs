//! The outbox's accounts: where every event that it has ever held in this run is now.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::Outbox;
use crate::clock;

/// Numbers of events. At every moment `carried_over + seen = published + filtered + waiting + dropped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Accounts {
    /// Waited when the outbox was opened, or came back to be published again.
    pub carried_over: u64,
    /// Came in since.
    pub seen: u64,
    /// Acknowledged by Redis since; stored, where nothing is published.
    pub published: u64,
    /// Held back by a filter.
    pub filtered: u64,
    /// Wait to be published.
    pub waiting: u64,
    /// Given up because too many waited, or because their record could not be read; told as a gap.
    pub dropped: u64,
}

/// How the outbox is doing, for health and whoever else asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboxStatus {
    /// Whether what is stored outlives this process.
    pub durable: bool,
    /// The file, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Why it is not durable although it was to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The series of numbers that events get.
    pub producer: String,
    /// Number of the last event that has come in.
    pub last_seq: u64,
    /// How long ago the oldest event that waits was observed, in ms; 0 where none waits.
    pub oldest_ms: u64,
    /// When that was, in ms since 1970.
    #[serde(skip)]
    pub oldest_at: Option<u64>,
    /// The accounts.
    #[serde(flatten)]
    pub accounts: Accounts,
}

/// The status where other threads can look at it: always that between two operations.
#[derive(Clone, Debug, Default)]
pub struct StatusBoard(Arc<Mutex<OutboxStatus>>);

impl StatusBoard {
    /// What it is now.
    pub fn get(&self) -> OutboxStatus {
        let mut status = self.lock().clone();
        status.oldest_ms = status.oldest_at.map_or(0, |at| clock::now_ms().saturating_sub(at));
        status
    }

    pub(super) fn set(&self, status: OutboxStatus) {
        *self.lock() = status;
    }

    fn lock(&self) -> MutexGuard<'_, OutboxStatus> {
        // Nothing under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox {
    /// When the oldest event that waits was observed. What is not at hand is looked up once.
    fn oldest_at(&mut self) -> Option<u64> {
        let first = self.progress.published + 1;
        if first > self.progress.last {
            self.oldest = None;
        } else if self.oldest.is_none_or(|(place, _)| place != first) {
            let at_hand = [&self.recent, &self.ahead].into_iter().find_map(|events| {
                let at = usize::try_from(first - events.front()?.position).ok()?;
                events.get(at)
            });
            let event = match at_hand {
                Some(placed) => Some(Arc::clone(&placed.event)),
                None => self
                    .store
                    .read(first, first, 1)
                    .ok()
                    .and_then(|read| Some(read.into_iter().next()?.event)),
            };
            self.oldest = event.map(|event| (first, event.timestamp_ms));
        }
        self.oldest.map(|(_, at)| at)
    }

    pub(super) fn show(&mut self) {
        let oldest_at = self.oldest_at();
        let accounts = Accounts { waiting: self.waiting().cast_unsigned(), ..self.accounts };
        self.board.set(OutboxStatus {
            durable: self.is_durable(),
            path: self.settings.path.clone(),
            reason: self.reason.clone(),
            producer: self.progress.series.producer.to_string(),
            last_seq: self.progress.series.last_seq,
            oldest_ms: 0,
            oldest_at,
            accounts,
        });
    }
}
