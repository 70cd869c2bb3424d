//! How far the outbox has come, and the table of one row that says so.

use rusqlite::{Connection, Row, params};

use super::intake::Series;
use crate::event::{Action, Backend, Event};
use crate::spool::{Claims, Settled};

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

impl Progress {
    /// Remembers that a snapshot has told of this attachment, if one has.
    pub(super) fn claim(&mut self, key: &str, event: &Event) {
        if event.action == Action::Attach && event.backend == Backend::Snapshot {
            self.claims.add(key, event.attachment.device.address, event.timestamp_ms);
        }
    }
}

/// How far the outbox had come, and in which boot.
pub(super) fn read(connection: &Connection) -> Result<(Progress, String), rusqlite::Error> {
    connection.query_row("SELECT * FROM state", [], |row| {
        let (settled, claims): (String, String) = (row.get("settled")?, row.get("claims")?);
        let progress = Progress {
            series: series(row)?,
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

/// Says how far the outbox has come in this boot.
pub(super) fn write(
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

/// Whose numbers they are, and the last one given.
pub(super) fn series(row: &Row<'_>) -> Result<Series, rusqlite::Error> {
    let producer: String = row.get("producer")?;
    Ok(Series { producer: producer.into(), last_seq: unsigned(row, "last_seq")? })
}

pub(super) fn unsigned(row: &Row<'_>, column: &str) -> Result<u64, rusqlite::Error> {
    row.get(column).map(i64::cast_unsigned)
}
