//! The engine's senses: every source it listens to, opened, waited on, and tried again where it cannot start.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::inbox::Inbox;
use super::libusb_sense::LibusbSense;
use crate::hub::Hub;
use crate::notice::SourceState;
use crate::source::devnodes::{DEVICE_NODES, NodeWatch};
use crate::source::name;
use crate::source::netlink::{Received, UeventSocket};
use crate::spool::SpoolWatch;

/// So many waits at most are between two looks at a watch that nobody asks.
const NOW_AND_THEN: u32 = 64;

/// Which sources to listen to.
#[derive(Clone, Debug)]
pub struct SenseConfig {
    /// The kernel's uevents.
    pub netlink: bool,
    /// Receive buffer of the uevent socket in bytes; as large as allowed where absent.
    pub receive_buffer: Option<usize>,
    /// libusb hotplug.
    pub libusb: bool,
}

pub(super) struct Senses {
    config: SenseConfig,
    hub: Hub,
    inbox: Arc<Inbox>,
    /// Opened by whoever has started this process.
    handed_over: Option<UeventSocket>,
    uevents: Option<UeventSocket>,
    nodes: Option<NodeWatch>,
    libusb: LibusbSense,
    spool: Option<SpoolWatch>,
    /// Since the watch of device nodes was looked at.
    waits: u32,
}

/// What has ended a wait, beside a message and a uevent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Woken {
    /// Device nodes came or went.
    pub(super) nodes: bool,
    /// The helper of udev has written something down.
    pub(super) spool: bool,
}

impl Senses {
    pub(super) fn new(
        config: SenseConfig,
        hub: Hub,
        inbox: Arc<Inbox>,
        handed_over: Option<UeventSocket>,
    ) -> Self {
        let libusb = LibusbSense::new(config.libusb, hub.clone(), Arc::clone(&inbox));
        Self { config, hub, inbox, handed_over, uevents: None, nodes: None, libusb, spool: None, waits: 0 }
    }

    /// Opens all that can be opened. The uevent socket comes first: what it hears from here on is not missed.
    pub(super) fn open(&mut self) {
        self.open_uevents();
        self.open_nodes();
        self.libusb.start();
    }

    /// Tries again what could not be opened or has failed.
    pub(super) fn retry(&mut self) {
        if self.uevents.is_none() {
            self.open_uevents();
        }
        if self.nodes.is_none() {
            self.open_nodes();
        }
        self.libusb.look();
        if self.libusb.is_dead() && Path::new(DEVICE_NODES).exists() {
            self.libusb.start();
        }
    }

    pub(super) fn has_uevents(&self) -> bool {
        self.uevents.is_some()
    }

    pub(super) fn close_uevents(&mut self) {
        self.uevents = None;
    }

    /// Has records that come end a wait, where the folder is there.
    pub(super) fn watch_spool(&mut self, path: &Path) {
        if self.spool.is_none() {
            self.spool = SpoolWatch::open(path).ok();
        }
    }

    pub(super) fn forget_spool(&mut self) {
        self.spool = None;
    }

    pub(super) fn receive(&mut self) -> Result<Received, Errno> {
        self.uevents.as_mut().map_or(Ok(Received::Empty), UeventSocket::receive)
    }

    pub(super) fn libusb(&mut self) -> &mut LibusbSense {
        &mut self.libusb
    }

    pub(super) fn libusb_is_alive(&self) -> bool {
        self.libusb.is_alive()
    }

    /// Whether something that was asked for could not be opened.
    pub(super) fn lacks_something(&self) -> bool {
        (self.config.netlink && self.uevents.is_none()) || self.nodes.is_none() || self.libusb.is_dead()
    }

