//! What a process that is killed owes the other tables, and how little it writes for that.

use super::laws::{Folder, WITHOUT_JOURNAL, append_singly, config, filled, taken};
use super::*;
use crate::device::Unit;
use crate::event::{Action, Backend};
use crate::spool::Settled;
use crate::test_support::event;

fn open(folder: &Folder, publishes: bool) -> Opened {
    let opened = Outbox::open(&config(folder.file()), publishes, "test", "boot").expect("opened");
    assert!(opened.outbox.is_durable(), "{:?}", opened.fault);
    opened
}

fn attached(folder: &Folder) -> Vec<String> {
    let mut names: Vec<_> = open(folder, true).earlier.addresses().map(|(name, _)| name.to_owned()).collect();
    names.sort();
    names
}

/// The last place that the table `state` knows, and that of the last event.
fn places(folder: &Folder) -> (i64, i64) {
    let sought = "SELECT last_position, (SELECT max(position) FROM event) FROM state";
    rusqlite::Connection::open(folder.file())
        .and_then(|database| database.query_row(sought, [], |row| Ok((row.get(0)?, row.get(1)?))))
        .expect("two places")
}

#[test]
fn an_event_is_a_page_of_the_file_and_not_one_for_each_table() {
    let folder = Folder::new();
    let mut outbox = open(&folder, true).outbox;
    outbox.append(taken(1..=1));
    let log = folder.0.join("outbox.db-wal");
    let length = || std::fs::metadata(&log).expect("a log").len();
    let before = length();
    append_singly(&mut outbox, 2..=101);
    let pages = (length() - before) / (4096 + 24);
    // Where a page is full, another one and their parent are written.
    assert!((100..170).contains(&pages), "{pages} pages for 100 events");
    outbox.save_all();
    assert_eq!(places(&folder), (1, 101), "an idle moment alone writes nothing");
    let batch = outbox.batch(1);
    outbox.acknowledge(&batch);
    outbox.save_all();
    assert_eq!(places(&folder), (101, 101));
}

#[test]
fn the_other_tables_do_not_fall_behind_for_long() {
    let folder = Folder::new();
    let mut outbox = open(&folder, true).outbox;
    for seq in 1..=1000 {
        outbox.append(taken(seq..=seq));
        let (known, last) = places(&folder);
        assert!(last == i64::try_from(seq).expect("small") && last - known <= 256, "{known} of {last}");
    }
}

#[test]
fn what_a_killed_process_had_not_told_the_other_tables_is_made_up_for() {
    let folder = Folder::new();
    let mut outbox = open(&folder, true).outbox;
    outbox.trust();
    let of = |seq, action, instance| Incoming {
        key: format!("port-{instance}"),
        event: event(seq, action, instance),
        settles: Some(1000 + seq),
    };
    outbox.append(Taken { events: [of(1, Action::Attach, 1)].into(), last_seq: 1, ..Taken::default() });
    outbox.append(Taken { events: [of(2, Action::Attach, 2)].into(), last_seq: 2, ..Taken::default() });
    let batch = outbox.batch(2);
    outbox.acknowledge(&batch);
    let events = [of(3, Action::Detach, 1), of(4, Action::Attach, 4)].into();
    // One more has found no room at all.
    outbox.append(Taken {
        events,
        refused: 1,
        last_seq: 5,
        settled: Settled::parse("7-9"),
        ..Taken::default()
    });
    drop(outbox);
    assert_eq!(places(&folder), (0, 4), "the tables know of nothing");
    let Opened { outbox, earlier, .. } = open(&folder, true);
    let mut names: Vec<_> = earlier.addresses().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["port-2", "port-4"]);
    assert_eq!(earlier.settled().to_string(), "7-9,1001-1004");
    assert_eq!((outbox.waiting(), outbox.published_seq()), (2, 2));
    assert_eq!((outbox.series().last_seq, outbox.opened_seq()), (5, 5), "its numbers are good");
    assert_eq!(places(&folder), (0, 4), "nothing has been written for that");
    let mut outbox = outbox;
    outbox.save_all();
    assert_eq!(places(&folder), (4, 4), "an idle moment writes it");
}

