//! The buses as the lister shows them: asked for, and taken when it comes.

use std::collections::HashMap;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::found::Found;
pub(crate) use super::found::StringsToRead;
pub(crate) use super::lister::News;
use super::lister::{Lister, System};
use super::nusb::Nusb;
use crate::device::{Address, Device};
use crate::error::{Code, Error};
use crate::platform::{self, Entry, Hardware, Taken};
use crate::source::name;
use crate::source::netlink::Uevent;

/// A device of which all is known that needs no waiting.
pub(crate) type Description = platform::Description<StringsToRead>;

/// The source that asks for a snapshot where nothing better is heard.
pub(crate) const HINTS: &str = name::WATCHER;
/// What the snapshot does.
pub(crate) const COMPARES: &str = "compares with what the system lists";
/// How long the announcement of what is present at start waits for a listing.
pub(crate) const FIRST_LISTING: Duration = PATIENCE;
/// How long a listing may take. Windows gives a device five seconds for an answer.
const PATIENCE: Duration = Duration::from_secs(6);

/// The machine's buses.
pub(crate) struct Bus {
    lister: Option<Lister>,
    found: HashMap<String, Found>,
    /// A listing that nobody has looked at.
    fresh: Option<Result<Vec<Entry>, String>>,
    /// The first of the questions that no listing has answered.
    asked: Option<Instant>,
    has_listed: bool,
}

impl Bus {
    /// Begins to list and to hear, and tells what comes of it; or does not, where that `is_wanted` by nobody.
    pub(crate) fn open(is_wanted: bool, _: bool, tell: impl Fn(News) + Send + 'static) -> Self {
        let bus = Self::silent();
        if is_wanted { bus.listen(Nusb::new(), tell) } else { Self { has_listed: true, ..bus } }
    }

    fn silent() -> Self {
        Self { lister: None, found: HashMap::new(), fresh: None, asked: None, has_listed: false }
    }

    fn listen(self, system: impl System, tell: impl Fn(News) + Send + 'static) -> Self {
        match Lister::start(system, tell) {
            // It begins with a listing.
            Ok(lister) => Self { lister: Some(lister), asked: Some(Instant::now()), ..self },
            Err(error) => Self { fresh: Some(Err(format!("no thread to list devices: {error}"))), ..self },
        }
    }

    /// Whether it has been found what is connected.
    pub(crate) fn has_listed(&self) -> bool {
        self.has_listed
    }

    /// The listing that has come, or none yet: then one has been asked for.
    ///
    /// # Errors
    /// A sentence, where none can be had, or it has been waited for too long.
    pub(crate) fn scan(&mut self, _: impl FnMut(&str, u64) -> bool) -> Result<Option<Vec<Entry>>, String> {
        if let Some(fresh) = self.fresh.take() {
            return fresh.map(Some);
        }
        let Some(lister) = &self.lister else { return Err("nothing lists devices".into()) };
        if lister.has_ended() {
            return Err("what lists devices has ended: stop and start the daemon".into());
        }
        let asked = *self.asked.get_or_insert_with(Instant::now);
        if asked.elapsed() >= PATIENCE {
            let waited = asked.elapsed().as_secs();
            return Err(format!("no listing has come for {waited} s: a hub or a device does not answer"));
        }
        lister.ask();
        Ok(None)
    }

    pub(crate) fn take(&mut self, news: News) -> Taken {
        match news {
            News::Watching(watching) => Taken::Watching(watching),
            News::Sighted(found) => {
                let entry = found.entry();
                self.found.insert(entry.name.clone(), *found);
                Taken::Sighting(entry)
            }
            News::Listed(listed) => {
                self.asked = None;
                self.has_listed |= listed.is_ok();
                self.fresh = Some(listed.map(|found| {
                    self.found = found.into_iter().map(|found| (found.name(), found)).collect();
                    self.found.values().map(Found::entry).collect()
                }));
                Taken::Listing
            }
        }
    }

    /// Only Linux has uevents.
    #[expect(clippy::unused_self, reason = "sysfs describes what a uevent names")]
    pub(crate) fn describe_uevent(&mut self, _: &Uevent) -> Option<Description> {
        None
    }

    /// Only Linux has uevents.
    #[expect(clippy::unused_self, reason = "sysfs says it")]
    pub(crate) fn last_uevent(&self) -> Option<u64> {
        None
    }

    /// Paths of the kernel's are Linux's.
    #[expect(clippy::unused_self, reason = "sysfs says what is behind one")]
    pub(crate) fn bus_path(&self, _: &str) -> Option<String> {
        None
    }

    /// Describes the device that a listing showed. None where it has gone.
    pub(crate) fn describe_name(&mut self, name: &str, address: Address) -> Option<Description> {
        let found = self.found.get(name).filter(|found| found.device.address == address)?;
        Some(describe(found))
    }

    /// Bus and address of the device that was called `name` when devices were last listed.
    pub(crate) fn address(&self, name: &str) -> Option<Address> {
        self.found.get(name).map(|found| found.device.address)
    }

    /// What tells the device that is called `name` now from every other one of this boot.
    pub(crate) fn instance(&self, name: &str) -> Option<u64> {
        self.found.get(name)?.device.inode
    }
}

fn describe(found: &Found) -> Description {
    let device = found.device.clone();
    match &found.read {
        Some(read) => Description::WithoutStrings(StringsToRead { device, read: read.clone() }),
        None => Description::Whole(device),
    }
}

/// Which drivers have devices: only a listing says it, which would be too much to ask for each time.
pub(crate) struct Drivers;

impl Drivers {
    pub(crate) fn new() -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "sysfs says it at any time")]
    pub(crate) fn of(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}

/// What an event does not tell of a device: nothing of it is known.
pub(crate) fn hardware(_: &Device, _: Option<&Device>) -> Hardware {
    Hardware::default()
}

/// What is connected at one moment.
pub(crate) struct Listing {
    drivers: HashMap<String, String>,
    /// Names and descriptions.
    pub(crate) devices: Vec<(String, Description)>,
}

impl Listing {
    /// # Errors
    /// `ERR_USB_SYSTEM` where there is no listing to be had in time.
    pub(crate) fn now() -> Result<Self, Error> {
        Self::of(Nusb::new(), PATIENCE)
    }

    fn of(mut system: impl System, patience: Duration) -> Result<Self, Error> {
        let (tell, listed) = channel();
        // Not joined: it may have to wait for a hub.
        let started = crate::threads::spawn("aw-lister", move || {
            let _ = tell.send(system.list());
        });
        let failed = |why: &str| Error::new(Code::System, format!("devices cannot be listed: {why}"));
        started.map_err(|error| failed(&error.to_string()))?;
        let found = match listed.recv_timeout(patience) {
            Ok(listed) => listed.map_err(|error| failed(&error))?,
            Err(RecvTimeoutError::Timeout) => return Err(failed("a hub or a device does not answer")),
            Err(RecvTimeoutError::Disconnected) => return Err(failed("the listing panicked")),
        };
        let drivers = found.iter().filter_map(|found| Some((found.name(), found.driver.clone()?))).collect();
        let devices = found.iter().map(|found| (found.name(), describe(found))).collect();
        Ok(Self { drivers, devices })
    }

    /// The driver of this device, as far as the system says so.
    pub(crate) fn drivers(&self, name: &str) -> Vec<String> {
        self.drivers.get(name).cloned().into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