    /// Waits for a file descriptor or the end of `timeout`; for device nodes where they matter, which they do not once uevents are heard:
    /// the kernel makes a node just before its uevent, and whoever is awake for the node is late for that.
    pub(super) fn wait(&mut self, timeout: Duration, nodes_matter: bool) -> Woken {
        if self.libusb.has_come_up() && self.uevents.as_mut().is_some_and(UeventSocket::go_first) {
            return Woken::default();
        }
        let watched = self.nodes.as_ref().filter(|_| nodes_matter);
        let mut fds = vec![PollFd::new(self.inbox.bell(), PollFlags::IN)];
        fds.extend(
            self.uevents.as_ref().map(|socket| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)),
        );
        let nodes_at = fds.len();
        fds.extend(watched.map(|watch| PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)));
        let spool_at = fds.len();
        fds.extend(self.spool.as_ref().map(|watch| PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)));
        // What is too long for the kernel's clock has no end.
        let timeout = Timespec::try_from(timeout).ok();
        // Fails only when a signal interrupts it, which is a reason to look around like any other.
        let woken_by = poll(&mut fds, timeout.as_ref());
        let is_ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let nodes_ready = watched.is_some() && is_ready(nodes_at);
        let spool_ready = is_ready(spool_at);
        drop(fds);
        if spool_ready && !self.spool.as_ref().is_some_and(SpoolWatch::stands) {
            self.spool = None;
        }
        if !nodes_matter {
            self.pass_over_node_changes(woken_by == Ok(0));
        }
        Woken { nodes: nodes_ready && self.take_node_changes(), spool: spool_ready }
    }

    /// What the kernel keeps for the watch stays small, and where its folder has gone that is seen: when there is nothing else to do, and
    /// now and then where there always is.
    fn pass_over_node_changes(&mut self, is_idle: bool) {
        self.waits += 1;
        if is_idle || self.waits >= NOW_AND_THEN {
            self.waits = 0;
            self.take_node_changes();
        }
    }

    fn take_node_changes(&mut self) -> bool {
        match self.nodes.as_ref().map(NodeWatch::changed) {
            None => false,
            Some(Ok(changed)) => changed,
            Some(Err(error)) => {
                self.nodes = None;
                self.hub.tell_source(
                    name::INOTIFY,
                    SourceState::Unavailable,
                    format!("{DEVICE_NODES}: {error}"),
                );
                true
            }
        }
    }

    fn open_uevents(&mut self) {
        let handed_over = self.handed_over.take();
        if !self.config.netlink {
            self.hub.tell_source(name::NETLINK, SourceState::Off, "switched off by configuration");
            return;
        }
        match handed_over.map_or_else(|| UeventSocket::open(self.config.receive_buffer), Ok) {
            Ok(socket) => {
                self.uevents = Some(socket);
                self.tell_uevents(false);
            }
            Err(error) => self.hub.tell_source(
                name::NETLINK,
                SourceState::Unavailable,
                format!("the uevent socket cannot be opened: {error}"),
            ),
        }
    }

    /// Tells whether the open uevent socket is heard from or proven deaf.
    pub(super) fn tell_uevents(&self, deaf: bool) {
        let Some(socket) = &self.uevents else { return };
        if deaf {
            let reason = "a snapshot found what no uevent had told: this network namespace gets none, snapshots decide";
            self.hub.tell_source(name::NETLINK, SourceState::Deaf, reason);
        } else {
            let whose = if socket.is_handed_over() { "handed over at start, " } else { "" };
            let reason = format!("{whose}receive buffer {} bytes", socket.receive_buffer());
            self.hub.tell_source(name::NETLINK, SourceState::Up, reason);
        }
    }

    fn open_nodes(&mut self) {
        match NodeWatch::open(Path::new(DEVICE_NODES)) {
            Ok(watch) => {
                self.nodes = Some(watch);
                self.hub.tell_source(name::INOTIFY, SourceState::Up, format!("watches {DEVICE_NODES}"));
            }
            Err(error) => {
                self.hub.tell_source(
                    name::INOTIFY,
                    SourceState::Unavailable,
                    format!("{DEVICE_NODES}: {error}"),
                );
            }
        }
    }
}
