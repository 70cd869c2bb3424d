//! Notices: everything that the daemon tells its subscribers, transitions among the rest, in one order.

use std::sync::Arc;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::driver_report::DriverReport;
use crate::error::Error;
use crate::event::{DeviceInfo, Event};
use crate::publisher::Guarantee;
use crate::ready::Readiness;
use crate::source::injected::{Ticket, Verdict};

/// One thing told.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// Every device present at start has been announced; live events follow.
    Started,
    /// The daemon's threads have ended; nothing follows.
    Stopped,
    /// A transition.
    Transition(Arc<Event>),
    /// The attach of which an earlier run has told, and whose device has stayed: no news but to those who are new.
    Stayed(Arc<Event>),
    /// A device may be used now, or it is known what stands in the way.
    Ready {
        /// Its attach.
        event: Arc<Event>,
        /// How far it is.
        readiness: Arc<Readiness>,
    },
    /// Redis has acknowledged an event.
    Published {
        /// The event.
        event: Arc<Event>,
        /// The ID of its entry.
        stream_id: String,
        /// It had been acknowledged before, by a server that has lost it.
        is_again: bool,
    },
    /// What a program has reported is dealt with, and stored if it is an event.
    Injected {
        /// Which report.
        ticket: Ticket,
        /// What has become of it.
        outcome: Verdict,
    },
    /// A stretch in which something was deaf or full.
    Gap(Gap),
    /// A source changed state.
    Source(SourceStatus),
    /// The connection to Redis changed state.
    Redis(RedisStatus),
    /// A rule has had something done for a device without a driver, or has failed to.
    Driver(Arc<DriverReport>),
    /// Something failed that does not stop the daemon.
    Error {
        /// What.
        error: Error,
        /// Which part of the daemon says so.
        context: &'static str,
    },
}

/// A stretch in which events may have been missed; what reconciliation found follows as synthetic events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// Where events went missing.
    pub source: &'static str,
    /// Why.
    pub cause: GapCause,
    /// Transitions known to be lost, where that can be known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<u64>,
    /// When it was noticed, in ms since 1970.
    pub timestamp: u64,
    /// Synthetic events that the reconciliation made.
    pub synthesized: u64,
}

/// Why there is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GapCause {
    /// The kernel's socket buffer overflowed (ENOBUFS).
    Overflow,
    /// A snapshot found what no uevent had told.
    Unheard,
    /// The uevent socket failed and was opened again.
    SocketLost,
    /// The subscriber's queue was full.
    QueueFull,
    /// More events waited for Redis, or for a disk, than may.
    OutboxFull,
}

impl GapCause {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Unheard => "unheard",
            Self::SocketLost => "socket-lost",
            Self::QueueFull => "queue-full",
            Self::OutboxFull => "outbox-full",
        }
    }
}

/// How a source is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// It hears.
    Up,
    /// It is open, but proven to miss events: snapshots decide.
    Deaf,
    /// It worked and has failed; it is tried again.
    Failed,
    /// This environment does not have it; it is tried again.
    Unavailable,
    /// Switched off by configuration.
    Off,
}

impl SourceState {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Deaf => "deaf",
            Self::Failed => "failed",
            Self::Unavailable => "unavailable",
            Self::Off => "off",
        }
    }
}

/// State of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// `netlink`, `libusb`, `snapshot`, `inotify` or `simulated`.
    pub source: &'static str,
    /// How it is doing.
    pub state: SourceState,
    /// Why, or what it obtained.
    pub reason: String,
}

/// State of the connection to Redis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RedisStatus {
    /// Whether events are being published.
    pub connected: bool,
    /// Where to, without password.
    pub address: String,
    /// How often an event may get into the stream; known once connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Guarantee>,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Events that wait.
    pub waiting: usize,
}

/// A device and how far it is, as one object.
#[derive(Serialize)]
pub(crate) struct ReadyDevice<'a> {
    /// As at its attach.
    pub(crate) device: DeviceInfo<'a>,
    /// How far it is.
    #[serde(flatten)]
    pub(crate) readiness: &'a Readiness,
}

/// One flat object per notice with `type` first: what JavaScript and `--json` get.
impl Serialize for Notice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Started => map.serialize_entry("type", "started")?,
            Self::Stopped => map.serialize_entry("type", "stopped")?,
            Self::Transition(event) | Self::Stayed(event) => {
                map.serialize_entry("type", event.action.as_str())?;
                map.serialize_entry("info", &event.info())?;
            }
            Self::Ready { event, readiness } => {
                map.serialize_entry("type", "ready")?;
                map.serialize_entry("ready", &ReadyDevice { device: event.info(), readiness })?;
            }
            Self::Published { event, stream_id, .. } => {
                map.serialize_entry("type", "published")?;
                map.serialize_entry("eventId", &event.event_id())?;
                map.serialize_entry("streamId", stream_id)?;
                map.serialize_entry("action", event.action.as_str())?;
                map.serialize_entry("device", &event.info())?;
            }
            Self::Injected { ticket, outcome } => {
                map.serialize_entry("type", "injected")?;
                map.serialize_entry("ticket", ticket)?;
                map.serialize_entry("outcome", outcome)?;
            }
            Self::Gap(gap) => {
                map.serialize_entry("type", "gap")?;
                map.serialize_entry("gap", gap)?;
            }
            Self::Source(status) => {
                map.serialize_entry("type", "source")?;
                map.serialize_entry("source", status)?;
            }
            Self::Redis(status) => {
                map.serialize_entry("type", "redis")?;
                map.serialize_entry("redis", status)?;
            }
            Self::Driver(report) => {
                map.serialize_entry("type", "driver")?;
                map.serialize_entry("driver", report)?;
            }
            Self::Error { error, context } => {
                map.serialize_entry("type", "error")?;
                map.serialize_entry("code", error.code.as_str())?;
                map.serialize_entry("message", &error.message)?;
                map.serialize_entry("context", context)?;
            }
        }
        map.end()
    }
}
