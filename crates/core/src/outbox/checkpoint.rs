//! Checkpoints: what lies in the write-ahead log goes into the file itself on a thread of its own, because that waits for
//! the disk, and an event must not.

use std::cell::Cell;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use crate::threads;

/// Commits between two checkpoints, most of them of a page or two: somewhat more often than SQLite itself would.
const EVERY: u32 = 256;
/// A log of so many pages (64 MB) is worth that commits wait until it begins anew.
const LARGE: i64 = 16_384;

/// The thread. Dropping it joins it.
pub(super) struct Checkpoints {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    commits: Cell<u32>,
}

impl Checkpoints {
    /// Starts the thread, on a connection of its own.
    pub(super) fn start(path: &Path) -> Result<Self, rusqlite::Error> {
        let connection = Connection::open(path)?;
        let (wake, woken) = sync_channel(1);
        let thread = threads::spawn("aw-checkpoint", move || run(&connection, &woken))
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(Self { wake: Some(wake), thread: Some(thread), commits: Cell::new(0) })
    }

    /// Counts a commit; now and then it is time.
    pub(super) fn note_commit(&self) {
        self.commits.set(self.commits.get() + 1);
        if self.commits.get() >= EVERY
            && let Some(wake) = &self.wake
        {
            self.commits.set(0);
            // One that is under way is enough.
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("checkpoints panicked");
        }
    }
}

fn run(connection: &Connection, woken: &Receiver<()>) {
    let checkpoint = |mode: &str| {
        connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get::<_, i64>("log"))
    };
    while woken.recv().is_ok() {
        // Commits wait for the second one only, which finds little left to do.
        let done = checkpoint("PASSIVE")
            .and_then(|pages| if pages > LARGE { checkpoint("RESTART").map(drop) } else { Ok(()) });
        if let Err(error) = done {
            // A disk that is full or broken is told of by the commits.
            tracing::debug!(%error, "no checkpoint");
        }
    }
}
