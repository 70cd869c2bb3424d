//! The history: what an outbox file holds, read beside the daemon that writes it, or without one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};

use super::file::{explain, is_outbox, unusable};
use super::record::Reader;
use super::store::Placed;
use crate::error::Error;

/// From where on history is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// From the oldest event that is kept.
    Beginning,
    /// From the event with this number, of the series that is being numbered now.
    Seq(u64),
    /// From the first event observed at this time or later, in ms since 1970.
    Time(u64),
}

/// Reads an outbox file from one event to the next.
pub struct History {
    path: PathBuf,
    connection: Connection,
    /// It is read as it lies: no daemon was there when it was opened.
    is_still: bool,
    next: i64,
    since_ms: u64,
}

impl History {
    /// Opens the file for reading only.
    ///
    /// # Errors
    /// `ERR_USB_OUTBOX` where there is no such file, or it is no outbox, or it cannot be read.
    pub fn open(path: &Path, since: Since) -> Result<Self, Error> {
        if !path.exists() {
            return Err(unusable(path, "there is no such file: no daemon has run with this outbox yet"));
        }
        // SQLite would blame the disk.
        if path.is_dir() {
            return Err(unusable(path, "it is a folder: name the file in it"));
        }
        if !path.is_file() {
            return Err(unusable(path, "it is no file"));
        }
        let failed = |error: rusqlite::Error| unusable(path, &explain(&error));
        let (connection, is_still) = open(path).map_err(failed)?;
        match is_outbox(&connection) {
            Ok(true) => {}
            Ok(false) => return Err(unusable(path, "it is empty: no daemon has run with this outbox yet")),
            Err(why) => return Err(unusable(path, &why)),
        }
        let next = match since {
            Since::Seq(seq) => connection
                .query_row(
                    "SELECT coalesce(min(position), 1 + (SELECT max(last_position, coalesce((SELECT max(position) FROM \
                     event), 0)) FROM state)) FROM event WHERE seq >= ?1 AND producer = (SELECT producer FROM state)",
                    // No event has a number beyond.
                    [i64::try_from(seq).unwrap_or(i64::MAX)],
                    |row| row.get(0),
                )
                .map_err(failed)?,
            Since::Beginning | Since::Time(_) => 1,
        };
        let since_ms = if let Since::Time(ms) = since { ms } else { 0 };
        Ok(Self { path: path.to_owned(), connection, is_still, next, since_ms })
    }

    /// Up to `limit` further events, in order. An empty list is the end, for now.
    ///
    /// # Errors
    /// `ERR_USB_OUTBOX` where the file cannot be read.
    pub fn read(&mut self, limit: usize) -> Result<Vec<Placed>, Error> {
        loop {
            let failed = |error: rusqlite::Error| unusable(&self.path, &explain(&error));
            if self.is_still && log(&self.path).exists() {
                // A daemon writes to it by now.
                (self.connection, self.is_still) = open(&self.path).map_err(failed)?;
            }
            let read = self.read_once(limit).map_err(failed)?;
            let Some(last) = read.last() else { return Ok(read) };
            self.next = last.position + 1;
            let since_ms = self.since_ms;
            let wanted: Vec<_> =
                read.into_iter().skip_while(|placed| placed.event.timestamp_ms < since_ms).collect();
            if !wanted.is_empty() {
                // Clocks may be set back: from here on the order is that of the places.
                self.since_ms = 0;
                return Ok(wanted);
            }
        }
    }

    fn read_once(&self, limit: usize) -> Result<Vec<Placed>, rusqlite::Error> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut reader = Reader::default();
        self.connection
            .prepare_cached(
                "SELECT position, record FROM event WHERE position >= ?1 ORDER BY position LIMIT ?2",
            )?
            .query_map(params![self.next, limit], |row| {
                Ok(Placed { position: row.get(0)?, event: reader.read(row, 1)?.into() })
            })?
            .collect()
    }
}

/// A reader shares an index file with the writer. Where neither it nor the right to make it is there, nor a log that is not
/// in the file yet, no daemon runs, and the file is read as it lies. True where that is so.
fn open(path: &Path) -> Result<(Connection, bool), rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(2))?;
    match connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i32>(0)) {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen) => {
            if log(path).exists() {
                return Err(error);
            }
            let mut address = String::from("file:");
            for byte in path.as_os_str().as_encoded_bytes() {
                if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
                    address.push(char::from(*byte));
                } else {
                    // Writing to a string cannot fail.
                    let _ = write!(address, "%{byte:02X}");
                }
            }
            address.push_str("?immutable=1");
            Ok((Connection::open_with_flags(address, flags | OpenFlags::SQLITE_OPEN_URI)?, true))
        }
        _ => Ok((connection, false)),
    }
}

/// The write-ahead log beside the file.
fn log(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::super::Outbox;
    use super::super::laws::{Folder, append_singly, config, filled};
    use super::*;

    #[test]
    fn what_no_number_has_come_to_yet_is_not_there() {
        let folder = Folder::new();
        filled(&folder, 5);
        let seqs = |since| {
            let mut history = History::open(&folder.file(), since).expect("an outbox");
            let read = history.read(10).expect("read");
            read.iter().map(|placed| placed.event.seq).collect::<Vec<_>>()
        };
        assert_eq!(seqs(Since::Seq(4)), [4, 5]);
        for beyond in [6, u64::MAX - 1, u64::MAX] {
            assert_eq!(seqs(Since::Seq(beyond)), Vec::<u64>::new(), "{beyond}");
        }
    }

    #[test]
    fn nor_where_only_the_journal_knows_how_far_numbers_have_come() {
        let folder = Folder::new();
        let mut outbox = Outbox::open(&config(folder.file()), true, "test", "boot").expect("new").outbox;
        append_singly(&mut outbox, 1..=3);
        let mut history = History::open(&folder.file(), Since::Seq(4)).expect("an outbox");
        assert_eq!(history.read(10).expect("read"), []);
    }

    #[test]
    fn a_folder_is_called_one() {
        let folder = Folder::new();
        for (path, expected) in [
            (folder.0.as_path(), "it is a folder: name the file in it"),
            (Path::new("/dev/null"), "it is no file"),
        ] {
            let error = History::open(path, Since::Beginning).map(drop).expect_err("no file");
            assert!(error.message.ends_with(expected), "{error}");
        }
    }
}
