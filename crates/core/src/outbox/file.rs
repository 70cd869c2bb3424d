//! The outbox's file: opened by one daemon at a time, and only if it is an outbox.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::checkpoint::Checkpoints;
use super::shared;
use crate::error::{Code, Error};
use crate::platform::private_file::{self, Refusal as NoLock};

/// `AWUS`: what SQLite keeps for telling whose file it is.
const APPLICATION_ID: i32 = 0x4157_5553;
const VERSION: i32 = 6;
/// What it was while each commit wrote all tables.
const WITHOUT_JOURNAL: i32 = 5;
/// What it was before it knew which serial numbers are shared. (In 4 records had a descriptor's fields by their names: they are read
/// still.)
const WITHOUT_SHARED: i32 = 3;
/// What it was before it knew which uevents are settled.
const WITHOUT_SETTLED: i32 = 2;
/// How long a commit waits for somebody who reads the history.
const PATIENCE: Duration = Duration::from_secs(2);

const SCHEMA: &str = "
CREATE TABLE event (
    position INTEGER PRIMARY KEY, producer TEXT NOT NULL, seq INTEGER NOT NULL, record TEXT NOT NULL,
    key TEXT, last_seq INTEGER, published_position INTEGER, published_seq INTEGER, is_trusted INTEGER, settles TEXT
) STRICT;
CREATE TABLE attached (
    key TEXT PRIMARY KEY, position INTEGER NOT NULL, boot_id TEXT NOT NULL, record TEXT NOT NULL
) STRICT;
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1), producer TEXT NOT NULL, last_seq INTEGER NOT NULL,
    last_position INTEGER NOT NULL, published_position INTEGER NOT NULL, published_seq INTEGER NOT NULL,
    trusted_position INTEGER NOT NULL, trusted_seq INTEGER NOT NULL, unfenced INTEGER NOT NULL, boot_id TEXT NOT NULL,
    settled TEXT NOT NULL DEFAULT '', claims TEXT NOT NULL DEFAULT ''
) STRICT;
";

/// An open outbox file, or its like in memory. The lock lasts as long as this.
pub(super) struct OutboxFile {
    /// Ends before the connection, which closes the file whole if it is the last one.
    checkpoints: Option<Checkpoints>,
    pub(super) connection: Connection,
    /// It was made just now: no daemon has run on it before.
    pub(super) is_new: bool,
    _lock: Option<File>,
}

impl OutboxFile {
    /// An outbox in memory.
    pub(super) fn in_memory(producer: &str) -> Result<Self, rusqlite::Error> {
        let connection = Connection::open_in_memory()?;
        create(&connection, producer)?;
        Ok(Self { checkpoints: None, connection, is_new: true, _lock: None })
    }

    /// Opens the file, and makes it where there is none.
    pub(super) fn open(path: &Path, fsync: bool, producer: &str) -> Result<Self, Error> {
        make_folder(path)?;
        // One file, one lock, whatever links lead to it.
        let target = path.canonicalize();
        let path = target.as_deref().unwrap_or(path);
        let lock = lock(path)?;
        let unusable = |error: rusqlite::Error| unusable(path, &explain(&error));
        // Made by us, because SQLite would let everybody read it.
        private_file::make_file(path)
            .map_err(|error| self::unusable(path, &format!("{error}: give outbox.path a place to write")))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(unusable)?;
        let is_new = prepare(&connection, fsync, producer).map_err(|refusal| match refusal {
            Refusal::Sqlite(error) => unusable(error),
            Refusal::Foreign(why) => self::unusable(path, &why),
        })?;
        let checkpoints = Checkpoints::start(path).map_err(unusable)?;
        Ok(Self { checkpoints: Some(checkpoints), connection, is_new, _lock: Some(lock) })
    }
}

impl OutboxFile {
    /// Counts a commit.
    pub(super) fn note_commit(&self) {
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.note_commit();
        }
    }
}

