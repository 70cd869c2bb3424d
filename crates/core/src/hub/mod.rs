//! The hub: every notice goes through it, to the status board and the onlookers first, and then to each subscriber.

mod board;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use board::Board;

use crate::delivery::{Backlog, Delivery};
use crate::event::Event;
use crate::notice::{Gap, Notice, RedisStatus, SourceState, SourceStatus};
use crate::onlooker::{Fact, Onlooker};
use crate::outbox::{OutboxStatus, StatusBoard};
use crate::ready::Readiness;
use crate::withheld::Withheld;

/// Where notices are told.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    subscribers: Mutex<Vec<Arc<Delivery>>>,
    onlookers: Vec<Arc<dyn Onlooker>>,
    board: Mutex<Board>,
    outbox: StatusBoard,
    since: Instant,
}

/// How the daemon is, in the contract's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// It hears and publishes.
    Healthy,
    /// It hears, but a source that worked has failed, Redis is away, or events are not stored where they should be.
    Degraded,
    /// No source can hear.
    Unhealthy,
}

/// A picture of the daemon's state.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// In one word.
    pub status: HealthStatus,
    /// Package version.
    pub version: &'static str,
    /// Seconds since start.
    pub uptime: f64,
    /// Whether the devices present at start have been announced.
    pub started: bool,
    /// Each source's state.
    pub sources: Vec<SourceHealth>,
    /// The connection to Redis; absent where nothing is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisHealth>,
    /// Where events are stored, and how many of them are where.
    pub outbox: OutboxStatus,
    /// Other daemons that publish this machine's events to the same stream: their producers, and who they are.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub other_producers: BTreeMap<String, String>,
    /// Devices attached now.
    pub connected_devices: u64,
    /// Transitions since start.
    pub events: u64,
    /// Gaps since start.
    pub gaps: u64,
    /// The last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_gap: Option<Gap>,
    /// Reports of programs that were no news: attached already, or unknown.
    pub duplicates: u64,
}

/// How a source is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceHealth {
    /// Its state.
    #[serde(flatten)]
    pub status: SourceStatus,
    /// When it reported something last, in ms since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_event_at: Option<u64>,
}

/// How the connection to Redis is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RedisHealth {
    /// Its state.
    #[serde(flatten)]
    pub status: RedisStatus,
    /// How long ago the oldest event that waits for it was observed, in ms; 0 where none waits.
    pub lag_ms: u64,
}

impl Hub {
    /// A hub with its first subscriber, with the status of the outbox behind it, and with who looks on.
    pub fn new(subscriber: Arc<Delivery>, outbox: StatusBoard, onlookers: Vec<Arc<dyn Onlooker>>) -> Self {
        Self {
            shared: Arc::new(Shared {
                subscribers: Mutex::new(vec![subscriber]),
                onlookers,
                board: Mutex::default(),
                outbox,
                since: Instant::now(),
            }),
        }
    }

    /// Tells everybody.
    pub fn tell(&self, notice: &Notice) {
        lock(&self.shared.board).note(notice);
        for onlooker in &self.shared.onlookers {
            onlooker.notice(notice);
        }
        for delivery in lock(&self.shared.subscribers).iter() {
            delivery.push(notice);
        }
    }

    /// Tells those who look on.
    pub fn note(&self, fact: &Fact<'_>) {
        lock(&self.shared.board).note_fact(fact);
        for onlooker in &self.shared.onlookers {
            onlooker.fact(fact);
        }
    }

    /// The attach of each device that is attached, in the order in which they came.
    pub fn devices(&self) -> Vec<Arc<Event>> {
        lock(&self.shared.board).attached.values().cloned().collect()
    }

    /// The attach of this attachment, while it lasts.
    pub(crate) fn attached(&self, instance: u64) -> Option<Arc<Event>> {
        lock(&self.shared.board).attached.get(&instance).cloned()
    }

    /// How far each device is of which that has been told, by its attachment.
    pub(crate) fn readiness(&self, instance: u64) -> Option<Arc<Readiness>> {
        lock(&self.shared.board).ready.get(&instance).cloned()
    }

    /// What was told last of each device in whose way something stands.
    pub(crate) fn not_ready(&self) -> Vec<Arc<Readiness>> {
        let board = lock(&self.shared.board);
        board.ready.values().filter(|readiness| !readiness.is_ready).cloned().collect()
    }

