//! The hub: every notice goes through it, to the status board and the onlookers first, and then to each subscriber.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::clock;
use crate::delivery::{Backlog, Delivery};
use crate::event::{Action, Event};
use crate::notice::{Gap, Notice, RedisStatus, SourceState, SourceStatus};
use crate::onlooker::{Fact, Onlooker};
use crate::outbox::{OutboxStatus, StatusBoard};
use crate::platform::bus;
use crate::ready::Readiness;
use crate::source::name;
use crate::withheld::{Withheld, WithheldReason};

/// So many reports that brought no event are remembered.
const WITHHELD: usize = 200;

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

/// What is known of the daemon's own state.
#[derive(Debug, Default)]
struct Board {
    started: bool,
    sources: BTreeMap<&'static str, SourceStatus>,
    redis: Option<RedisStatus>,
    other_producers: BTreeMap<String, String>,
    /// Attach of each device that is attached, by its instance.
    attached: BTreeMap<u64, Arc<Event>>,
    /// How far each of them is, where that has been told.
    ready: BTreeMap<u64, Arc<Readiness>>,
    events: u64,
    gaps: u64,
    last_gap: Option<Gap>,
    duplicates: u64,
    /// When each source has reported something last, in ms since 1970.
    reported: BTreeMap<&'static str, u64>,
    withheld: VecDeque<Arc<Withheld>>,
    /// Devices that a filter holds back.
    held_back: BTreeMap<HeldBack, Arc<Withheld>>,
}

/// Whose it is, which, and where: reported devices may be at a port where there is another one.
type HeldBack = (&'static str, u16, u16, String);

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
            delivery.push(notice.clone());
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

impl Board {
    fn note(&mut self, notice: &Notice) {
        match notice {
            Notice::Started => self.started = true,
            Notice::Transition(event) | Notice::Stayed(event) => {
                self.events += 1;
                match event.action {
                    Action::Attach => {
                        self.attached.insert(event.attachment.instance, Arc::clone(event));
                    }
                    Action::Detach => {
                        self.attached.remove(&event.attachment.instance);
                        self.ready.remove(&event.attachment.instance);
                    }
                }
            }
            Notice::Ready { event, readiness } => {
                self.ready.insert(event.attachment.instance, Arc::clone(readiness));
            }
            Notice::Gap(gap) => {
                self.gaps += 1;
                self.last_gap = Some(gap.clone());
            }
            Notice::Source(status) => {
                self.sources.insert(status.source, status.clone());
            }
            Notice::Redis(status) => self.redis = Some(status.clone()),
            Notice::Stopped
            | Notice::Published { .. }
            | Notice::Injected { .. }
            | Notice::Driver(_)
            | Notice::Error { .. } => {}
        }
    }

    fn note_fact(&mut self, fact: &Fact<'_>) {
        match fact {
            Fact::Reported { source } => {
                self.reported.insert(source, clock::now_ms());
            }
            Fact::Withheld(withheld) => {
                let withheld = Arc::new((*withheld).clone());
                if withheld.reason == WithheldReason::Filtered {
                    let key = held_back(&withheld);
                    match withheld.action {
                        Action::Attach => self.held_back.insert(key, Arc::clone(&withheld)),
                        Action::Detach => self.held_back.remove(&key),
                    };
                }
                if self.withheld.len() == WITHHELD {
                    self.withheld.pop_front();
                }
                self.withheld.push_back(withheld);
            }
            Fact::Stored { .. }
            | Fact::Witnessed { .. }
            | Fact::Overflowed { .. }
            | Fact::DriverAttempt { .. }
            | Fact::RedisFailed
            | Fact::Paced
            | Fact::Groups(_) => {}
        }
    }

    fn status(&self, outbox: &OutboxStatus) -> HealthStatus {
        // What only wakes the snapshot (inotify), and the helper, which may write down nothing.
        let is_ear = |status: &&SourceStatus| ![bus::HINTS, name::UDEV_HELPER].contains(&status.source);
        let mut ears = self.sources.values().filter(is_ear);
        let hears = ears.any(|status| status.state == SourceState::Up);
        let failed = self
            .sources
            .values()
            .any(|status| matches!(status.state, SourceState::Failed | SourceState::Deaf));
        let redis_away = self.redis.as_ref().is_some_and(|redis| !redis.connected);
        if !hears {
            HealthStatus::Unhealthy
        } else if failed || redis_away || outbox.reason.is_some() {
            HealthStatus::Degraded
        } else {
            HealthStatus::Healthy
        }
    }
}

fn held_back(withheld: &Withheld) -> HeldBack {
    // One of the kernel's sources may see it come, and another one see it leave.
    let origin = match withheld.source {
        origin @ (name::SIMULATED | name::INJECTED) => origin,
        _ => "kernel",
    };
    (origin, withheld.bus_number, withheld.device_address, withheld.name.clone())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks panics, and what they guard is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
