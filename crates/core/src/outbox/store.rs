//! What the outbox writes into its tables, and reads from them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::file::OutboxFile;
use super::intake::Series;
use super::record::{Reader, event, record};
use super::shared;
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

/// How far the outbox has come.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    pub(super) series: Series,
    pub(super) last: i64,
    pub(super) published: i64,
    pub(super) published_seq: u64,
    /// Up to here its numbers are known not to have been given before.
    pub(super) trusted: Mark,
    /// Something was published without moving the watermark.
    pub(super) unfenced: bool,
    /// Which uevents of this boot have been dealt with.
    pub(super) settled: Settled,
    /// Of which instances snapshots have told of late.
    pub(super) claims: Claims,
}

/// A place and the number of the event there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub(super) position: i64,
    pub(super) seq: u64,
}

/// What has become of an attachment since the table of them was written: begun by this event, or ended.
pub(super) type Changes = BTreeMap<String, Option<Placed>>;

pub(super) struct Store {
    file: OutboxFile,
    boot_id: String,
}

impl Store {
    pub(super) fn new(file: OutboxFile, boot_id: String) -> Self {
        Self { file, boot_id }
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

    /// How far it had come, and in which boot of the machine. Numbers of another boot say nothing about this one's, and are left out.
    pub(super) fn progress(&self) -> Result<(Progress, String), rusqlite::Error> {
        let (mut progress, boot_id) = self.state()?;
        if boot_id != self.boot_id || boot_id.is_empty() {
            (progress.settled, progress.claims) = (Settled::default(), Claims::default());
        }
        Ok((progress, boot_id))
    }

    /// What the table `state` says, of whichever boot.
    pub(super) fn state(&self) -> Result<(Progress, String), rusqlite::Error> {
        self.connection().query_row("SELECT * FROM state", [], |row| {
            let producer: String = row.get("producer")?;
            let (settled, claims): (String, String) = (row.get("settled")?, row.get("claims")?);
            let series = Series { producer: producer.into(), last_seq: unsigned(row, "last_seq")? };
            let progress = Progress {
                series,
                last: row.get("last_position")?,
                published: row.get("published_position")?,
                published_seq: unsigned(row, "published_seq")?,
                trusted: Mark { position: row.get("trusted_position")?, seq: unsigned(row, "trusted_seq")? },
                unfenced: row.get("unfenced")?,
                settled: Settled::parse(&settled),
                claims: Claims::parse(&claims),
            };
            Ok((progress, row.get("boot_id")?))
        })
    }

    /// Attachments that had not ended, in the order in which they began, each with its boot.
    pub(super) fn attached(&self) -> Result<Vec<(String, Event, String)>, rusqlite::Error> {
        self.connection()
            .prepare("SELECT key, record, boot_id FROM attached ORDER BY position")?
            .query_map([], |row| Ok((row.get(0)?, event(row, 1)?, row.get(2)?)))?
            .collect()
    }

    /// Serial numbers that were seen on two devices at once, in the order in which that was found out.
    pub(super) fn shared_serials(&self) -> Result<Vec<Unit>, rusqlite::Error> {
        shared::read(self.connection())
    }

    /// One commit of all there is: events, what became of attachments since the last such commit, which serial numbers identify
    /// nothing, and how far the outbox has come.
    pub(super) fn save<'a>(
        &self,
        events: impl Iterator<Item = &'a Placed>,
        changes: &Changes,
        shared: &[Unit],
        progress: &Progress,
    ) -> Result<(), rusqlite::Error> {
        let transaction = self.connection().unchecked_transaction()?;
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
        write_changes(&transaction, changes, &self.boot_id)?;
        shared::write(&transaction, shared)?;
        write_progress(&transaction, progress, &self.boot_id)?;
        transaction.commit()?;
        self.file.note_commit();
        Ok(())
    }

    /// One commit: what became of attachments since the last such commit, and how far the outbox has come; what lies before
    /// `keep_from` is forgotten.
    pub(super) fn advance(
        &self,
        changes: &Changes,
        progress: &Progress,
        keep_from: i64,
    ) -> Result<(), rusqlite::Error> {
        let transaction = self.connection().unchecked_transaction()?;
        write_changes(&transaction, changes, &self.boot_id)?;
        write_progress(&transaction, progress, &self.boot_id)?;
        transaction.prepare_cached("DELETE FROM event WHERE position < ?1")?.execute([keep_from])?;
        transaction.commit()?;
        self.file.note_commit();
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

/// Attachments that began in this boot, or ended.
pub(super) fn write_changes(
    connection: &Connection,
    changes: &Changes,
    boot_id: &str,
) -> Result<(), rusqlite::Error> {
    let mut begun = connection.prepare_cached("INSERT OR REPLACE INTO attached VALUES (?1, ?2, ?3, ?4)")?;
    let mut ended = connection.prepare_cached("DELETE FROM attached WHERE key = ?1")?;
    for (key, change) in changes {
        match change {
            Some(Placed { position, event }) => {
                begun.execute(params![key, position, boot_id, record(event)?])?
            }
            None => ended.execute([key])?,
        };
    }
    Ok(())
}

pub(super) fn write_progress(
    connection: &Connection,
    progress: &Progress,
    boot_id: &str,
) -> Result<(), rusqlite::Error> {
    let Progress { series, last, published, published_seq, trusted, unfenced, settled, claims } = progress;
    connection
        .prepare_cached(
            "UPDATE state SET producer = ?1, last_seq = ?2, last_position = ?3, published_position = ?4, \
             published_seq = ?5, boot_id = ?6, trusted_position = ?7, trusted_seq = ?8, unfenced = ?9, \
             settled = ?10, claims = ?11",
        )?
        .execute(params![
            &*series.producer,
            series.last_seq.cast_signed(),
            last,
            published,
            published_seq.cast_signed(),
            boot_id,
            trusted.position,
            trusted.seq.cast_signed(),
            unfenced,
            settled.to_string(),
            claims.to_string()
        ])
        .map(drop)
}

fn unsigned(row: &Row<'_>, column: &str) -> Result<u64, rusqlite::Error> {
    row.get(column).map(i64::cast_unsigned)
}