    /// Reports of late that brought no event, the oldest first.
    pub fn withheld(&self) -> Vec<Arc<Withheld>> {
        lock(&self.shared.board).withheld.iter().cloned().collect()
    }

    /// Devices that are there and that a filter holds back.
    pub fn held_back(&self) -> Vec<Arc<Withheld>> {
        lock(&self.shared.board).held_back.values().cloned().collect()
    }

    /// What subscribers have not taken yet.
    pub fn backlog(&self) -> Backlog {
        lock(&self.shared.subscribers).iter().map(|delivery| delivery.backlog()).fold(
            Backlog::default(),
            |sum, one| Backlog { waiting: sum.waiting + one.waiting, gaps: sum.gaps + one.gaps },
        )
    }

    /// Waits until each subscriber has what it has had no room for, as long as it takes something every `patience`.
    pub fn wait_until_caught_up(&self, patience: Duration) {
        let subscribers = lock(&self.shared.subscribers).clone();
        for delivery in subscribers {
            delivery.wait_until_caught_up(patience);
        }
    }

    /// Whether anything has been told of this source.
    pub fn knows_source(&self, source: &str) -> bool {
        lock(&self.shared.board).sources.contains_key(source)
    }

    /// Tells that a source is in this state, unless that is known already.
    pub fn tell_source(&self, source: &'static str, state: SourceState, reason: impl Into<String>) {
        let before = lock(&self.shared.board).sources.get(source).cloned();
        // One that worked and has failed is not excused by failing to start again.
        let state = match (before.as_ref().map(|status| status.state), state) {
            (Some(SourceState::Failed), SourceState::Unavailable) => SourceState::Failed,
            _ => state,
        };
        let status = SourceStatus { source, state, reason: reason.into() };
        if before.as_ref() == Some(&status) {
            return;
        }
        let reason = status.reason.as_str();
        match state {
            SourceState::Deaf | SourceState::Failed => {
                tracing::warn!(source, state = state.as_str(), reason, "source");
            }
            _ => tracing::info!(source, state = state.as_str(), reason, "source"),
        }
        self.tell(&Notice::Source(status));
    }

    /// Tells how the connection to Redis is, unless that is known already.
    pub fn tell_redis(&self, status: RedisStatus) {
        let known = lock(&self.shared.board).redis.as_ref().is_some_and(|known| {
            known.connected == status.connected
                && known.reason == status.reason
                && known.delivery == status.delivery
        });
        if known {
            return;
        }
        let RedisStatus { connected, address, reason, waiting, .. } = &status;
        let reason = reason.as_deref().unwrap_or_default();
        if *connected {
            tracing::info!(address, waiting, "redis connected");
        } else {
            tracing::warn!(address, waiting, reason, "redis away");
        }
        self.tell(&Notice::Redis(status));
    }

    /// Counts a report that was no news.
    pub fn count_duplicate(&self) {
        lock(&self.shared.board).duplicates += 1;
    }

    /// Says which other daemons publish the same.
    pub fn set_other_producers(&self, producers: BTreeMap<String, String>) {
        lock(&self.shared.board).other_producers = producers;
    }

    /// Where events are stored, and how many of them are where.
    pub fn outbox(&self) -> OutboxStatus {
        self.shared.outbox.get()
    }

    /// The daemon's state now.
    pub fn health(&self) -> Health {
        let outbox = self.shared.outbox.get();
        let board = lock(&self.shared.board);
        let waiting = usize::try_from(outbox.accounts.waiting).unwrap_or(usize::MAX);
        let lag_ms = outbox.oldest_ms;
        let source = |status: &SourceStatus| SourceHealth {
            last_event_at: board.reported.get(status.source).copied(),
            status: status.clone(),
        };
        let redis =
            |status: &RedisStatus| RedisHealth { status: RedisStatus { waiting, ..status.clone() }, lag_ms };
        Health {
            status: board.status(&outbox),
            version: env!("CARGO_PKG_VERSION"),
            uptime: self.shared.since.elapsed().as_secs_f64(),
            started: board.started,
            sources: board.sources.values().map(source).collect(),
            redis: board.redis.as_ref().map(redis),
            outbox,
            other_producers: board.other_producers.clone(),
            connected_devices: board.attached.len() as u64,
            events: board.events,
            gaps: board.gaps,
            last_gap: board.last_gap.clone(),
            duplicates: board.duplicates,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks panics, and what they guard is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
