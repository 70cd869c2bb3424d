//! The engine's senses: every source it listens to, opened, waited on, and tried again where it cannot start.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rustix::io::Errno;

use super::inbox::Inbox;
use super::libusb_sense::LibusbSense;
use super::watch::{Watch, Watched, Woken};
use crate::hub::Hub;
use crate::notice::SourceState;
use crate::source::devnodes::{DEVICE_NODES, NodeWatch};
use crate::source::name;
use crate::source::netlink::{FILTERS_SET_AFTER, Received, UeventSocket};
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
    watch: Arc<Watch>,
    /// Opened by whoever has started this process.
    handed_over: Option<UeventSocket>,
    uevents: Option<UeventSocket>,
    /// When the kernel is to keep back from that what is not about USB, where it does not yet. Not before the start is over.
    sifts_from: Option<Instant>,
    nodes: Option<NodeWatch>,
    /// Whether nodes that come and go end a rest.
    nodes_matter: bool,
    libusb: LibusbSense,
    spool: Option<SpoolWatch>,
    /// Since the watch of device nodes was looked at.
    waits: u32,
}

/// What a rest has brought beside messages and uevents.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct News {
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
        watch: Arc<Watch>,
        handed_over: Option<UeventSocket>,
    ) -> Self {
        Self {
            libusb: LibusbSense::new(config.libusb, hub.clone(), inbox),
            config,
            hub,
            watch,
            handed_over,
            uevents: None,
            sifts_from: None,
            nodes: None,
            nodes_matter: true,
            spool: None,
            waits: 0,
        }
    }

    /// Opens all that can be opened. The uevent socket comes first: what it hears from here on is not missed. Then libusb, which takes longest.
    pub(super) fn open(&mut self) {
        self.open_uevents();
        self.libusb.start();
        self.open_nodes();
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
        // One that was handed over somebody else has open, too.
        if let Some(socket) = self.uevents.take() {
            self.watch.remove(&socket);
        }
    }

    /// Has records that come end a wait, where the folder is there.
    pub(super) fn watch_spool(&mut self, path: &Path) {
        if self.spool.is_none() {
            let opened = SpoolWatch::open(path).ok();
            self.spool = opened.filter(|watch| self.watch.add(watch, Watched::Spool).is_ok());
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

    /// The start is over: whatever it did not wait for may be done.
    pub(super) fn started(&mut self, now: Instant) {
        self.sifts_from = Some(now + FILTERS_SET_AFTER);
    }

    /// Has the kernel keep back what is not about USB, once it is time for that.
    pub(super) fn sift(&mut self, now: Instant) {
        if let Some(uevents) = &mut self.uevents
            && self.sifts_from.is_some_and(|from| from <= now)
        {
            uevents.keep_back_others();
        }
    }

    /// When it is time for that.
    pub(super) fn sifts_at(&self) -> Option<Instant> {
        let is_open = self.uevents.as_ref().is_some_and(|uevents| !uevents.is_sifted());
        self.sifts_from.filter(|_| is_open)
    }

    /// Makes ready for a rest. False where there is something to be heard already. Device nodes end it where they matter, which they do not
    /// once uevents are heard: the kernel makes a node just before its uevent, and whoever is awake for the node is late for that.
    pub(super) fn settle(&mut self, nodes_matter: bool) -> bool {
        if self.libusb.has_come_up() {
            let has_heard = self.uevents.as_mut().is_some_and(UeventSocket::go_first);
            // Before that one: who hears of this tells it to whom it is told in the end.
            if let Some(departures) = self.watch.departures() {
                departures.go_first();
            }
            if has_heard {
                return false;
            }
        }
        if self.nodes_matter != nodes_matter {
            self.nodes_matter = nodes_matter;
            self.heed_nodes();
        }
        true
    }

    /// Taken out altogether: what is watched without being waited for wakes for a moment all the same.
    fn heed_nodes(&mut self) {
        let Some(nodes) = &self.nodes else { return };
        if !self.nodes_matter {
            self.watch.remove(nodes);
        } else if self.watch.add(nodes, Watched::Nodes).is_err() {
            self.nodes = None;
        }
    }

    /// Looks what has ended a rest.
    pub(super) fn look_after(&mut self, woken: Woken) -> News {
        let spool = woken.by(Watched::Spool);
        if spool && !self.spool.as_ref().is_some_and(SpoolWatch::stands) {
            self.spool = None;
        }
        // Of which a guest is to take no note.
        if !self.nodes_matter && woken != Woken::BY_GUEST {
            self.pass_over_node_changes(woken.by_nothing());
        }
        News { nodes: woken.by(Watched::Nodes) && self.take_node_changes(), spool }
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
        let opened = handed_over.map_or_else(|| UeventSocket::open(self.config.receive_buffer), Ok);
        match opened.and_then(|socket| self.watch.add(&socket, Watched::Uevents).map(|()| socket)) {
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
        let opened = NodeWatch::open(Path::new(DEVICE_NODES)).and_then(|watch| {
            if self.nodes_matter {
                self.watch.add(&watch, Watched::Nodes)?;
            }
            Ok(watch)
        });
        match opened {
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
