//! The journal: a small commit writes rows of `event` only, which is one page of the file as a rule, and leaves the tables `attached` and
//! `state` to a later one. Rows beyond the last place of `state` are what these do not know of yet; where the process did not live to
//! tell them, whoever opens the file next reads it from there.

use rusqlite::{Connection, Row, params};

use super::record::{Reader, record};
use super::state::{Mark, Progress};
use super::store::{Changes, Placed, Store};
use super::{shared, state};
use crate::device::Unit;
use crate::event::{Action, Event};
use crate::spool::Settled;

/// What the events of a commit bring along that is not in their records.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// The name of each one's attachment, in their order.
    pub(super) keys: Vec<String>,
    /// Uevents that are dealt with once they are stored.
    pub(super) settles: Settled,
}

impl Store {
    /// One commit of events, at least one, as rows of the journal; and of serial numbers that identify nothing, of which there seldom are any.
    pub(super) fn journal<'a>(
        &self,
        events: impl Iterator<Item = &'a Placed>,
        entries: &Entries,
        shared: &[Unit],
        progress: &Progress,
    ) -> Result<(), rusqlite::Error> {
        let transaction = self.connection().unchecked_transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT OR REPLACE INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?;
            for (Placed { position, event }, key) in events.zip(&entries.keys) {
                // The commit is whole or not there: what concerns all of it stands in its last row.
                let is_last = *position == progress.last;
                insert.execute(params![
                    position,
                    &*event.producer,
                    event.seq.cast_signed(),
                    record(event)?,
                    key,
                    is_last.then_some(progress.series.last_seq.cast_signed()),
                    is_last.then_some(progress.published),
                    is_last.then_some(progress.published_seq.cast_signed()),
                    is_last.then_some(progress.trusted.position == progress.last),
                    is_last.then(|| entries.settles.to_string()),
                ])?;
            }
        }
        shared::write(&transaction, shared)?;
        transaction.commit()?;
        self.file().note_commit();
        Ok(())
    }
}

/// What the journal adds to `progress`, and which attachments it has begun or ended.
pub(super) fn replay(connection: &Connection, progress: &mut Progress) -> Result<Changes, rusqlite::Error> {
    let mut changes = Changes::new();
    let mut statement =
        connection.prepare("SELECT record, * FROM event WHERE position > ?1 ORDER BY position")?;
    let (mut rows, mut reader) = (statement.query([progress.last])?, Reader::default());
    while let Some(row) = rows.next()? {
        // One that cannot be read is lost. Its device is compared with what is there, as if it had never come.
        if let Ok(event) = reader.read(row, 0) {
            note_change(row, event, &mut changes, progress)?;
        }
        note_progress(row, progress)?;
    }
    Ok(changes)
}

fn note_change(
    row: &Row<'_>,
    event: Event,
    changes: &mut Changes,
    progress: &mut Progress,
) -> Result<(), rusqlite::Error> {
    let Some(key) = row.get::<_, Option<String>>("key")? else { return Ok(()) };
    progress.claim(&key, &event);
    let position = row.get("position")?;
    let begins = event.action == Action::Attach;
    changes.insert(key, begins.then(|| Placed { position, event: event.into() }));
    Ok(())
}

fn note_progress(row: &Row<'_>, progress: &mut Progress) -> Result<(), rusqlite::Error> {
    progress.last = row.get("position")?;
    if row.get::<_, Option<i64>>("last_seq")?.is_none() {
        return Ok(());
    }
    progress.series = state::series(row)?;
    progress.published = row.get("published_position")?;
    progress.published_seq = state::unsigned(row, "published_seq")?;
    if row.get("is_trusted")? {
        progress.trusted = Mark { position: progress.last, seq: progress.series.last_seq };
    }
    let settles: String = row.get("settles")?;
    progress.settled.extend(&Settled::parse(&settles));
    Ok(())
}
