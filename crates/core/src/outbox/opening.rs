//! Which files are opened, those of earlier versions among them, and which are refused.

use std::path::PathBuf;

use super::laws::{Folder, WITHOUT_JOURNAL, config, filled};
use super::*;
use crate::device::DeviceDescriptor;
use crate::event::Action;
use crate::spool::Settled;
use crate::test_support::{bytes, event};

/// In memory, with a reason; or not at all, where that is asked for.
fn refused(path: PathBuf) -> Error {
    let config = config(path);
    let opened = Outbox::open(&config, true, "test", "boot").expect("in memory");
    let fault = opened.fault.expect("a reason");
    assert!(!opened.outbox.is_durable());
    let required = OutboxConfig { required: true, ..config };
    let error = Outbox::open(&required, true, "test", "boot").map(drop).expect_err("required");
    assert_eq!(error.code, Code::Outbox);
    assert!(fault.message.starts_with(&error.message), "{fault}");
    error
}

#[test]
fn a_second_daemon_is_told_whose_the_file_is() {
    let folder = Folder::new();
    let _first = Outbox::open(&config(folder.file()), true, "test", "boot").expect("new");
    let error = refused(folder.file());
    assert!(error.message.contains(&format!("process {}", std::process::id())), "{error}");
}

#[test]
fn a_foreign_file_is_left_as_it_is() {
    let folder = Folder::new();
    std::fs::write(folder.file(), "a letter, and no database at all; ".repeat(200)).expect("written");
    let before = std::fs::read(folder.file()).expect("read");
    refused(folder.file());
    assert_eq!(std::fs::read(folder.file()).expect("read"), before);
    let other = folder.0.join("other.db");
    rusqlite::Connection::open(&other)
        .and_then(|database| database.execute_batch("CREATE TABLE bookmarks (url TEXT)"))
        .expect("somebody else's database");
    let error = refused(other);
    assert!(error.message.contains("some other program's database"), "{error}");
}

#[test]
fn a_damaged_file_is_said_and_left_as_it_is() {
    let folder = Folder::new();
    filled(&folder, 500);
    let mut bytes = std::fs::read(folder.file()).expect("read");
    let length = bytes.len();
    bytes[4096..length - 4096].fill(0x5a);
    std::fs::write(folder.file(), &bytes).expect("written");
    refused(folder.file());
    assert_eq!(std::fs::read(folder.file()).expect("read"), bytes);
}

#[test]
fn a_file_of_a_later_version_is_not_touched() {
    let folder = Folder::new();
    filled(&folder, 1);
    rusqlite::Connection::open(folder.file())
        .and_then(|database| database.pragma_update(None, "user_version", 99))
        .expect("a later version");
    let error = refused(folder.file());
    assert!(error.message.contains("99"), "{error}");
}

#[test]
fn records_of_the_version_before_have_the_descriptors_fields() {
    let folder = Folder::new();
    filled(&folder, 3);
    let descriptor = event(1, Action::Attach, 1).attachment.device.descriptor.clone();
    let fields = serde_json::to_string(&descriptor).expect("JSON");
    let database = rusqlite::Connection::open(folder.file()).expect("a file");
    let record: String =
        database.query_row("SELECT record FROM event", [], |row| row.get(0)).expect("a record");
    let record: serde_json::Value = serde_json::from_str(&record).expect("JSON");
    let hex = record["attachment"]["device"]["descriptor"].as_str().expect("hex");
    assert_eq!(DeviceDescriptor::parse(&bytes(hex)), Some(descriptor.clone()));
    for table in ["event", "attached"] {
        let change = format!("UPDATE {table} SET record = replace(record, ?1, ?2)");
        let changed = database.execute(&change, [&format!("\"{hex}\""), &fields]);
        assert_eq!(changed.expect("written"), 3, "{table}");
        let sought = format!("SELECT count(*) FROM {table} WHERE instr(record, ?1) > 0");
        let found: i64 = database.query_row(&sought, [&fields], |row| row.get(0)).expect("a count");
        assert_eq!(found, 3, "{table} has the fields");
    }
    database.execute_batch(WITHOUT_JOURNAL).expect("the version before the last");
    database.pragma_update(None, "user_version", 4).expect("the version before");
    drop(database);
    let config = OutboxConfig { path: Some(folder.file()), required: true, ..OutboxConfig::default() };
    let mut opened = Outbox::open(&config, true, "other", "boot").expect("opened");
    let batch = opened.outbox.batch(9);
    assert_eq!(batch.len(), 3);
    assert!(batch.iter().all(|placed| placed.event.attachment.device.descriptor == descriptor));
    let attached = opened.earlier.take_where(|_, _| true);
    assert_eq!(attached.len(), 3);
    assert!(
        attached.iter().all(|(_, earlier)| earlier.attach.attachment.device.descriptor == descriptor),
        "{attached:?}"
    );
}

#[test]
fn a_file_of_an_earlier_version_is_taken_over_with_all_that_it_holds() {
    let folder = Folder::new();
    filled(&folder, 3);
    rusqlite::Connection::open(folder.file())
        .and_then(|database| {
            database.execute_batch(WITHOUT_JOURNAL)?;
            database.execute_batch(
                "DROP TABLE shared_serial; ALTER TABLE state DROP COLUMN settled; ALTER TABLE state DROP COLUMN claims; \
                 PRAGMA user_version = 2;",
            )
        })
        .expect("the version before");
    let config = OutboxConfig { path: Some(folder.file()), required: true, ..OutboxConfig::default() };
    let mut opened = Outbox::open(&config, true, "other", "boot").expect("opened");
    assert_eq!((opened.outbox.waiting(), opened.earlier.settled().to_string().as_str()), (3, ""));
    let numbers = Settled::parse("5-9");
    let settled = Taken { settled: numbers, last_seq: 3, ..Taken::default() };
    opened.outbox.append(settled);
    drop(opened);
    let opened = Outbox::open(&config, true, "other", "boot").expect("opened again");
    assert_eq!(opened.earlier.settled().to_string(), "5-9");
    drop(opened);
    let opened = Outbox::open(&config, true, "other", "another").expect("opened after another boot");
    assert_eq!(opened.earlier.settled().to_string(), "", "numbers begin anew");
    drop(opened);
    let mut opened = Outbox::open(&config, true, "other", "").expect("opened in an unknown boot");
    opened.outbox.append(Taken { settled: Settled::parse("5-9"), last_seq: 3, ..Taken::default() });
    drop(opened);
    let opened = Outbox::open(&config, true, "other", "").expect("opened in an unknown boot");
    assert_eq!(opened.earlier.settled().to_string(), "", "it need not be the same one");
}

#[test]
fn whoever_sees_that_a_record_is_dealt_with_sees_that_its_event_waits() {
    let config = OutboxConfig::default();
    let Opened { mut outbox, .. } = Outbox::open(&config, true, "test", "boot").expect("opened");
    let (board, settled) = (outbox.board(), outbox.settled_board());
    let looks = std::thread::spawn(move || {
        for number in 1..=500 {
            while !settled.contains(number) {
                std::hint::spin_loop();
            }
            assert!(board.get().accounts.waiting >= number, "the event of record {number} does not wait");
        }
    });
    for number in 1..=500 {
        let event = event(number, Action::Attach, number);
        let events = [Incoming { key: number.to_string(), event, settles: Some(number) }].into();
        outbox.append(Taken { events, last_seq: number, ..Taken::default() });
    }
    looks.join().expect("each one waits");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_said() {
    let error = refused("/proc/no-such-place/outbox.db".into());
    assert!(error.message.contains("/proc/no-such-place"), "{error}");
}
