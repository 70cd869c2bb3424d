//! What a listing of devices consists of, and what a closer look at one may find, whatever the system.

use crate::device::{Address, Device, InterfaceClass};

/// A device that a listing shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it is, as Linux's kernel says it: `1-4.2`.
    pub(crate) name: String,
    /// Tells a device from its successor in the same place: on Linux the inode of its link, which sysfs gives but once.
    pub(crate) mark: u64,
    /// Bus and address; None where the caller already knows this name with this mark, or they cannot be read now.
    pub(crate) address: Option<Address>,
}

/// A device of which all is known that needs no waiting.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "both hold a device")]
pub(crate) enum Description<S> {
    /// All is known.
    Whole(Device),
    /// It has strings, which are still to be read.
    WithoutStrings(S),
}

/// What a policy may ask for and an event does not tell; None is unknown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Hardware {
    /// USBGuard's, of the device and of what it hangs on.
    pub(crate) hash: Option<String>,
    pub(crate) parent_hash: Option<String>,
    /// The port's: `hotplug`, `hardwired`.
    pub(crate) connect_type: Option<String>,
    /// Those of all interface descriptors, as often as they are there.
    pub(crate) interfaces: Option<Vec<InterfaceClass>>,
}

/// What follows from what a bus tells by itself.
#[derive(Debug, PartialEq, Eq)]
#[cfg_attr(target_os = "linux", allow(dead_code, reason = "sysfs tells nothing by itself"))]
pub(crate) enum Taken {
    /// A listing is there, and has to be looked at before anything else is.
    Listing,
    /// A device has come, and is there.
    Sighting(Entry),
    /// Whether it can be heard what comes and goes; if not, why.
    Watching(Result<(), String>),
}
