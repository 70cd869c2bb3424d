//! What was sent: the truth that tests compare a daemon's events with.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::attachment::Attachment;
use crate::uevent::Action;

/// Every `add` and `remove` of a `usb_device`, in the order sent.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    places: Vec<Place>,
    place_by_name: HashMap<String, u32>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Place {
    name: String,
    devpath: String,
    bus: u8,
}

#[derive(Debug)]
struct Entry {
    at_ns: u64,
    place: u32,
    pair: Option<u32>,
    action: Action,
    address: u8,
}

impl Ledger {
    /// Notes a uevent that is about to be sent.
    pub(crate) fn note(&mut self, attachment: &Attachment, action: Action, pair: Option<u32>) -> u64 {
        let at_ns = monotonic_ns();
        if matches!(action, Action::Add | Action::Remove) {
            let place = self.place(attachment);
            self.entries.push(Entry { at_ns, place, pair, action, address: attachment.address });
        }
        at_ns
    }

    /// The entries from number `since` on, as rows: 40,000 objects would be five times as long.
    pub(crate) fn rows(&self, since: usize) -> Value {
        let rows: Vec<Value> = self
            .entries
            .iter()
            .skip(since)
            .map(|entry| {
                let place = &self.places[entry.place as usize];
                json!([
                    entry.action,
                    place.name,
                    place.devpath,
                    place.bus,
                    entry.address,
                    entry.at_ns,
                    entry.pair
                ])
            })
            .collect();
        json!({
            "fields": ["action", "name", "devpath", "busnum", "devnum", "monotonic_ns", "pair"],
            "next": self.entries.len(),
            "rows": rows,
        })
    }

    fn place(&mut self, attachment: &Attachment) -> u32 {
        let name = attachment.name.to_string();
        if let Some(&place) = self.place_by_name.get(&name) {
            return place;
        }
        let place = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(Place {
            name: name.clone(),
            devpath: attachment.devpath.clone(),
            bus: attachment.name.bus(),
        });
        self.place_by_name.insert(name, place);
        place
    }
}

/// `CLOCK_MONOTONIC`: the clock of `process.hrtime` and of every other process here.
pub(crate) fn monotonic_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
