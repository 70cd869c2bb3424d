//! What sysfs says: which devices are on the bus, and what each one is. Never opens a device.

mod attribute;
mod describe;
mod folder;
mod hardware;
mod interfaces;
mod scan;
mod strings;
#[cfg(test)]
pub(crate) mod test_tree;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub(crate) use describe::Description;
pub(crate) use folder::{attribute, hex, inode, link_name, number};
pub(crate) use interfaces::{Interface, interfaces};
pub(crate) use strings::StringsToRead;

/// A mounted sysfs.
#[derive(Clone, Debug)]
pub struct Sysfs {
    root: PathBuf,
    /// Bus paths by the root hub's device path: they stay as they are for as long as the controller is there.
    bus_paths: Arc<Mutex<HashMap<String, String>>>,
}

impl Sysfs {
    /// The sysfs at `root`, normally /sys.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), bus_paths: Arc::default() }
    }

    fn bus_links(&self) -> PathBuf {
        self.root.join("bus/usb/devices")
    }

    fn device(&self, devpath: &str) -> PathBuf {
        self.root.join(devpath.trim_start_matches('/'))
    }

    /// Where it is mounted.
    pub fn root(&self) -> &Path {
        &self.root
    }
}
