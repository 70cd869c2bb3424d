//! The buses as sysfs shows them: at once, whenever somebody looks.

use std::path::Path;
use std::time::Duration;

use crate::device::{Address, Device};
use crate::error::{Code, Error};
use crate::kernel_log::{KernelLog, LOG};
use crate::platform::{Entry, Hardware, Taken};
use crate::source::name;
use crate::source::netlink::Uevent;
pub(crate) use crate::sysfs::{Description, StringsToRead};
use crate::sysfs::{Sysfs, number};

const SYSFS: &str = "/sys";

/// The source that asks for a snapshot where nothing better is heard.
pub(crate) const HINTS: &str = name::INOTIFY;
/// What the snapshot does.
pub(crate) const COMPARES: &str = "compares with sysfs";
/// How long the announcement of what is present at start waits for a listing: there is one already.
pub(crate) const FIRST_LISTING: Duration = Duration::ZERO;

/// What comes by itself: nothing.
#[derive(Debug)]
pub(crate) enum News {}

/// The machine's buses.
pub(crate) struct Bus {
    sysfs: Sysfs,
    /// Where this process may read it.
    log: Option<KernelLog>,
}

impl Bus {
    /// Looks at /sys, and where `reads_log` at the kernel's log, if it may. Nothing is ever told: whoever wants to know looks.
    pub(crate) fn open(_: bool, reads_log: bool, _: impl Fn(News) + Send + 'static) -> Self {
        let log = reads_log.then(KernelLog::open).and_then(|log| {
            match &log {
                Ok(_) => tracing::info!(path = LOG, "strings of devices are read from the kernel's log"),
                Err(error) => tracing::debug!(%error, path = LOG, "not read: strings are waited for"),
            }
            log.ok()
        });
        Self { sysfs: Sysfs::new(SYSFS), log }
    }

    /// The number of the last uevent that the kernel has sent.
    pub(crate) fn last_uevent(&self) -> Option<u64> {
        number(self.sysfs.root(), "kernel/uevent_seqnum")
    }

    /// Whether it has been found what is connected.
    #[expect(clippy::unused_self, reason = "other systems have to be waited for")]
    pub(crate) fn has_listed(&self) -> bool {
        true
    }

    /// What is connected now. See [`Sysfs::scan`].
    ///
    /// # Errors
    /// A sentence, where that cannot be listed.
    pub(crate) fn scan(
        &mut self,
        known: impl FnMut(&str, u64) -> bool,
    ) -> Result<Option<Vec<Entry>>, String> {
        if let Some(log) = &mut self.log {
            log.catch_up();
        }
        let listed = self.sysfs.scan(known);
        listed.map(Some).map_err(|error| format!("{}: {error}", self.sysfs.root().display()))
    }

    #[expect(
        clippy::unused_self,
        clippy::needless_pass_by_value,
        reason = "other systems have something to tell"
    )]
    pub(crate) fn take(&mut self, news: News) -> Taken {
        match news {}
    }

    /// Describes the device that a uevent named.
    #[expect(clippy::unnecessary_wraps, reason = "other systems have no uevents")]
    pub(crate) fn describe_uevent(&mut self, uevent: &Uevent) -> Option<Description> {
        let described = self.sysfs.describe_uevent(uevent);
        Some(self.with_strings(described))
    }

    /// Describes the device that a listing showed. None where it has gone.
    pub(crate) fn describe_name(&mut self, name: &str, address: Address) -> Option<Description> {
        let described = self.sysfs.describe_name(name, address)?;
        Some(self.with_strings(described))
    }

    /// What the kernel's log tells of it need not be waited for.
    fn with_strings(&mut self, described: Description) -> Description {
        match (described, &mut self.log) {
            (Description::WithoutStrings(strings), Some(log)) => strings.told_by(log),
            (described, _) => described,
        }
    }

    /// Bus and address of the device that is called `name` now.
    pub(crate) fn address(&self, name: &str) -> Option<Address> {
        self.sysfs.address(name)
    }

    /// What outlives a boot of the bus on which this path of the kernel's ends.
    pub(crate) fn bus_path(&self, devpath: &str) -> Option<String> {
        self.sysfs.bus_path(devpath)
    }

    /// What tells the device that is called `name` now from every other one of this boot.
    pub(crate) fn instance(&self, name: &str) -> Option<u64> {
        self.sysfs.inode(name)
    }
}

/// Which drivers have devices.
pub(crate) struct Drivers(Sysfs);

impl Drivers {
    pub(crate) fn new() -> Self {
        Self(Sysfs::new(SYSFS))
    }

    /// Those of this device's interfaces, each once.
    pub(crate) fn of(&self, name: &str) -> Vec<String> {
        self.0.drivers(name)
    }
}

/// What an event does not tell of this device. `hub` is what it hangs on, where that is known.
pub(crate) fn hardware(device: &Device, hub: Option<&Device>) -> Hardware {
    Sysfs::new(SYSFS).hardware(device, hub)
}

/// What is connected at one moment.
pub(crate) struct Listing {
    sysfs: Sysfs,
    /// Names and descriptions.
    pub(crate) devices: Vec<(String, Description)>,
}

impl Listing {
    /// # Errors
    /// `ERR_USB_SYSTEM` where there is a USB bus and it cannot be listed.
    pub(crate) fn now() -> Result<Self, Error> {
        Self::of(Path::new(SYSFS))
    }

    pub(crate) fn of(root: &Path) -> Result<Self, Error> {
        let sysfs = Sysfs::new(root);
        let entries = sysfs.scan(|_, _| false).map_err(|error| {
            let links = root.join("bus/usb/devices");
            Error::new(Code::System, format!("{} cannot be listed: {error}", links.display()))
        })?;
        let described = entries.into_iter().filter_map(|entry| {
            let description = sysfs.describe_name(&entry.name, entry.address?)?;
            Some((entry.name, description))
        });
        let devices = described.collect();
        Ok(Self { sysfs, devices })
    }

    /// The drivers of this device's interfaces, each once.
    pub(crate) fn drivers(&self, name: &str) -> Vec<String> {
        self.sysfs.drivers(name)
    }
}
