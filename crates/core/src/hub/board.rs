//! The status board: what is known of the daemon's own state, as notices and facts have told it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::HealthStatus;
use crate::clock;
use crate::event::{Action, Event};
use crate::notice::{Gap, Notice, RedisStatus, SourceState, SourceStatus};
use crate::onlooker::Fact;
use crate::outbox::OutboxStatus;
use crate::platform::bus;
use crate::ready::Readiness;
use crate::source::name;
use crate::withheld::{Withheld, WithheldReason};

/// So many reports that brought no event are remembered.
const WITHHELD: usize = 200;

/// What is known of the daemon's own state.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) started: bool,
    pub(super) sources: BTreeMap<&'static str, SourceStatus>,
    pub(super) redis: Option<RedisStatus>,
    pub(super) other_producers: BTreeMap<String, String>,
    /// Attach of each device that is attached, by its instance.
    pub(super) attached: BTreeMap<u64, Arc<Event>>,
    /// How far each of them is, where that has been told.
    pub(super) ready: BTreeMap<u64, Arc<Readiness>>,
    pub(super) events: u64,
    pub(super) gaps: u64,
    pub(super) last_gap: Option<Gap>,
    pub(super) duplicates: u64,
    /// When each source has reported something last, in ms since 1970.
    pub(super) reported: BTreeMap<&'static str, u64>,
    pub(super) withheld: VecDeque<Arc<Withheld>>,
    /// Devices that a filter holds back.
    pub(super) held_back: BTreeMap<HeldBack, Arc<Withheld>>,
}

/// Whose it is, which, and where: reported devices may be at a port where there is another one.
type HeldBack = (&'static str, u16, u16, String);

impl Board {
    pub(super) fn note(&mut self, notice: &Notice) {
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

    pub(super) fn note_fact(&mut self, fact: &Fact<'_>) {
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

    pub(super) fn status(&self, outbox: &OutboxStatus) -> HealthStatus {
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
