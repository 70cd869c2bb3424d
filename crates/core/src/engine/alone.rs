//! Records without an engine: nothing is heard, and no snapshot is taken.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Instant;

use super::announcer::{Announcer, Cause, Fate as EarlierFate, Key};
use super::strings::PATIENCE;
use crate::clock::{self, Moment};
use crate::device::Device;
use crate::event::{Action, Backend};
use crate::filter::Filters;
use crate::hub::Hub;
use crate::outbox::{Earlier, Intake};
use crate::platform::bus::{Bus, Description, StringsToRead};
use crate::spool::plan::{Facts, Fate, When, plan};
use crate::spool::{Claims, Record, Settled};
use crate::threads;

/// Tells what records say.
pub struct Alone {
    announcer: Announcer,
    bus: Bus,
    boot_id: String,
    known: Settled,
}

impl Alone {
    /// Goes on where an earlier run has ended.
    pub fn new(
        hub: Hub,
        intake: Arc<Intake>,
        earlier: Earlier,
        filters: Arc<Filters>,
        boot_id: String,
    ) -> Self {
        let known = earlier.settled().clone();
        let bus = Bus::open(false, false, |_| ());
        Self { announcer: Announcer::new(hub, intake, earlier, filters), bus, boot_id, known }
    }

    /// Whether this record has been dealt with.
    pub fn knows(&self, seqnum: u64) -> bool {
        self.known.contains(seqnum)
    }

    /// Tells what these records say, in their order.
    pub fn take(&mut self, records: &[Record]) {
        if records.is_empty() {
            return;
        }
        // No attachment outlives its boot.
        self.announcer.end_absent(|_| EarlierFate::Unknown, false);
        let attached = self.announcer.attached_names();
        let bus = &self.bus;
        let facts = Facts { boot_id: &self.boot_id, attached, present: &|name| bus.address(name) };
        let fates = plan(records, When::Alone, &mut Claims::default(), facts);
        for (record, fate) in records.iter().zip(fates) {
            self.known.insert(record.seqnum, record.seqnum);
            if fate == Fate::Tell {
                self.tell(record);
            } else {
                self.announcer.settle(Some(record.seqnum));
            }
        }
        // What brought no event is to be stored as well.
        self.announcer.store_settled();
    }

    fn tell(&mut self, record: &Record) {
        let cause = Cause {
            backend: Backend::UdevHelper,
            synthetic: None,
            observed: Moment { ms: record.timestamp_ms.min(clock::now_ms()), at: Instant::now() },
            libusb_alive: false,
            seqnum: Some(record.seqnum),
        };
        let key = Key::Kernel(record.name().to_owned());
        match record.action {
            Action::Attach => {
                self.announcer.leave(&key, record.address, cause);
                let device = self.describe(record);
                self.announcer.attach(&key, device, cause);
            }
            Action::Detach if self.announcer.end_left(record.name(), record.address, cause) => {}
            Action::Detach => {
                let told = self.announcer.is_attached(&key);
                if told {
                    self.announcer.detach(&key, cause);
                } else {
                    // It came before anybody wrote that down; who it was udev still knew.
                    let device = record.device(self.bus.bus_path(&record.devpath));
                    self.announcer.detach_unknown(&key, device, cause);
                }
            }
        }
    }

    fn describe(&mut self, record: &Record) -> Device {
        let described = self.bus.describe_name(record.name(), record.address);
        let written = || record.device(self.bus.bus_path(&record.devpath));
        match described {
            None => written(),
            Some(Description::Whole(device)) => device,
            Some(Description::WithoutStrings(strings)) => {
                let (without, written) = (strings.without(), written());
                read(strings).unwrap_or(Device {
                    manufacturer: written.manufacturer,
                    product: written.product,
                    serial_number: written.serial_number,
                    ..without
                })
            }
        }
    }
}

/// Strings, unless a driver keeps the device's lock for too long: the thread is left to itself then.
fn read(strings: StringsToRead) -> Option<Device> {
    let (done, result) = channel();
    threads::spawn("aw-strings", move || {
        // Nobody waits any more where it has taken too long.
        let _ = done.send(strings.read());
    })
    .ok()?;
    result.recv_timeout(PATIENCE).ok()
}
