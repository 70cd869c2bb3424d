//! The thread `aw-ready`: hears what becomes of devices that have come, and says when they may be used.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::awaited::Listening;
use super::desk::Desk;
use super::judgement::{Expected, Judgement, judge, unstored};
use super::kept::Kept;
use super::message::Sender;
use super::socket::{ReadySocket, Received};
use super::tree::{self, Tree};
use super::udev::{Rest, Udev};
use super::watched::{Watched, devpath, folder, is_same};
use super::{Awaited, News, ReadyConfig, Tell};
use crate::error::{Code, Error};
use crate::platform::thread::stand_back;
use crate::source::netlink::FILTERS_SET_AFTER;
use crate::threads::{self, STANDS_ASIDE};

pub(super) const RUN_UDEV: &str = "/run/udev";
pub(super) const DEV: &str = "/dev";

/// The engine's side: dropped, it ends the thread and joins it.
pub struct ReadyWatch {
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

impl ReadyWatch {
    /// Begins to listen. `tell` is called on a thread of its own.
    ///
    /// # Errors
    /// `ERR_USB_SYSTEM` where the process can have no thread or file descriptor more.
    pub fn start(config: ReadyConfig, tell: Tell) -> Result<Self, Error> {
        let failed = |error: io::Error| Error::new(Code::System, format!("no thread for readiness: {error}"));
        let desk = Arc::new(Desk::new(STANDS_ASIDE).map_err(failed)?);
        // Before the first device is looked at: nothing that becomes of it is missed.
        let socket = ReadySocket::open()
            .inspect_err(|error| tracing::info!(%error, "no messages about drivers and udev: sysfs is looked at instead"))
            .ok();
        let watching = Watching::new(config, Arc::clone(&desk), socket, tell);
        let thread = threads::spawn("aw-ready", move || watching.run()).map_err(failed)?;
        Ok(Self { desk, thread: Some(thread) })
    }

    /// Says what has come and gone.
    pub fn send(&self, news: Vec<News>) {
        self.desk.put(news);
    }
}

impl Drop for ReadyWatch {
    fn drop(&mut self) {
        self.desk.close();
        if let Some(thread) = self.thread.take() {
            // It panics nowhere; whoever stops a daemon is not to fail with it.
            let _ = thread.join();
        }
    }
}

struct Watching {
    config: ReadyConfig,
    desk: Arc<Desk>,
    socket: Option<ReadySocket>,
    /// When the kernel is to keep from it what does not matter; None once it does, and where there is none.
    sifted_from: Option<Instant>,
    /// Where udev's file comes and goes that says that it is busy.
    rest: Option<Rest>,
    udev: Udev,
    /// udev has been heard here.
    hears_udev: bool,
    kept: Kept,
    /// When some were lost.
    lost_at: Option<Instant>,
    devices: HashMap<u64, Watched>,
    tell: Tell,
}

impl Watching {
    fn new(config: ReadyConfig, desk: Arc<Desk>, socket: Option<ReadySocket>, tell: Tell) -> Self {
        let udev = Udev::new(RUN_UDEV);
        Self {
            config,
            desk,
            sifted_from: socket.as_ref().map(|_| Instant::now() + FILTERS_SET_AFTER),
            socket,
            rest: None,
            udev,
            hears_udev: false,
            kept: Kept::default(),
            lost_at: None,
            devices: HashMap::new(),
            tell,
        }
    }

    fn run(mut self) {
        // Nobody waits for it as for an event.
        stand_back();
        loop {
            self.drain();
            let Some(news) = self.desk.take() else { return };
            for news in news {
                self.note(news);
            }
            self.look();
            self.sift();
            self.wait();
        }
    }

    /// Has the kernel keep back what does not matter, once it is time for that.
    fn sift(&mut self) {
        if self.sifted_from.take_if(|from| *from <= Instant::now()).is_some()
            && let Some(socket) = &self.socket
        {
            socket.keep_back_others();
        }
    }

    fn note(&mut self, news: News) {
        match news {
            News::Came(awaited) => self.begin(awaited),
            News::Left { instance } => {
                self.devices.remove(&instance);
            }
        }
        if self.devices.is_empty() {
            self.rest = None;
        } else if self.rest.is_none() {
            self.rest = self.udev.watch_rest();
        }
    }

    fn begin(&mut self, awaited: Awaited) {
        // What has left already gets its detach.
        let Some(devpath) = devpath(&awaited.name) else { return };
        // What was said of the one that has its place now is that one's.
        if !is_same(&awaited, &folder(&devpath)) {
            return;
        }
        let now = Instant::now();
        let lost_at = self.lost_at.max(self.kept.lost_at());
        let has_lost = lost_at.is_some_and(|at| at >= awaited.since);
        let hears_all = self.socket.is_some() && awaited.is_live && !has_lost;
        let mut listening = Listening::new(devpath, hears_all, now);
        self.kept.give(&mut listening, now);
        let wants_driver = self.config.drivers.gives_driver_to(&awaited.attachment.device);
        let device = Watched::new(awaited, listening, self.config.timeout, wants_driver, now);
        self.devices.insert(device.instance(), device);
    }