#[test]
fn a_killed_process_whose_numbers_were_in_doubt_leaves_them_so() {
    let folder = Folder::new();
    filled(&folder, 2);
    let mut outbox = open(&folder, true).outbox;
    outbox.append(taken(3..=3));
    outbox.append(taken(4..=4));
    drop(outbox);
    assert_eq!(open(&folder, true).outbox.opened_seq(), 0);
}

#[test]
fn what_a_run_of_another_boot_has_left_is_of_that_boot() {
    let folder = Folder::new();
    let mut outbox = open(&folder, true).outbox;
    for seq in 1..=3 {
        outbox.append(Taken { settled: Settled::parse("5-9"), ..taken(seq..=seq) });
    }
    drop(outbox);
    let reopened = |boot| Outbox::open(&config(folder.file()), true, "other", boot).expect("opened");
    let opened = reopened("another");
    assert_eq!(
        (opened.earlier.addresses().count(), opened.earlier.settled().to_string()),
        (0, String::new())
    );
    drop(opened);
    let mut opened = reopened("another");
    opened.outbox.append(taken(4..=4));
    opened.outbox.append(taken(5..=5));
    drop(opened);
    let names: Vec<_> = reopened("another").earlier.addresses().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(names.len(), 2, "{names:?} began in this boot");
}

#[test]
fn one_that_found_no_room_is_attached_all_the_same() {
    let folder = Folder::new();
    let config = OutboxConfig { max_events: 2, when_full: WhenFull::DropNewest, ..config(folder.file()) };
    let mut outbox = Outbox::open(&config, true, "test", "boot").expect("new").outbox;
    append_singly(&mut outbox, 1..=4);
    drop(outbox);
    assert_eq!(attached(&folder), ["1", "2", "3", "4"]);
    assert_eq!(open(&folder, true).outbox.series().last_seq, 4);
}

#[test]
fn a_killed_run_without_redis_leaves_nothing_waiting() {
    let folder = Folder::new();
    let mut outbox = open(&folder, false).outbox;
    append_singly(&mut outbox, 1..=3);
    drop(outbox);
    assert_eq!(places(&folder), (1, 3));
    assert_eq!(open(&folder, true).outbox.waiting(), 0);
}

#[test]
fn an_entry_that_cannot_be_read_takes_no_other_with_it() {
    let folder = Folder::new();
    let mut outbox = open(&folder, true).outbox;
    append_singly(&mut outbox, 1..=4);
    drop(outbox);
    folder.by_hand("UPDATE event SET record = 'x' WHERE position = 3");
    assert_eq!(attached(&folder), ["1", "2", "4"]);
}

#[test]
fn what_lay_beyond_the_last_place_before_there_was_a_journal_stays_nobodys() {
    let folder = Folder::new();
    filled(&folder, 5);
    folder.by_hand(&format!("{WITHOUT_JOURNAL} UPDATE state SET last_position = 3, last_seq = 3"));
    let outbox = open(&folder, true).outbox;
    assert_eq!((outbox.waiting(), outbox.series().last_seq), (3, 3));
    assert_eq!(places(&folder), (3, 3));
}

#[test]
fn what_a_snapshot_has_told_of_is_remembered() {
    let folder = Folder::new();
    let mut outbox = open(&folder, true).outbox;
    outbox.append(taken(1..=1));
    for seq in 2..=3 {
        let mut taken = taken(seq..=seq);
        for incoming in &mut taken.events {
            incoming.event = Arc::new(Event { backend: Backend::Snapshot, ..(*incoming.event).clone() });
        }
        outbox.append(taken);
    }
    drop(outbox);
    let claims = open(&folder, true).earlier.claims().to_string();
    let names: Vec<_> = claims.split(',').filter_map(|claim| claim.split('@').next()).collect();
    assert_eq!(names, ["2", "3"]);
}

