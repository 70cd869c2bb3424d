//! The engine's senses where there are no uevents: libusb, and the inbox, into which the lister speaks.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;

use super::inbox::Inbox;
use super::libusb_sense::LibusbSense;
use super::watch::{Watch, Woken};
use crate::hub::Hub;
use crate::notice::SourceState;
use crate::source::name;
use crate::source::netlink::{Received, UeventSocket};

/// Which sources to listen to.
#[derive(Clone, Debug)]
pub struct SenseConfig {
    /// The kernel's uevents, which only Linux has.
    pub netlink: bool,
    /// Nothing here has a receive buffer.
    #[expect(dead_code, reason = "only Linux has uevents")]
    pub receive_buffer: Option<usize>,
    /// libusb hotplug.
    pub libusb: bool,
}

pub(super) struct Senses {
    config: SenseConfig,
    hub: Hub,
    libusb: LibusbSense,
}

/// What a rest has brought beside messages and uevents: neither of these is here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News {
    pub(super) nodes: bool,
    pub(super) spool: bool,
}

#[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the face of Linux's senses")]
impl Senses {
    pub(super) fn new(
        config: SenseConfig,
        hub: Hub,
        inbox: Arc<Inbox>,
        _: Arc<Watch>,
        _: Option<UeventSocket>,
    ) -> Self {
        let libusb = LibusbSense::new(config.libusb, hub.clone(), inbox);
        Self { config, hub, libusb }
    }

    pub(super) fn open(&mut self) {
        let (state, reason) = match self.config.netlink {
            true => (SourceState::Unavailable, "only Linux has uevents"),
            false => (SourceState::Off, "switched off by configuration"),
        };
        self.hub.tell_source(name::NETLINK, state, reason);
        self.libusb.start();
    }

    /// Tries again what has failed.
    pub(super) fn retry(&mut self) {
        self.libusb.look();
        if self.lacks_something() {
            self.libusb.start();
        }
    }

    pub(super) fn has_uevents(&self) -> bool {
        false
    }

    pub(super) fn close_uevents(&mut self) {}

    pub(super) fn receive(&mut self) -> Result<Received, Errno> {
        Ok(Received::Empty)
    }

    pub(super) fn libusb(&mut self) -> &mut LibusbSense {
        &mut self.libusb
    }

    /// In Redis, an event of a kernel source without libusb has udev as its source, which is not here: so it always is.
    pub(super) fn libusb_is_alive(&self) -> bool {
        true
    }

    /// Whether something could start that has not. On Windows this libusb never can.
    pub(super) fn lacks_something(&self) -> bool {
        cfg!(not(windows)) && self.libusb.is_dead()
    }

    pub(super) fn watch_spool(&mut self, _: &Path) {}

    pub(super) fn forget_spool(&mut self) {}

    pub(super) fn started(&mut self, _: Instant) {}

    pub(super) fn sift(&mut self, _: Instant) {}

    pub(super) fn sifts_at(&self) -> Option<Instant> {
        None
    }

    /// Nothing is heard but the inbox.
    pub(super) fn settle(&mut self, _: bool) -> bool {
        true
    }

    pub(super) fn look_after(&mut self, _: Woken) -> News {
        News::default()
    }

    pub(super) fn tell_uevents(&self, _: bool) {}
}