    /// Reads what waits, in the order in which it was said.
    fn drain(&mut self) {
        let Some(socket) = &mut self.socket else { return };
        let (mut heard, mut has_lost) = (Vec::new(), false);
        loop {
            match socket.receive() {
                Ok(Received::Heard(message)) => heard.push(message),
                Ok(Received::Other) => {}
                Ok(Received::Empty) => break,
                Ok(Received::Lost) => has_lost = true,
                Err(error) => {
                    tracing::warn!(%error, "messages about drivers and udev are heard no more");
                    self.socket = None;
                    has_lost = true;
                    break;
                }
            }
        }
        let now = Instant::now();
        if has_lost {
            self.lost_at = Some(now);
            tracing::debug!("messages about drivers and udev were lost: sysfs is looked at instead");
            self.devices.values_mut().for_each(|device| device.listening.lose());
        }
        for message in heard {
            self.hears_udev |= message.from == Sender::Udev;
            let is_awaited =
                self.devices.values().any(|device| message.is_within(device.listening.devpath()));
            self.devices.retain(|_, device| device.listening.hear(&message, now));
            if !is_awaited {
                self.kept.keep(message, now);
            }
        }
    }

    fn look(&mut self) {
        let now = Instant::now();
        let has_udev = self.udev.is_running();
        let due: Vec<u64> = self
            .devices
            .iter_mut()
            .filter_map(|(instance, device)| device.is_due(now).then_some(*instance))
            .collect();
        for instance in due {
            let Some(mut device) = self.devices.remove(&instance) else { continue };
            if self.look_at(&mut device, has_udev, now) {
                self.devices.insert(instance, device);
            }
        }
    }

    /// False where it is awaited no longer.
    fn look_at(&self, device: &mut Watched, has_udev: bool, now: Instant) -> bool {
        let Some(folder) = device.folder() else { return false };
        let is_late = device.is_late(now);
        let listening = &mut device.listening;
        let is_whole = |is_long_quiet| tree::is_whole(&folder, is_long_quiet);
        let tree = listening
            .kernel_is_done(is_whole, now)
            .then(|| Tree::read(&folder))
            .filter(|tree| !listening.is_probed(tree.driven.iter().map(String::as_str), now));
        let Some(tree) = tree else {
            if is_late {
                device.is_told = true;
                self.tell(device, Tree::default(), Judgement::of_a_busy_kernel());
            }
            return true;
        };
        let is_at_rest = self.udev.is_at_rest();
        let is_done = !has_udev
            || (listening.udev_is_done(is_at_rest, self.hears_udev, now)
                && unstored(&tree, &self.udev).is_empty());
        if !is_done && !is_late {
            return true;
        }
        let judgement =
            judge(&tree, Expected { is_done, driver: device.wants_driver }, &self.udev, Path::new(DEV));
        let is_ready = judgement.obstacles.is_empty();
        let is_final = judgement.is_final(has_udev) && is_done;
        if is_ready || (!device.is_told && (is_final || is_late)) {
            device.is_told = true;
            self.tell(device, tree, judgement);
        }
        !is_ready
    }

    fn tell(&self, device: &Watched, tree: Tree, judgement: Judgement) {
        (self.tell)(device.instance(), device.readiness(tree, judgement));
    }

    /// Until something is said, or is due. Where nothing is awaited, nobody listens.
    fn wait(&mut self) {
        let now = Instant::now();
        let due = self.devices.values().filter_map(|device| device.next(now));
        let next = due.chain(self.sifted_from).min();
        let timeout = next.map(|next| timespec(next.saturating_duration_since(now)));
        let mut fds = vec![PollFd::new(&self.desk, PollFlags::IN)];
        if !self.devices.is_empty() {
            fds.extend(self.socket.iter().map(|socket| PollFd::new(socket, PollFlags::IN)));
            fds.extend(self.rest.iter().map(|rest| PollFd::new(rest, PollFlags::IN)));
        }
        // An interrupted wait is a look too many.
        let _ = poll(&mut fds, timeout.as_ref());
        // What is said to the desk has waited already. Where only messages have come, more are about to, and it is time for others.
        let is_message = fds[0].revents().is_empty() && fds[1..].iter().any(|fd| !fd.revents().is_empty());
        drop(fds);
        if is_message {
            thread::sleep(STANDS_ASIDE);
        }
        if self.rest.as_ref().is_some_and(Rest::has_changed) {
            self.devices.values_mut().for_each(|device| device.listening.look_again());
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    // A wait that ends a little early would look once for nothing.
    Timespec::try_from(duration + Duration::from_micros(100)).unwrap_or_default()
}
