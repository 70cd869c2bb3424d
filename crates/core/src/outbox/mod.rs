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
mod file;
mod history;
mod intake;
#[cfg(test)]
mod laws;
mod store;

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use accounts::{Accounts, OutboxStatus, StatusBoard};
pub use earlier::{Earlier, EarlierAttachment};
pub use history::{History, Since};
pub use intake::{Incoming, Intake, Series};
pub use store::Placed;

use crate::config::{OutboxConfig, WhenFull};
use crate::error::{Code, Error};
use crate::event::{Action, Event};
use file::{OutboxFile, explain, unusable};
use store::{Changes, Mark, Progress, Store};

/// So many of the newest events are at hand without a look into the file.
const AT_HAND: usize = 1024;
/// So many events that need not be kept any longer are forgotten in one go.
const IN_ONE_GO: i64 = 256;
/// How long a file that could not be written is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// The store of events.
pub struct Outbox {
    store: Store,
    settings: Settings,
    board: StatusBoard,
    progress: Progress,
    /// The newest events, those that have not been stored yet among them.
    recent: VecDeque<Placed>,
    changes: Changes,
    /// The last place that the file holds.
    saved: i64,
    /// Up to where, when it was opened, its numbers were known not to have been given before.
    opened: Mark,
    /// Since then it has been compared with what Redis knows.
    is_trusted: bool,
    accounts: Accounts,
    /// Dropped since this was last asked.
    lost: u64,
    /// Publishing has come further than the file knows.
    has_progress: bool,
    /// What lies before this place the file has forgotten.
    kept_from: i64,
    reason: Option<String>,
    retry_at: Option<Instant>,
    faults: Vec<Error>,
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
                let message = format!("{error}; until then events are kept in memory only");
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
        let store = Store::new(file, boot_id.to_owned());
        let (mut progress, last_boot_id) = store.progress().map_err(damaged)?;
        if !publishes {
            progress.published = progress.last;
        }
        let attached = store.attached().map_err(damaged)?;
        // Everything that is still to be published has to be readable; the rest is history.
        let mut from = progress.published;
        while from < progress.last {
            let read = store.read(from + 1, progress.last, AT_HAND).map_err(damaged)?;
            let whole = read.first().is_some_and(|placed| placed.position == from + 1);
            let Some(last) = read.last().filter(|_| whole) else {
                return Err(unusable(
                    path,
                    "events are missing from it: move it away, and the daemon makes a new one",
                ));
            };
            from = last.position;
        }
        let earlier = Earlier::new(store.is_new(), attached, boot_id, &last_boot_id);
        let waiting = progress.last - progress.published;
        let outbox = Self {
            settings: Settings {
                path: config.file().map(|path| path.display().to_string()),
                retain: config.retained().cast_signed(),
                max_events: i64::try_from(config.max_events).unwrap_or(i64::MAX),
                when_full: config.when_full,
                publishes,
            },
            board: StatusBoard::default(),
            recent: VecDeque::new(),
            changes: Changes::new(),
            saved: progress.last,
            opened: progress.trusted,
            is_trusted: false,
            accounts: Accounts {
                carried_over: waiting.cast_unsigned(),
                waiting: waiting.cast_unsigned(),
                ..Accounts::default()
            },
            lost: 0,
            has_progress: false,
            kept_from: 0,
            reason: None,
            retry_at: None,
            faults: Vec::new(),
            progress,
            store,
        };
        outbox.show();
        Ok(Opened { outbox, earlier, fault: None })
    }

    /// Where its status can be looked at from any thread.
    pub fn board(&self) -> StatusBoard {
        self.board.clone()
    }

    /// Whose numbers its events have, and the last one given.
    pub fn series(&self) -> Series {
        self.progress.series.clone()
    }

    /// Takes events in and stores them: one commit for all. `refused` are those for which the intake had no room.
    pub fn append(&mut self, incoming: impl IntoIterator<Item = Incoming>, refused: u64) {
        self.drop_events(refused);
        self.accounts.seen += refused;
        for Incoming { key, event } in incoming {
            self.progress.series.last_seq = event.seq;
            self.accounts.seen += 1;
            let has_room = self.make_room();
            if has_room {
                self.progress.last += 1;
            } else {
                self.drop_events(1);
            }
            let placed = Placed { position: self.progress.last, event };
            let change = (placed.event.action == Action::Attach).then(|| placed.clone());
            self.changes.insert(key, change);
            if has_room {
                self.recent.push_back(placed);
            }
        }
        self.move_trust();
        self.save();
    }

    /// Whether one more event may wait. If not, it is the one to go.
    fn make_room(&mut self) -> bool {
        if self.waiting() < self.settings.max_events {
            return true;
        }
        if self.settings.when_full == WhenFull::DropNewest {
            return false;
        }
        self.progress.published += 1;
        self.has_progress = true;
        self.drop_events(1);
        true
    }

    fn drop_events(&mut self, count: u64) {
        self.accounts.dropped += count;
        self.lost += count;
    }

    /// Whether events wait to be published; if not, they only wait to be stored.
    pub fn publishes(&self) -> bool {
        self.settings.publishes
    }

    /// Whether something is not stored yet.
    pub fn has_unsaved(&self) -> bool {
        self.retry_at.is_some() || self.has_progress
    }

    /// Stores all that is not stored yet, and forgets what need not be kept any longer.
    pub fn save_all(&mut self) {
        if self.retry_at.is_some() {
            self.save();
        }
        if self.has_progress {
            self.save_progress();
        }
    }

    /// Stores what is not stored yet.
    pub fn save(&mut self) {
        if self.retry_at.is_none_or(|at| Instant::now() >= at) {
            let unsaved = self.recent.iter().filter(|placed| placed.position > self.saved);
            let mut progress = self.progress.clone();
            if !self.settings.publishes {
                progress.published = progress.last;
            }
            match self.store.save(unsaved, &self.changes, &progress) {
                Ok(()) => {
                    self.note_saved();
                }
                Err(error) => self.note_fault(&error),
            }
        }
        if !self.settings.publishes {
            let stored = self.saved - self.progress.published;
            self.accounts.published += stored.max(0).cast_unsigned();
            self.progress.published = self.progress.published.max(self.saved);
            self.has_progress |= stored > 0;
        }
        self.save_progress_in_one_go();
        self.let_go();
        self.show();
    }

    /// Memory is bounded: what the file holds need not be at hand, and what it does not hold cannot all be, once
    /// Redis has it.
    fn let_go(&mut self) {
        let bound = self.settings.max_events.saturating_add(i64::try_from(AT_HAND).unwrap_or(i64::MAX));
        while self.recent.len() > AT_HAND {
            let Some(first) = self.recent.front().map(|placed| placed.position) else { return };
            let excess = self.progress.last - first >= bound && first <= self.progress.published;
            if first > self.saved && !excess {
                return;
            }
            self.recent.pop_front();
        }
    }

    fn note_saved(&mut self) {
        self.saved = self.progress.last;
        self.changes.clear();
        if self.retry_at.take().is_some() {
            self.reason = None;
            tracing::info!(path = self.settings.path, "outbox can be written again");
        }
    }

    fn note_fault(&mut self, error: &rusqlite::Error) {
        if self.retry_at.replace(Instant::now() + RETRY).is_none() {
            let path = self.settings.path.as_deref().unwrap_or(":memory:");
            let error = unusable(Path::new(path), &explain(error));
            let message = format!("{error}; until then events are kept in memory only");
            self.reason = Some(message.clone());
            self.faults.push(Error::new(Code::Outbox, message));
        }
    }

    /// The first `limit` events that wait; they stay until [`Outbox::acknowledge`].
    pub fn batch(&mut self, limit: usize) -> Vec<Placed> {
        let first = self.progress.published + 1;
        if self.waiting() == 0 {
            return Vec::new();
        }
        let at_hand = self.recent.front().map_or(i64::MAX, |placed| placed.position);
        if at_hand <= first {
            let skip = usize::try_from(first - at_hand).unwrap_or(usize::MAX);
            return self.recent.iter().skip(skip).take(limit).cloned().collect();
        }
        let last = self.progress.last.min(at_hand - 1);
        match self.store.read(first, last, limit) {
            Ok(mut batch) if batch.first().is_some_and(|placed| placed.position == first) => {
                if batch.last().is_some_and(|placed| placed.position == last) {
                    let room = limit - batch.len();
                    batch.extend(self.recent.iter().take(room).cloned());
                }
                batch
            }
            result => {
                let why =
                    result.err().map_or("events are missing from it".to_owned(), |error| explain(&error));
                self.give_up_through(last, &why);
                self.batch(limit)
            }
        }
    }

    /// Events that waited in the file cannot be read back: they are lost, and that is said.
    fn give_up_through(&mut self, last: i64, why: &str) {
        let count = last - self.progress.published;
        self.drop_events(count.cast_unsigned());
        self.progress.published = last;
        let path = self.settings.path.as_deref().unwrap_or(":memory:");
        let error = unusable(Path::new(path), why);
        self.faults.push(Error::new(Code::Outbox, format!("{error}; {count} events that waited are lost")));
        self.show();
    }

    /// Redis has acknowledged these events, which [`Outbox::batch`] gave.
    pub fn acknowledge(&mut self, batch: &[Placed]) {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return };
        let count = batch.len() as u64;
        // What was given up while it was on its way has arrived after all.
        let given_up =
            (self.progress.published.min(last.position) - first.position + 1).max(0).cast_unsigned();
        self.accounts.dropped -= given_up.min(self.accounts.dropped);
        self.lost -= given_up.min(self.lost);
        self.accounts.published += count;
        self.progress.published = self.progress.published.max(last.position);
        self.progress.published_seq = last.event.seq;
        self.has_progress = true;
        self.show();
    }

    /// Stores how far publishing has come where much can be forgotten; else the next commit does, or an idle moment. Where
    /// the file misses it, Redis knows.
    pub fn save_progress_in_one_go(&mut self) {
        if self.has_progress && self.keep_from() - self.kept_from >= IN_ONE_GO {
            self.save_progress();
        }
    }

    /// Stores how far publishing has come, and forgets what need not be kept any longer.
    pub fn save_progress(&mut self) {
        if self.retry_at.is_some() {
            return;
        }
        let keep_from = self.keep_from();
        match self.store.advance(&self.progress, keep_from) {
            Ok(()) => {
                self.has_progress = false;
                self.kept_from = keep_from;
            }
            Err(error) => self.note_fault(&error),
        }
    }

    fn keep_from(&self) -> i64 {
        self.progress.published - self.settings.retain + 1
    }

    /// Number of the last event of this series that Redis has acknowledged, in this run or an earlier one.
    pub fn published_seq(&self) -> u64 {
        self.progress.published_seq
    }

    /// Number up to which, when the file was opened, events were known to be those that had these numbers first.
    pub fn opened_seq(&self) -> u64 {
        self.opened.seq
    }

    /// Redis knows of no event that this outbox does not: its numbers are good, and so are those that come. Stored before
    /// anything is published.
    pub fn trust(&mut self) {
        if !std::mem::replace(&mut self.is_trusted, true) {
            self.move_trust();
            self.save_progress();
        }
    }

    fn move_trust(&mut self) {
        if self.is_trusted {
            self.progress.trusted = Mark { position: self.progress.last, seq: self.progress.series.last_seq };
        }
    }

    /// Whether events were published that the watermark does not know of.
    pub fn is_unfenced(&self) -> bool {
        self.progress.unfenced
    }

    /// Says whether the watermark knows of all that was published.
    pub fn set_unfenced(&mut self, unfenced: bool) {
        self.progress.unfenced = unfenced;
        self.save_progress();
    }

    /// Goes back: what came after `seq` is to be published again, as far as it is kept. Gives how many that are.
    pub fn rewind(&mut self, seq: u64) -> u64 {
        let place = match self.store.place_of(&self.progress.series.producer, seq) {
            Ok(place) => place,
            Err(error) => {
                self.note_fault(&error);
                None
            }
        };
        let place = place.unwrap_or(self.progress.published).min(self.progress.published);
        let again = (self.progress.published - place).cast_unsigned();
        self.accounts.carried_over += again;
        self.progress.published = place;
        self.progress.published_seq = seq;
        self.save_progress();
        self.show();
        again
    }

    /// The file has gone back in time: what it held when it was opened was published before that, and what came
    /// since has numbers that were given before. It gets new ones, of a new producer.
    pub fn begin_series(&mut self, producer: &str, intake: &Intake) {
        let producer: Arc<str> = producer.into();
        intake.restart(Arc::clone(&producer), |queue| {
            self.append(queue, 0);
            let known = (self.opened.position - self.progress.published).max(0);
            self.accounts.published += known.cast_unsigned();
            self.progress.published += known;
            self.renumber(&producer);
            self.progress.series.last_seq
        });
        self.show();
    }

    fn renumber(&mut self, producer: &Arc<str>) {
        let first = self.progress.published + 1;
        let at_hand = self.recent.front().map_or(self.progress.last + 1, |placed| placed.position);
        let mut events = match self.store.read(first, at_hand - 1, usize::MAX) {
            Ok(events) => events,
            Err(error) => {
                self.note_fault(&error);
                Vec::new()
            }
        };
        events.extend(self.recent.iter().filter(|placed| placed.position >= first).cloned());
        let before = self.progress.series.producer.clone();
        let mut renumbered = HashMap::new();
        let mut seq = 0;
        for placed in &mut events {
            seq += 1;
            let old = placed.event.seq;
            let event = Event { producer: Arc::clone(producer), seq, ..(*placed.event).clone() };
            placed.event = Arc::new(event);
            renumbered.insert(old, placed.clone());
        }
        for (key, attach, _) in self.store.attached().unwrap_or_default() {
            if attach.producer == before
                && let Some(placed) = renumbered.get(&attach.seq)
            {
                self.changes.entry(key).or_insert_with(|| Some(placed.clone()));
            }
        }
        for placed in self.changes.values_mut().flatten() {
            if let Some(new) = renumbered.get(&placed.event.seq).filter(|_| placed.event.producer == before) {
                *placed = new.clone();
            }
        }
        self.progress.series = Series { producer: Arc::clone(producer), last_seq: seq };
        self.progress.published_seq = 0;
        self.opened = Mark { position: self.progress.published, seq: 0 };
        self.progress.trusted = self.opened;
        self.is_trusted = false;
        self.saved = self.saved.min(self.progress.published);
        self.recent = events.into();
        self.save();
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

    /// What has gone wrong since this was last asked.
    pub fn take_faults(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.faults)
    }

    fn show(&self) {
        let accounts = Accounts { waiting: self.waiting().cast_unsigned(), ..self.accounts };
        self.board.set(OutboxStatus {
            durable: self.is_durable(),
            path: self.settings.path.clone(),
            reason: self.reason.clone(),
            producer: self.progress.series.producer.to_string(),
            last_seq: self.progress.series.last_seq,
            accounts,
        });
    }
}
