//! The serial numbers that were seen on two devices at once, as the outbox keeps them: whoever runs next knows them, too.

use rusqlite::{Connection, Transaction, params};

use crate::device::{SharedSerials, Unit};

/// Places grow: the lowest was found out first.
pub(super) const TABLE: &str = "
CREATE TABLE shared_serial (
    place INTEGER PRIMARY KEY, vendor INTEGER NOT NULL, product INTEGER NOT NULL, serial TEXT NOT NULL,
    UNIQUE (vendor, product, serial)
) STRICT;
";

/// All of them, in the order in which they were found out.
pub(super) fn read(connection: &Connection) -> Result<Vec<Unit>, rusqlite::Error> {
    connection
        .prepare("SELECT vendor, product, serial FROM shared_serial ORDER BY place")?
        .query_map([], |row| Ok(Unit { vendor: row.get(0)?, product: row.get(1)?, serial: row.get(2)? }))?
        .collect()
}

/// Adds these, and forgets as the memory does.
pub(super) fn write(transaction: &Transaction<'_>, units: &[Unit]) -> Result<(), rusqlite::Error> {
    if units.is_empty() {
        return Ok(());
    }
    let mut insert = transaction.prepare_cached(
        "INSERT OR IGNORE INTO shared_serial (vendor, product, serial) VALUES (?1, ?2, ?3)",
    )?;
    for Unit { vendor, product, serial } in units {
        insert.execute(params![vendor, product, serial])?;
    }
    transaction
        .prepare_cached(
            "DELETE FROM shared_serial WHERE place <= (SELECT max(place) FROM shared_serial) - ?1",
        )?
        .execute([i64::try_from(SharedSerials::MOST).unwrap_or(i64::MAX)])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::laws::{Folder, WITHOUT_JOURNAL, config, filled, taken};
    use super::super::{Opened, Outbox, Taken};
    use super::*;
    use crate::device::{Device, Identity, SerialMemory};
    use crate::test_support::device;

    fn units(serials: std::ops::Range<usize>) -> Vec<Unit> {
        let unit = |serial: usize| Unit { vendor: 0x0403, product: 0x6001, serial: serial.to_string() };
        serials.map(unit).collect()
    }

    fn shared(serials: std::ops::Range<usize>) -> Taken {
        Taken { shared: units(serials), ..Taken::default() }
    }

    fn open(folder: &Folder) -> Outbox {
        let outbox = Outbox::open(&config(folder.file()), true, "test", "boot").expect("opened").outbox;
        assert!(outbox.is_durable(), "{:?}", outbox.reason);
        outbox
    }

    /// What the file holds; whoever names devices after its opening is told of all of it.
    fn stored(folder: &Folder, boot_id: &str) -> Vec<Unit> {
        let Opened { outbox, earlier, .. } =
            Outbox::open(&config(folder.file()), true, "other", boot_id).expect("opened");
        let stored = outbox.store.shared_serials().expect("read");
        let mut memory = SerialMemory::knowing(earlier.shared_serials().clone());
        for unit in &stored {
            let mut device = Device { serial_number: Some(unit.serial.clone()), ..device() };
            (device.descriptor.id_vendor, device.descriptor.id_product) = (unit.vendor, unit.product);
            assert_eq!(memory.attach(&device).identity, Identity::Port, "{unit:?}");
        }
        stored
    }

    #[test]
    fn a_serial_number_that_is_shared_is_known_in_every_run_and_boot_that_follows() {
        let folder = Folder::new();
        for _ in 0..2 {
            open(&folder).append(shared(10..12));
        }
        for boot_id in ["boot", "another", ""] {
            assert_eq!(stored(&folder, boot_id), units(10..12), "{boot_id:?}");
        }
    }

    #[test]
    fn the_first_ones_are_forgotten() {
        let folder = Folder::new();
        let mut outbox = open(&folder);
        let most = SharedSerials::MOST;
        for first in [0, most / 2, most] {
            outbox.append(shared(first..first + most / 2));
        }
        drop(outbox);
        assert_eq!(stored(&folder, "boot"), units(most / 2..most / 2 + most));
    }

    #[test]
    fn what_could_not_be_stored_is_stored_with_its_event_once_that_is_possible() {
        let folder = Folder::new();
        let mut outbox = open(&folder);
        folder.by_hand(
            "CREATE TRIGGER full BEFORE INSERT ON shared_serial BEGIN SELECT RAISE(FAIL, 'no room'); END",
        );
        outbox.append(Taken { shared: units(0..1), ..taken(1..=1) });
        let kept = outbox.store.read(1, 1, 1).expect("read");
        assert_eq!((outbox.is_durable(), kept), (false, vec![]), "neither of them");
        folder.by_hand("DROP TRIGGER full");
        outbox.retry_at = Some(Instant::now());
        outbox.save_all();
        assert_eq!(outbox.store.read(1, 1, 1).expect("read").len(), 1);
        drop(outbox);
        assert_eq!(stored(&folder, "boot"), units(0..1));
    }

    #[test]
    fn a_file_of_an_earlier_version_learns_them() {
        for before in [
            "PRAGMA user_version = 3;",
            "ALTER TABLE state DROP COLUMN settled; ALTER TABLE state DROP COLUMN claims; PRAGMA user_version = 2;",
        ] {
            let folder = Folder::new();
            filled(&folder, 3);
            folder.by_hand(&format!("{WITHOUT_JOURNAL} DROP TABLE shared_serial; {before}"));
            let mut outbox = open(&folder);
            outbox.append(Taken { last_seq: 3, ..shared(0..1) });
            assert_eq!(outbox.waiting(), 3);
            drop(outbox);
            assert_eq!(stored(&folder, "boot"), units(0..1), "{before}");
        }
    }
}
