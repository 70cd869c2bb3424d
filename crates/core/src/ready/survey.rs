//! What readiness has to go by here, and which devices this process may not use: asked by the doctor.

use std::path::Path;

use rustix::io::Errno;

use super::judgement::{Expected, judge, used};
use super::readiness::Reason;
use super::socket::ReadySocket;
use super::tree::Tree;
use super::udev::Udev;
use super::watch::{DEV, RUN_UDEV};
use super::watched::{devpath, folder};

/// What there is.
pub(crate) struct Survey {
    /// Whether messages about drivers and udev can be heard.
    pub(crate) hears: Result<(), Errno>,
    pub(crate) has_udev: bool,
}

/// A device of whose nodes this process may open none.
pub(crate) struct ShutOut {
    /// What the kernel calls it.
    pub(crate) device: String,
    /// A sentence that names the nodes, and whose they are.
    pub(crate) detail: String,
    /// There are none of these nodes.
    pub(crate) is_absent: bool,
}

impl Survey {
    pub(crate) fn now() -> Self {
        Self { hears: ReadySocket::open().map(drop), has_udev: Udev::new(RUN_UDEV).is_running() }
    }
}

/// Those of these devices that this process may not use. May wait for a driver that hangs.
pub(crate) fn shut_out(devices: impl Iterator<Item = String>) -> Vec<ShutOut> {
    let udev = Udev::new(RUN_UDEV);
    let look = |device: String| {
        let tree = Tree::read(&folder(&devpath(&device)?));
        let judgement = judge(&tree, Expected { is_done: true, driver: false }, &udev, Path::new(DEV));
        let mut obstacles = judgement.obstacles.into_iter();
        let obstacle = obstacles.find(|obstacle| obstacle.reason == Reason::NoPermission)?;
        let is_absent = used(&judgement.nodes).iter().all(|node| node.rights.is_none());
        Some(ShutOut { device, detail: obstacle.detail, is_absent })
    };
    devices.filter_map(look).collect()
}