#[test]
fn events_that_closed_up_leave_no_row_behind() {
    let folder = Folder::new();
    filled(&folder, 5);
    folder.by_hand("UPDATE event SET record = 'x' WHERE position = 3");
    let mut outbox = open(&folder, true).outbox;
    let intake = Intake::new(outbox.series(), &config(folder.file()));
    // One of them is at hand and in the journal.
    outbox.append(taken(6..=6));
    outbox.begin_series("other", &intake);
    drop(outbox);
    let outbox = open(&folder, true).outbox;
    assert_eq!((outbox.series(), outbox.waiting()), (Series { producer: "other".into(), last_seq: 5 }, 5));
    drop(outbox);
    assert_eq!(places(&folder), (5, 5), "nothing is where the sixth one was");
}

#[test]
fn a_file_that_cannot_be_written_any_more_is_opened_with_all_that_it_holds() {
    let folder = Folder::new();
    let mut outbox = open(&folder, true).outbox;
    append_singly(&mut outbox, 1..=4);
    drop(outbox);
    folder.by_hand(
        "CREATE TRIGGER full BEFORE UPDATE ON state BEGIN SELECT RAISE(FAIL, 'the disk is full'); END",
    );
    let Opened { mut outbox, earlier, .. } = open(&folder, true);
    assert_eq!((outbox.waiting(), outbox.series().last_seq, earlier.addresses().count()), (4, 4, 4));
    outbox.save_all();
    assert!(!outbox.is_durable(), "the fault shows");
    outbox.append(taken(5..=5));
    folder.by_hand("DROP TRIGGER full");
    outbox.retry_at = Some(Instant::now());
    outbox.append(taken(6..=6));
    assert!(outbox.is_durable());
    drop(outbox);
    assert_eq!((places(&folder), attached(&folder).len()), ((6, 6), 6));
}

#[test]
fn what_is_owed_is_written_as_of_the_boot_in_which_it_was() {
    let folder = Folder::new();
    let mut outbox = open(&folder, true).outbox;
    append_singly(&mut outbox, 1..=3);
    drop(outbox);
    let reopened = |boot| Outbox::open(&config(folder.file()), true, "other", boot).expect("opened");
    reopened("another").outbox.save_all();
    assert_eq!(places(&folder), (3, 3));
    assert_eq!(reopened("another").earlier.addresses().count(), 0);
    assert_eq!(reopened("boot").earlier.addresses().count(), 3);
}

#[test]
fn a_publication_without_a_watermark_outlives_a_fault() {
    let folder = Folder::new();
    let mut outbox = open(&folder, true).outbox;
    outbox.append(taken(1..=1));
    outbox.retry_at = Some(Instant::now());
    outbox.set_unfenced(true);
    outbox.append(taken(2..=2));
    drop(outbox);
    assert!(open(&folder, true).outbox.is_unfenced());
}

#[test]
fn a_serial_number_that_is_shared_comes_with_its_event() {
    let folder = Folder::new();
    let mut outbox = open(&folder, true).outbox;
    outbox.append(taken(1..=1));
    let unit = Unit { vendor: 0x0403, product: 0x6001, serial: "7".into() };
    outbox.append(Taken { shared: vec![unit.clone()], ..taken(2..=2) });
    drop(outbox);
    assert_eq!(places(&folder), (1, 2));
    let connection = rusqlite::Connection::open(folder.file()).expect("the file");
    assert_eq!(shared::read(&connection).expect("read"), [unit]);
}

#[test]
fn what_found_no_room_stays_behind_what_did() {
    let folder = Folder::new();
    let config = OutboxConfig { max_events: 1, when_full: WhenFull::DropNewest, ..config(folder.file()) };
    let mut outbox = Outbox::open(&config, true, "test", "boot").expect("new").outbox;
    let events = ["z", "y", "x"].iter().zip(1..).map(|(key, seq)| Incoming {
        key: (*key).to_owned(),
        event: event(seq, Action::Attach, seq),
        settles: None,
    });
    outbox.append(Taken { events: events.collect(), last_seq: 3, ..Taken::default() });
    drop(outbox);
    let mut earlier = open(&folder, true).earlier;
    let last_first: Vec<_> = earlier.take_where(|_, _| true).into_iter().map(|(key, _)| key).collect();
    assert_eq!(last_first, ["x", "y", "z"]);
}
