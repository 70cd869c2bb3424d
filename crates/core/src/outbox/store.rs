//! What the outbox writes into its tables, and reads from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::file::OutboxFile;
use super::journal::replay;
use super::record::{Reader, event, record};
use super::state::Progress;
use super::{shared, state};
use crate::device::Unit;
use crate::event::Event;
use crate::spool::{Claims, Settled};

/// An event that has a place in the outbox. Places are without holes, whoever numbered the events.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// Its place, from 1.
    pub position: i64,
    /// The event.
    pub event: Arc<Event>,
}

/// What has become of an attachment since the table of them was written: begun by this event, or ended.
pub(super) type Changes = BTreeMap<String, Option<Placed>>;

pub(super) struct Store {
    file: OutboxFile,
    boot_id: String,
    /// What a process that was killed has not written into the table of attachments. The next commit of all there is writes it first.
    owed: Changes,
    /// In which boot that was.
    owed_boot_id: String,
}

impl Store {
    /// The store, how far it had come, and in which boot of the machine. Only reads: a disk that is full is no reason not to open it.
    pub(super) fn open(
        file: OutboxFile,
        boot_id: String,
    ) -> Result<(Self, Progress, String), rusqlite::Error> {
        let (mut progress, last_boot_id) = state::read(&file.connection)?;
        let owed = replay(&file.connection, &mut progress)?;
        // Numbers of another boot say nothing about this one's.
        if last_boot_id != boot_id || last_boot_id.is_empty() {
            (progress.settled, progress.claims) = (Settled::default(), Claims::default());
        }
        let store = Self { file, boot_id, owed, owed_boot_id: last_boot_id.clone() };
        Ok((store, progress, last_boot_id))
    }

    /// Whether a process that was killed has left something to be written.
    pub(super) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    pub(super) fn is_new(&self) -> bool {
        self.file.is_new
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.file.connection
    }

    pub(super) fn file(&self) -> &OutboxFile {
        &self.file
    }

    /// Attachments that had not ended, in the order in which they began, each with its boot.
    pub(super) fn attached(&self) -> Result<Vec<(String, Event, String)>, rusqlite::Error> {
        let mut statement = self
            .connection()
            .prepare("SELECT key, record, boot_id, position FROM attached ORDER BY position, rowid")?;
        let mut attached: Vec<_> = statement
            .query_map([], |row| Ok((row.get(3)?, (row.get(0)?, event(row, 1)?, row.get(2)?))))?
            .filter(|row| !matches!(row, Ok((_, (key, ..))) if self.owed.contains_key(key)))
            .collect::<Result<_, _>>()?;
        let began = in_order(&self.owed).into_iter().map(|(key, Placed { position, event })| {
            (*position, (key.clone(), (**event).clone(), self.owed_boot_id.clone()))
        });
        attached.extend(began);
        attached.sort_by_key(|(position, _): &(i64, _)| *position);
        Ok(attached.into_iter().map(|(_, attached)| attached).collect())
    }

    /// Serial numbers that were seen on two devices at once, in the order in which that was found out.
    pub(super) fn shared_serials(&self) -> Result<Vec<Unit>, rusqlite::Error> {
        shared::read(self.connection())
    }

