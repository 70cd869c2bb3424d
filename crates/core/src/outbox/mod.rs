//! The outbox: the embedded store of events. Every event is stored here before it is published, and is kept for a
//! while after.
//!
//! Events have places without holes, whoever numbered them; those beyond the place of the last published one wait.
//! One thread owns an outbox; [`Intake`] is the way in, [`StatusBoard`] the view from outside.
//!
//! A file that cannot be written any more does not stop the daemon: events wait in memory, are published from there,
//! and are stored as soon as that is possible. The status says so.

mod accounts;
mod checkpoint;
mod earlier;
#[cfg(test)]
mod faults;
mod file;
mod history;
mod intake;
mod journal;
#[cfg(test)]
pub(crate) mod laws;
mod log_lines;
#[cfg(test)]
mod opening;
mod publishing;
pub(crate) mod record;
#[cfg(test)]
mod replaying;
mod saving;
mod series;
mod shared;
mod state;
mod store;
mod wake_up;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

pub use accounts::{Accounts, OutboxStatus, StatusBoard};
pub use earlier::{Earlier, EarlierAttachment};
pub(crate) use file::is_held;
pub use history::{History, Since};
pub use intake::{Incoming, Intake, Series, Taken};
pub use store::Placed;
pub use wake_up::WakeUp;

use crate::config::{OutboxConfig, WhenFull};
use crate::device::{SharedSerials, Unit};
use crate::error::{Code, Error};
use crate::event::Event;
use crate::spool::SettledBoard;
use file::{OutboxFile, explain, unusable};
use state::{Mark, Progress};
use store::{Changes, Store};

/// The store of events.
pub struct Outbox {
    store: Store,
    settings: Settings,
    board: StatusBoard,
    settled_board: SettledBoard,
    progress: Progress,
    /// The newest events, those that have not been stored yet among them.
    recent: VecDeque<Placed>,
    /// What of the file waits next, without holes: read a page at a time.
    ahead: VecDeque<Placed>,
    changes: Changes,
    /// Serial numbers seen on two devices at once that are still to be stored.
    shared: Vec<Unit>,
    /// The last place that the file holds.
    saved: i64,
    /// The last place of which all tables know; none before this run's first commit, which says in which boot it is.
    tabled: Option<i64>,
    /// Up to where, when it was opened, its numbers were known not to have been given before.
    opened: Mark,
    /// Since then it has been compared with what Redis knows.
    is_trusted: bool,
    accounts: Accounts,
    /// Dropped since this was last asked.
    lost: u64,
    /// Publishing has come further than the file knows, or an earlier process has left something to be written.
    has_progress: bool,
    /// So far as the file knows.
    stored_published: i64,
    /// What lies before this place the file has forgotten.
    kept_from: i64,
    reason: Option<String>,
    retry_at: Option<Instant>,
    faults: Vec<Error>,
    stored: Stored,
    /// Up to this place events had been acknowledged when a server was found to have lost some.
    reached: i64,
    /// The first place that waits, and when the event there was observed.
    oldest: Option<(i64, u64)>,
}

/// What has been stored of late, in order.
#[derive(Debug, Default)]
pub struct Stored {
    /// For the first time.
    pub first: Vec<Arc<Event>>,
    /// Under new numbers, after it had been stored under others.
    pub again: Vec<Arc<Event>>,
}

struct Settings {
    path: Option<String>,
    retain: i64,
    max_events: i64,
    when_full: WhenFull,
    publishes: bool,
}

/// An outbox that has just been opened.
pub struct Opened {
    /// The outbox.
    pub outbox: Outbox,
    /// What an earlier run has left.
    pub earlier: Earlier,
    /// Why it is in memory although a file was asked for.
    pub fault: Option<Error>,
}

impl Outbox {
    /// Opens what the configuration says. Where that cannot be used and is not required, events are kept in memory.
    ///
    /// # Errors
    /// `ERR_USB_OUTBOX` where the file is required and cannot be used.
    pub fn open(
        config: &OutboxConfig,
        publishes: bool,
        producer: &str,
        boot_id: &str,
    ) -> Result<Opened, Error> {
        let Some(path) = config.file() else { return Self::in_memory(config, publishes, producer, boot_id) };
        let opened = OutboxFile::open(path, config.fsync, producer)
            .and_then(|file| Self::with_file(file, config, publishes, boot_id));
        match opened {
            Ok(opened) => Ok(opened),
            Err(error) if config.required => Err(error),
            Err(error) => {
                let mut opened = Self::in_memory(config, publishes, producer, boot_id)?;
                let message = format!("{error}; until the next start events are kept in memory only");
                opened.outbox.reason = Some(message.clone());
                opened.outbox.show();
                opened.fault = Some(Error::new(Code::Outbox, message));
                Ok(opened)
            }
        }
    }

