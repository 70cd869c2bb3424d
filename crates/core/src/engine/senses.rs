//! The engine's senses: every source it listens to, opened, waited on, and tried again where it cannot start.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::setpriority_process;
use rustix::time::Timespec;

use super::inbox::{Inbox, Message};
use crate::hub::Hub;
use crate::notice::SourceState;
use crate::source::devnodes::{DEVICE_NODES, NodeWatch};
use crate::source::libusb::{LibusbSource, Report, Sink};
use crate::source::name;
use crate::source::netlink::{Received, UeventSocket};
use crate::spool::SpoolWatch;
use crate::threads;

/// Added to the niceness of libusb's threads.
const LIBUSB_NICENESS: i32 = 10;

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

/// libusb starts beside the engine: its start reads every device.
enum Libusb {
    Off,
    Starting {
        result: Receiver<Result<LibusbSource, String>>,
        thread: JoinHandle<()>,
    },
    Alive {
        /// Held for its `Drop`, which ends its thread.
        _source: LibusbSource,
    },
    Dead,
}

pub(super) struct Senses {
    config: SenseConfig,
    hub: Hub,
    inbox: Arc<Inbox>,
    /// Opened by whoever has started this process.
    handed_over: Option<UeventSocket>,
    uevents: Option<UeventSocket>,
    nodes: Option<NodeWatch>,
    libusb: Libusb,
    spool: Option<SpoolWatch>,
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
        Self { config, hub, inbox, handed_over, uevents: None, nodes: None, libusb: Libusb::Off, spool: None }
    }

    /// Opens all that can be opened. The uevent socket comes first: what it hears from here on is not missed.
    pub(super) fn open(&mut self) {
        self.open_uevents();
        self.open_nodes();
        self.start_libusb();
    }

    /// Tries again what could not be opened or has failed.
    pub(super) fn retry(&mut self) {
        if self.uevents.is_none() {
            self.open_uevents();
        }
        if self.nodes.is_none() {
            self.open_nodes();
        }
        self.look_at_libusb();
        if matches!(self.libusb, Libusb::Dead) && Path::new(DEVICE_NODES).exists() {
            self.start_libusb();
        }
    }

    pub(super) fn has_uevents(&self) -> bool {
        self.uevents.is_some()
    }

    pub(super) fn close_uevents(&mut self) {
        self.uevents = None;
    }

    pub(super) fn watches_spool(&self) -> bool {
        self.spool.is_some()
    }

    pub(super) fn set_spool_watch(&mut self, watch: Option<SpoolWatch>) {
        self.spool = watch;
    }

    pub(super) fn receive(&mut self) -> Result<Received, Errno> {
        self.uevents.as_mut().map_or(Ok(Received::Empty), UeventSocket::receive)
    }

    pub(super) fn libusb_is_alive(&self) -> bool {
        matches!(self.libusb, Libusb::Alive { .. })
    }

    /// Whether something that was asked for could not be opened.
    pub(super) fn lacks_something(&self) -> bool {
        (self.config.netlink && self.uevents.is_none())
            || self.nodes.is_none()
            || matches!(self.libusb, Libusb::Dead)
    }

    /// Waits for a file descriptor or the end of `timeout`.
    pub(super) fn wait(&mut self, timeout: Duration) -> Woken {
        let mut fds = vec![PollFd::new(&*self.inbox, PollFlags::IN)];
        fds.extend(
            self.uevents.as_ref().map(|socket| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)),
        );
        let nodes_at = fds.len();
        fds.extend(self.nodes.as_ref().map(|watch| PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)));
        let spool_at = fds.len();
        fds.extend(self.spool.as_ref().map(|watch| PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)));
        let timeout = Timespec {
            tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // Fails only when a signal interrupts it, which is a reason to look around like any other.
        let _ = poll(&mut fds, Some(&timeout));
        let is_ready = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let nodes_ready = self.nodes.is_some() && is_ready(nodes_at);
        let spool_ready = is_ready(spool_at);
        drop(fds);
        if spool_ready && !self.spool.as_ref().is_some_and(SpoolWatch::stands) {
            self.spool = None;
        }
        Woken { nodes: nodes_ready && self.take_node_changes(), spool: spool_ready }
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

    fn start_libusb(&mut self) {
        if !self.config.libusb {
            self.hub.tell_source(name::LIBUSB, SourceState::Off, "switched off by configuration");
            return;
        }
        let inbox = Arc::clone(&self.inbox);
        let sink: Sink = Arc::new(move |report: Report| inbox.send(Message::Libusb(report, Instant::now())));
        let (tell, result) = channel();
        let inbox = Arc::clone(&self.inbox);
        let started = threads::spawn("aw-libusb-start", move || {
            // libusb only confirms: its threads, which inherit this, must not come before what decides and what listens.
            // On Linux this is the calling thread's; where it is refused, they are merely as eager as everybody.
            let _ = setpriority_process(None, LIBUSB_NICENESS);
            // The engine may have gone meanwhile; what was started is then dropped here.
            let _ = tell.send(LibusbSource::start(&sink));
            inbox.send(Message::LibusbStarted);
        });
        match started {
            Ok(thread) => self.libusb = Libusb::Starting { result, thread },
            Err(error) => self.libusb_cannot_start(&format!("no thread for libusb: {error}")),
        }
    }

    /// Gives libusb so long to say whether it is alive.
    pub(super) fn await_libusb(&mut self, patience: Duration) {
        if let Libusb::Starting { result, .. } = &self.libusb
            && let Ok(outcome) = result.recv_timeout(patience)
        {
            self.libusb_started(outcome);
        }
    }

    /// Takes in whether libusb has started, if it has said so.
    pub(super) fn look_at_libusb(&mut self) {
        if let Libusb::Starting { result, .. } = &self.libusb {
            match result.try_recv() {
                Ok(outcome) => self.libusb_started(outcome),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => {
                    self.libusb_cannot_start("libusb panicked while it started");
                }
            }
        }
    }

    fn libusb_started(&mut self, outcome: Result<LibusbSource, String>) {
        match outcome {
            Ok(source) => {
                self.replace_libusb(Libusb::Alive { _source: source });
                self.hub.tell_source(name::LIBUSB, SourceState::Up, "hotplug callbacks registered");
            }
            Err(reason) => self.libusb_cannot_start(&reason),
        }
    }

    fn libusb_cannot_start(&mut self, reason: &str) {
        self.replace_libusb(Libusb::Dead);
        self.hub.tell_source(name::LIBUSB, SourceState::Unavailable, reason);
    }

    pub(super) fn libusb_failed(&mut self, error: rusb::Error) {
        self.replace_libusb(Libusb::Dead);
        self.hub.tell_source(name::LIBUSB, SourceState::Failed, format!("event handling failed: {error}"));
    }

    fn replace_libusb(&mut self, next: Libusb) {
        if let Libusb::Starting { thread, .. } = std::mem::replace(&mut self.libusb, next)
            && thread.join().is_err()
        {
            tracing::error!(source = name::LIBUSB, "start panicked");
        }
    }
}

impl Drop for Senses {
    fn drop(&mut self) {
        self.replace_libusb(Libusb::Off);
    }
}