    /// One commit of all there is: events, what became of attachments since the last such commit, which serial numbers identify
    /// nothing, and how far the outbox has come.
    pub(super) fn save<'a>(
        &mut self,
        events: impl Iterator<Item = &'a Placed>,
        changes: &Changes,
        shared: &[Unit],
        progress: &Progress,
    ) -> Result<(), rusqlite::Error> {
        let transaction = self.file.connection.unchecked_transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO event (position, producer, seq, record) VALUES (?1, ?2, ?3, ?4)",
            )?;
            for Placed { position, event } in events {
                insert.execute(params![
                    position,
                    &*event.producer,
                    event.seq.cast_signed(),
                    record(event)?
                ])?;
            }
        }
        // Where events have got other places, those that are beyond now are nobody's.
        transaction.prepare_cached("DELETE FROM event WHERE position > ?1")?.execute([progress.last])?;
        self.write_changes(&transaction, changes)?;
        shared::write(&transaction, shared)?;
        state::write(&transaction, progress, &self.boot_id)?;
        transaction.commit()?;
        self.owed.clear();
        self.file.note_commit();
        Ok(())
    }

    /// One commit: what became of attachments since the last such commit, and how far the outbox has come; what lies before
    /// `keep_from` is forgotten.
    pub(super) fn advance(
        &mut self,
        changes: &Changes,
        progress: &Progress,
        keep_from: i64,
    ) -> Result<(), rusqlite::Error> {
        let transaction = self.file.connection.unchecked_transaction()?;
        self.write_changes(&transaction, changes)?;
        state::write(&transaction, progress, &self.boot_id)?;
        transaction.prepare_cached("DELETE FROM event WHERE position < ?1")?.execute([keep_from])?;
        transaction.commit()?;
        self.owed.clear();
        self.file.note_commit();
        Ok(())
    }

    /// Attachments that ended, or began: first what is owed.
    fn write_changes(&self, connection: &Connection, changes: &Changes) -> Result<(), rusqlite::Error> {
        let mut began =
            connection.prepare_cached("INSERT OR REPLACE INTO attached VALUES (?1, ?2, ?3, ?4)")?;
        let mut ended = connection.prepare_cached("DELETE FROM attached WHERE key = ?1")?;
        for (changes, boot_id) in [(&self.owed, &self.owed_boot_id), (changes, &self.boot_id)] {
            for (key, _) in changes.iter().filter(|(_, change)| change.is_none()) {
                ended.execute([key])?;
            }
            for (key, Placed { position, event }) in in_order(changes) {
                began.execute(params![key, position, boot_id, record(event)?])?;
            }
        }
        Ok(())
    }

    /// Reads the tables' pages, and so finds out whether they can be read.
    pub(super) fn check(&self) -> Result<(), rusqlite::Error> {
        self.connection().query_row("SELECT count(*) FROM event", [], |_| Ok(()))
    }

    /// Events at these places, first to last, up to the first one that is missing or cannot be read.
    pub(super) fn read(&self, first: i64, last: i64, limit: usize) -> Result<Vec<Placed>, rusqlite::Error> {
        let mut statement = self.connection().prepare_cached(
            "SELECT position, record FROM event WHERE position BETWEEN ?1 AND ?2 ORDER BY position LIMIT ?3",
        )?;
        let mut rows = statement.query(params![first, last, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let (mut reader, mut events) = (Reader::default(), Vec::new());
        for expected in first.. {
            let Some(row) = rows.next()? else { break };
            let position = row.get(0)?;
            let Ok(event) = reader.read(row, 1) else { break };
            if position != expected {
                break;
            }
            events.push(Placed { position, event: Arc::new(event) });
        }
        Ok(events)
    }

    /// All events at these places that can be read.
    pub(super) fn read_all(&self, first: i64, last: i64) -> Result<Vec<Placed>, rusqlite::Error> {
        let mut events = Vec::new();
        let mut from = Some(first);
        while let Some(start) = from.take_if(|start| *start <= last) {
            let read = self.read(start, last, usize::MAX)?;
            let next = start + i64::try_from(read.len()).unwrap_or(i64::MAX);
            events.extend(read);
            from = if next == start { self.next_place(start, last)? } else { Some(next) };
        }
        Ok(events)
    }

    /// The first place after this one, up to `last`, at which there is something.
    pub(super) fn next_place(&self, place: i64, last: i64) -> Result<Option<i64>, rusqlite::Error> {
        self.connection().query_row(
            "SELECT min(position) FROM event WHERE position > ?1 AND position <= ?2",
            [place, last],
            |row| row.get(0),
        )
    }

    /// The place of this producer's last event up to `seq` that is still kept; else that before its first.
    pub(super) fn place_of(&self, producer: &str, seq: u64) -> Result<Option<i64>, rusqlite::Error> {
        let upto: Option<i64> = self
            .connection()
            .query_row(
                "SELECT max(position) FROM event WHERE producer = ?1 AND seq <= ?2",
                params![producer, seq.cast_signed()],
                |row| row.get(0),
            )
            .optional()?
            .flatten();
        if upto.is_some() {
            return Ok(upto);
        }
        let first: Option<i64> = self.connection().query_row(
            "SELECT min(position) FROM event WHERE producer = ?1",
            [producer],
            |row| row.get(0),
        )?;
        Ok(first.map(|first| first - 1))
    }
}

/// Those that began, in their order.
fn in_order(changes: &Changes) -> Vec<(&String, &Placed)> {
    let mut began: Vec<_> =
        changes.iter().filter_map(|(key, change)| Some((key, change.as_ref()?))).collect();
    // One that found no room has the place of the one before it.
    began.sort_by_key(|(_, placed)| (placed.position, placed.event.seq));
    began
}
