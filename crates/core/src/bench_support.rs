//! What benchmarks reach of the core's inside. No part of the crate's face: it may change at any time.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::OutboxConfig;
use crate::device::Address;
pub use crate::engine::Announcing;
use crate::event::{Action, Event};
use crate::outbox::{Incoming, Outbox, Taken};
use crate::publisher;
use crate::registry::{Registry, Verdict};
use crate::source::netlink::{Change, Uevent};
#[cfg(target_os = "linux")]
use crate::{device::Device, platform, sysfs::Sysfs};

/// Whether a uevent is an `add` or `remove` of a `usb_device`.
pub fn is_of_device(message: &[u8]) -> bool {
    matches!(Uevent::parse(message), Ok(Some(_)))
}

/// A sysfs, and the uevent of a device in it.
#[cfg(target_os = "linux")]
pub struct Described {
    sysfs: Sysfs,
    uevent: Uevent,
}

#[cfg(target_os = "linux")]
impl Described {
    /// The sysfs at `root`. None where `message` is not a `usb_device`'s.
    pub fn new(root: PathBuf, message: &[u8]) -> Option<Self> {
        Some(Self { sysfs: Sysfs::new(root), uevent: Uevent::parse(message).ok()?? })
    }

    /// The device, its strings included.
    pub fn describe(&self) -> Device {
        match self.sysfs.describe_uevent(&self.uevent) {
            platform::Description::Whole(device) => device,
            platform::Description::WithoutStrings(rest) => rest.read(),
        }
    }
}

/// A registry in which so many devices are connected.
pub struct Connected {
    registry: Registry,
    now: Instant,
}

impl Connected {
    /// `count` devices, told by uevents.
    pub fn new(count: u16) -> Self {
        let now = Instant::now();
        let mut registry = Registry::new(Duration::from_millis(250));
        registry.snapshot(&[], &std::collections::HashSet::new(), now);
        for at in 0..count {
            let (name, address) = place(at);
            registry.uevent(Change::Add, &name, address, now);
        }
        Self { registry, now }
    }

    /// One more comes and goes.
    pub fn pair(&mut self) -> usize {
        let address = Address { bus: 1, device: 5 };
        let mut tell = |change| self.registry.uevent(change, "1-4.2", address, self.now);
        let transitions = |verdict: Verdict| verdict.transitions.len();
        transitions(tell(Change::Add)) + transitions(tell(Change::Remove))
    }
}

/// The name and the address of one of many connected devices: a hundred on a bus, from bus 2 on.
pub(crate) fn place(at: u16) -> (String, Address) {
    let (bus, port) = (2 + at / 100, 1 + at % 100);
    (format!("{bus}-{port}"), Address { bus, device: 1 + port })
}

/// An outbox from which nobody publishes.
pub struct Keeping {
    outbox: Outbox,
}

impl Keeping {
    /// In the file at `path`, or in memory.
    ///
    /// # Panics
    /// Where it cannot be opened.
    pub fn new(path: Option<PathBuf>) -> Self {
        // A benchmark has nobody to tell that its file cannot be used.
        let required = path.is_some();
        let config = OutboxConfig { path, retain: Some(1000), required, ..OutboxConfig::default() };
        let opened = Outbox::open(&config, false, "bench", "boot").expect("an outbox that can be opened");
        Self { outbox: opened.outbox }
    }

    /// Stores these events in one commit; gives how many have been stored. As the engine's thread would, it hands them over with the
    /// name of their attachment.
    pub fn append(&mut self, events: Vec<Arc<Event>>) -> usize {
        let last_seq = self.outbox.series().last_seq + events.len() as u64;
        let incoming = |event| Incoming { key: "1-4.2".to_owned(), event, settles: None };
        let events = events.into_iter().map(incoming).collect();
        self.outbox.append(Taken { events, last_seq, ..Taken::default() });
        self.outbox.take_stored().first.len()
    }
}

/// Number `seq` of a producer: the device comes where that is odd, and goes where it is even.
pub fn renumbered(event: &Event, seq: u64) -> Arc<Event> {
    let action = if seq % 2 == 1 { Action::Attach } else { Action::Detach };
    let journey = crate::Journey::observed_at(Instant::now());
    Arc::new(Event { seq, action, journey, ..event.clone() })
}

/// How many fields the event's entry in the stream has.
pub fn entry_fields(event: &Event) -> usize {
    let mut count = 0;
    publisher::Entries::new("box", None).give(event, |_, _| count += 1);
    count
}
