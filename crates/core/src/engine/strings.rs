//! Devices whose strings have to be waited for.
//!
//! A string that is there comes back at once and nothing changes its place in the order of events. One that has to be
//! waited for comes later, and the engine goes on meanwhile; after [`PATIENCE`] the device is told without it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::announcer::Cause;
use super::crew::{Answer, Desk};
use crate::device::{Address, Device};
use crate::platform::bus::StringsToRead;

/// How long a device's attach waits for its strings. Drivers that talk to their device while they probe take some ten
/// milliseconds; one that hangs must not keep its device from being told.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);

/// A device whose strings have not come at once.
struct Awaited {
    without: Device,
    cause: Cause,
    answer: Answer,
    until: Instant,
}

impl Awaited {
    /// The device, if its strings have come.
    fn whole(&mut self) -> Option<Device> {
        match &mut self.answer {
            Answer::Read(device) => Some(device.clone()),
            Answer::Later(result) => result.try_recv().ok(),
            Answer::Busy(_) => None,
        }
    }
}

/// The devices that wait.
pub(super) struct Strings {
    desk: Desk,
    awaited: HashMap<String, Awaited>,
}

impl Strings {
    pub(super) fn new(desk: Desk) -> Self {
        Self { desk, awaited: HashMap::new() }
    }

    /// Reads the strings of the device called `name`. None where they have to be waited for.
    pub(super) async fn read(&mut self, name: &str, strings: StringsToRead, cause: Cause) -> Option<Device> {
        let without = strings.without();
        match self.desk.read(strings).await {
            Answer::Read(device) => Some(device),
            answer => {
                let until = Instant::now() + PATIENCE;
                self.awaited.insert(name.to_owned(), Awaited { without, cause, answer, until });
                None
            }
        }
    }

    /// A thread has come back: what nobody was free for is read, as far as that goes.
    pub(super) async fn read_put_off(&mut self) {
        let is_put_off = |(_, awaited): &(&String, &Awaited)| matches!(awaited.answer, Answer::Busy(_));
        let put_off = self.awaited.iter().filter(is_put_off);
        let mut names: Vec<_> = put_off.map(|(name, awaited)| (awaited.until, name.clone())).collect();
        names.sort();
        for (_, name) in names {
            match self.awaited.remove(&name) {
                Some(Awaited { answer: Answer::Busy(strings), without, cause, until }) => {
                    let answer = self.desk.read(strings).await;
                    let is_busy = matches!(answer, Answer::Busy(_));
                    self.awaited.insert(name, Awaited { without, cause, answer, until });
                    if is_busy {
                        return;
                    }
                }
                // Nobody else takes them meanwhile.
                _ => return,
            }
        }
    }

    /// Whether a device with this address is being waited for.
    pub(super) fn awaits(&self, address: Address) -> bool {
        self.awaited.values().any(|awaited| awaited.without.address == address)
    }

    /// What was known at once of the device called `name`, if it is being waited for.
    pub(super) fn awaited(&self, name: &str) -> Option<&Device> {
        self.awaited.get(name).map(|awaited| &awaited.without)
    }

    /// The device called `name`, with what is known of it by now, if it is being waited for.
    pub(super) fn take(&mut self, name: &str) -> Option<(Device, Cause)> {
        let mut awaited = self.awaited.remove(name)?;
        Some((awaited.whole().unwrap_or(awaited.without), awaited.cause))
    }

    /// The hubs above the device called `name` that are being waited for, from the root hub outward.
    pub(super) fn take_above(&mut self, name: &str) -> Vec<(String, Device, Cause)> {
        if self.awaited.is_empty() {
            return Vec::new();
        }
        hubs_above(name)
            .into_iter()
            .filter_map(|hub| self.take(&hub).map(|(device, cause)| (hub, device, cause)))
            .collect()
    }

    /// Devices whose strings have come, or have been waited for long enough, in the order in which the devices came.
    pub(super) fn take_ready(&mut self, now: Instant) -> Vec<(String, Device, Cause)> {
        let mut ready = Vec::new();
        self.awaited.retain(|name, awaited| {
            let device = match awaited.whole() {
                Some(device) => device,
                None if now >= awaited.until => awaited.without.clone(),
                None => return true,
            };
            ready.push((awaited.until, name.clone(), device, awaited.cause));
            false
        });
        ready.sort_by_key(|(until, ..)| *until);
        ready.into_iter().map(|(_, name, device, cause)| (name, device, cause)).collect()
    }

    /// All devices that are being waited for, with what is known of them by now.
    pub(super) fn take_all(&mut self) -> Vec<(String, Device, Cause)> {
        self.take_ready(Instant::now() + PATIENCE)
    }

    /// When the next device will have been waited for long enough.
    pub(super) fn next(&self) -> Option<Instant> {
        self.awaited.values().map(|awaited| awaited.until).min()
    }
}

/// Names of the hubs between the bus and the device called `name`: `usb1` and `1-4` for `1-4.2`.
fn hubs_above(name: &str) -> Vec<String> {
    let Some((bus, ports)) = name.split_once('-') else { return Vec::new() };
    let hubs = ports.match_indices('.').map(|(dot, _)| format!("{bus}-{}", &ports[..dot]));
    std::iter::once(format!("usb{bus}")).chain(hubs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hubs_are_named_from_the_root_outward() {
        assert_eq!(hubs_above("1-4.2.3"), ["usb1", "1-4", "1-4.2"]);
        assert_eq!(hubs_above("12-1"), ["usb12"]);
        assert!(hubs_above("usb1").is_empty());
    }
}
