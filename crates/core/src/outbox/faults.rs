//! What the laws do not try: records that cannot be read, a run without Redis, another name for the file, a server that
//! forgets what no file holds.

use std::os::unix::fs::symlink;

use super::laws::{Folder, config, filled, seqs, taken};
use super::*;
use crate::journey::Journey;

fn open(folder: &Folder, publishes: bool) -> Outbox {
    Outbox::open(&config(folder.file()), publishes, "test", "boot").expect("the same file").outbox
}

/// As from the engine: their journeys have begun.
fn observed_now(seqs: std::ops::RangeInclusive<u64>) -> Taken {
    let mut taken = taken(seqs);
    for incoming in &mut taken.events {
        let journey = Journey::observed_at(Instant::now());
        incoming.event = Arc::new(Event { journey, ..(*incoming.event).clone() });
    }
    taken
}

fn balance(outbox: &Outbox) -> (u64, u64) {
    let Accounts { carried_over, seen, published, filtered, waiting, dropped } =
        outbox.board().get().accounts;
    assert_eq!(carried_over + seen, published + filtered + waiting + dropped);
    (waiting, dropped)
}

#[test]
fn a_run_without_redis_leaves_what_waits() {
    let folder = Folder::new();
    filled(&folder, 50);
    let mut without = open(&folder, false);
    without.append(taken(51..=51));
    assert_eq!(balance(&without), (51, 0));
    drop(without);
    let mut outbox = open(&folder, true);
    assert_eq!(seqs(&outbox.batch(100)), (1..=51).collect::<Vec<_>>());
}

#[test]
fn a_run_without_redis_keeps_nothing_waiting_of_its_own() {
    let folder = Folder::new();
    drop(open(&folder, false));
    let mut without = open(&folder, false);
    without.append(taken(1..=1));
    without.save_all();
    drop(without);
    assert_eq!(open(&folder, true).waiting(), 0);
}

#[test]
fn a_record_that_cannot_be_read_takes_no_other_with_it() {
    let folder = Folder::new();
    filled(&folder, 3000);
    folder.by_hand(
        "UPDATE event SET record = 'x' WHERE position IN (2, 3); DELETE FROM event WHERE position = 5;",
    );
    let mut outbox = open(&folder, true);
    let mut published = Vec::new();
    while outbox.waiting() > 0 {
        let batch = outbox.batch(7);
        outbox.acknowledge(&batch);
        balance(&outbox);
        published.extend(seqs(&batch));
    }
    let expected: Vec<u64> = (1..=3000).filter(|seq| ![2, 3, 5].contains(seq)).collect();
    assert_eq!(published, expected);
    assert_eq!(outbox.take_lost(), 3);
    assert!(outbox.take_faults().iter().any(|fault| fault.message.contains("lost")));
}

#[test]
fn how_far_publishing_has_come_is_stored_in_the_middle_of_a_backlog() {
    let folder = Folder::new();
    filled(&folder, 2000);
    let mut outbox = open(&folder, true);
    for _ in 0..10 {
        let batch = outbox.batch(100);
        outbox.acknowledge(&batch);
        outbox.save_progress_in_one_go();
    }
    drop(outbox);
    assert!(open(&folder, true).waiting() <= 1256);
}

#[test]
fn a_link_to_the_file_is_the_file() {
    let folder = Folder::new();
    let _first = open(&folder, true);
    let link = folder.0.join("link.db");
    symlink(folder.file(), &link).expect("a link");
    let second = Outbox::open(&config(link), true, "test", "boot").expect("in memory");
    let fault = second.fault.expect("the first one has it");
    assert!(fault.message.contains(&format!("process {}", std::process::id())), "{fault}");
}

#[test]
fn what_no_file_holds_is_published_again_from_memory() {
    let folder = Folder::new();
    let mut outbox = open(&folder, true);
    outbox.append(taken(1..=100));
    folder.by_hand("ALTER TABLE event RENAME TO elsewhere;");
    outbox.append(taken(101..=200));
    assert!(!outbox.is_durable());
    let batch = outbox.batch(200);
    assert_eq!(batch.len(), 200);
    outbox.acknowledge(&batch);
    assert_eq!(outbox.rewind(150), 50);
    assert_eq!(seqs(&outbox.batch(1)), [151]);
}

#[test]
fn what_a_server_has_lost_is_published_again_and_known_as_such_be_it_at_hand_or_not() {
    let folder = Folder::new();
    let mut outbox = open(&folder, true);
    outbox.append(observed_now(1..=2000));
    let Stored { first, again } = outbox.take_stored();
    assert_eq!((first.len(), again.len()), (2000, 0));
    let publish = |outbox: &mut Outbox, count| {
        let batch = outbox.batch(count);
        outbox.acknowledge(&batch);
        let again = batch.iter().filter(|placed| outbox.is_published_again(placed, Instant::now())).count();
        (batch.len(), again)
    };
    assert_eq!(publish(&mut outbox, 1000), (1000, 0));
    assert_eq!(publish(&mut outbox, 900), (900, 0));
    assert_eq!(outbox.rewind(900), 1000, "many of them are in the file only");
    assert_eq!(publish(&mut outbox, 1100), (1100, 1000));
}

#[test]
fn what_gets_another_number_is_stored_again_and_known_as_such() {
    let folder = Folder::new();
    let mut outbox = open(&folder, true);
    let intake = Intake::new(outbox.series(), &config(folder.file()));
    outbox.append(observed_now(1..=3));
    assert_eq!(outbox.take_stored().first.len(), 3);
    outbox.begin_series("other", &intake);
    let Stored { first, again } = outbox.take_stored();
    assert_eq!((first.len(), again.len()), (0, 3));
}

#[test]
fn what_is_kept_is_read_from_any_number_on_whatever_was_dropped() {
    for (max_events, when_full) in [(10_000, WhenFull::DropOldest), (700, WhenFull::DropNewest)] {
        let folder = Folder::new();
        let config = OutboxConfig { max_events, when_full, ..config(folder.file()) };
        let mut outbox = Outbox::open(&config, true, "test", "boot").expect("new").outbox;
        for first in (1..=3000).step_by(100) {
            outbox.append(taken(first..=first + 99));
            if first == 1501 {
                let batch = outbox.batch(600);
                outbox.acknowledge(&batch);
            }
        }
        let all: Vec<u64> = outbox.after(0, 10_000).expect("read").iter().map(|event| event.seq).collect();
        assert!(all.len() >= 1300 && all.is_sorted(), "{}", all.len());
        for after in [0, 1, 699, 700, 1500, 2999, 3000, 9999] {
            let found: Vec<u64> =
                outbox.after(after, 5).expect("read").iter().map(|event| event.seq).collect();
            let wanted: Vec<u64> = all.iter().copied().filter(|seq| *seq > after).take(5).collect();
            assert_eq!(found, wanted, "after {after}");
        }
    }
}