enum Refusal {
    Sqlite(rusqlite::Error),
    Foreign(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// True where the file was empty and is an outbox now.
fn prepare(connection: &Connection, fsync: bool, producer: &str) -> Result<bool, Refusal> {
    connection.busy_timeout(PATIENCE)?;
    let is_new = !verify(connection)?;
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        let why =
            format!("its file system allows no write-ahead log (journal mode {mode}): use a local disk");
        return Err(Refusal::Foreign(why));
    }
    // NORMAL never leaves a damaged file: a loss of power takes the last commits, and those whole.
    let synchronous = if fsync { "FULL" } else { "NORMAL" };
    connection.execute_batch(&format!("PRAGMA synchronous = {synchronous}; PRAGMA cache_size = -512;"))?;
    // The log goes into the file on another thread.
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0")?;
    if is_new {
        create(connection, producer)?;
    } else {
        upgrade(connection)?;
    }
    Ok(is_new)
}

/// Whether this is an outbox of ours; false where there is nothing yet.
pub(super) fn is_outbox(connection: &Connection) -> Result<bool, String> {
    verify(connection).map_err(|refusal| match refusal {
        Refusal::Sqlite(error) => explain(&error),
        Refusal::Foreign(why) => why,
    })
}

fn verify(connection: &Connection) -> Result<bool, Refusal> {
    let number = |pragma: &str| connection.query_row(pragma, [], |row| row.get::<_, i32>(0));
    let (application, version) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
    let tables: i32 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application, version, tables) {
        (0, 0, 0) => Ok(false),
        (APPLICATION_ID, WITHOUT_SETTLED..=VERSION, _) => Ok(true),
        (APPLICATION_ID, other, _) => Err(Refusal::Foreign(format!(
            "it has version {other}, this daemon knows version {VERSION}: use the daemon that made it, or another \
             outbox.path"
        ))),
        _ => Err(Refusal::Foreign("it is some other program's database: choose another outbox.path".into())),
    }
}

fn create(connection: &Connection, producer: &str) -> Result<(), rusqlite::Error> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute_batch(shared::TABLE)?;
    transaction.execute("INSERT INTO state VALUES (1, ?1, 0, 0, 0, 0, 0, 0, 0, '', '', '')", [producer])?;
    transaction.execute_batch(&format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
    ))?;
    transaction.commit()
}

/// Adds what earlier versions did not have.
fn upgrade(connection: &Connection) -> Result<(), rusqlite::Error> {
    let version: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version == VERSION {
        return Ok(());
    }
    let transaction = connection.unchecked_transaction()?;
    if version <= WITHOUT_SETTLED {
        transaction.execute_batch(
            "ALTER TABLE state ADD COLUMN settled TEXT NOT NULL DEFAULT ''; \
             ALTER TABLE state ADD COLUMN claims TEXT NOT NULL DEFAULT '';",
        )?;
    }
    if version <= WITHOUT_SHARED {
        transaction.execute_batch(shared::TABLE)?;
    }
    if version <= WITHOUT_JOURNAL {
        // What lay beyond the last place had been renumbered and was nobody's; readers of the history saw it.
        transaction.execute_batch(
            "ALTER TABLE event ADD COLUMN key TEXT; ALTER TABLE event ADD COLUMN last_seq INTEGER; \
             ALTER TABLE event ADD COLUMN published_position INTEGER; \
             ALTER TABLE event ADD COLUMN published_seq INTEGER; ALTER TABLE event ADD COLUMN is_trusted INTEGER; \
             ALTER TABLE event ADD COLUMN settles TEXT; \
             DELETE FROM event WHERE position > (SELECT last_position FROM state);",
        )?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()
}

fn make_folder(path: &Path) -> Result<(), Error> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private_file::make_folder(folder).map_err(|error| {
            unusable(path, &format!("{}: {error}: give outbox.path a place to write", folder.display()))
        })?;
    }
    Ok(())
}

/// The lock beside the file, with our process's number in it for whoever comes second.
fn lock(path: &Path) -> Result<File, Error> {
    let name = lock_name(path);
    private_file::lock(&name).map_err(|refusal| {
        let why = match refusal {
            NoLock::Held(holder) => {
                format!("process {holder} has it: stop that daemon, or give this one another outbox.path")
            }
            NoLock::NoFile(error) => {
                format!("{}: {error}: give outbox.path a place to write", name.display())
            }
            NoLock::NoLock(error) => format!("it cannot be locked: {error}"),
        };
        unusable(path, &why)
    })
}

/// Whether a process has this outbox open. Only to be asked where it could not be opened: who asks holds the lock for an instant.
pub(crate) fn is_held(path: &Path) -> bool {
    let target = path.canonicalize();
    private_file::is_locked(&lock_name(target.as_deref().unwrap_or(path)))
}

fn lock_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

pub(super) fn unusable(path: &Path, why: &str) -> Error {
    Error::new(Code::Outbox, format!("the outbox {} cannot be used: {why}", path.display()))
}

/// Whether trying again cannot help.
pub(super) fn is_beyond_repair(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// What SQLite has, and what to do about it.
pub(super) fn explain(error: &rusqlite::Error) -> String {
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "it is no outbox: choose another outbox.path",
        Some(ErrorCode::DatabaseCorrupt) => "it is damaged: move it away, and the daemon makes a new one",
        Some(ErrorCode::DiskFull) => "the disk is full: make room",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "it cannot be written: check its owner and its folder's"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another program keeps it locked: end that one"
        }
        Some(ErrorCode::SystemIoFailure) => "the disk fails: see the kernel's log",
        _ => "its content is not what this daemon writes: move it away",
    };
    format!("{error}: {advice}")
}