    fn in_memory(
        config: &OutboxConfig,
        publishes: bool,
        producer: &str,
        boot_id: &str,
    ) -> Result<Opened, Error> {
        let config = OutboxConfig { path: None, ..config.clone() };
        let file = OutboxFile::in_memory(producer)
            .map_err(|error| unusable(Path::new(":memory:"), &explain(&error)))?;
        Self::with_file(file, &config, publishes, boot_id)
    }

    fn with_file(
        file: OutboxFile,
        config: &OutboxConfig,
        publishes: bool,
        boot_id: &str,
    ) -> Result<Opened, Error> {
        let path = config.file().unwrap_or(Path::new(":memory:"));
        let damaged = |error: rusqlite::Error| unusable(path, &explain(&error));
        let (store, progress, last_boot_id) = Store::open(file, boot_id.to_owned()).map_err(damaged)?;
        let attached = store.attached().map_err(damaged)?;
        let shared = store.shared_serials().map_err(damaged)?;
        store.check().map_err(damaged)?;
        // What waits for Redis does not stop waiting because of a run without; what such a run adds waits behind it.
        let publishes = publishes || progress.published < progress.last;
        let earlier = Earlier::new(store.is_new(), attached, boot_id, &last_boot_id)
            .with_settled(progress.settled.clone(), progress.claims.clone())
            .with_shared_serials(SharedSerials::of(shared));
        let waiting = progress.last - progress.published;
        let mut outbox = Self {
            settings: Settings {
                path: config.file().map(|path| path.display().to_string()),
                retain: config.retained().cast_signed(),
                max_events: i64::try_from(config.max_events).unwrap_or(i64::MAX),
                when_full: config.when_full,
                publishes,
            },
            board: StatusBoard::default(),
            settled_board: SettledBoard::default(),
            recent: VecDeque::new(),
            ahead: VecDeque::new(),
            changes: Changes::new(),
            shared: Vec::new(),
            saved: progress.last,
            tabled: None,
            opened: progress.trusted,
            is_trusted: false,
            accounts: Accounts {
                carried_over: waiting.cast_unsigned(),
                waiting: waiting.cast_unsigned(),
                ..Accounts::default()
            },
            lost: 0,
            has_progress: store.owes(),
            stored_published: progress.published,
            kept_from: 0,
            reason: None,
            retry_at: None,
            faults: Vec::new(),
            stored: Stored::default(),
            reached: 0,
            oldest: None,
            progress,
            store,
        };
        outbox.settled_board.set(&outbox.progress.settled);
        outbox.show();
        Ok(Opened { outbox, earlier, fault: None })
    }

    /// Where its status can be looked at from any thread.
    pub fn board(&self) -> StatusBoard {
        self.board.clone()
    }

    /// Where any thread can see which uevents are stored as dealt with.
    pub fn settled_board(&self) -> SettledBoard {
        self.settled_board.clone()
    }

    /// Whose numbers its events have, and the last one given.
    pub fn series(&self) -> Series {
        self.progress.series.clone()
    }

    /// Whether events wait to be published; if not, they only wait to be stored.
    pub fn publishes(&self) -> bool {
        self.settings.publishes
    }

    /// How many events wait.
    pub fn waiting(&self) -> i64 {
        self.progress.last - self.progress.published
    }

    /// Whether what it holds outlives this process.
    pub fn is_durable(&self) -> bool {
        self.settings.path.is_some() && self.reason.is_none()
    }

    /// Whether it has no file, not even one that cannot be written just now.
    pub fn is_in_memory(&self) -> bool {
        self.settings.path.is_none()
    }

    /// How many events have been dropped since this was last asked.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// What has been stored since this was last asked.
    pub fn take_stored(&mut self) -> Stored {
        std::mem::take(&mut self.stored)
    }

    /// What has gone wrong since this was last asked.
    pub fn take_faults(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.faults)
    }
}
