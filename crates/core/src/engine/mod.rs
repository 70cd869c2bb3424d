//! The engine: one thread at a time hears, decides and announces. It owns the uevent socket and the registry; no event
//! crosses another thread on its way to the subscribers.
//!
//! Order of work, because the kernel's buffer is the one that overflows: drain the socket to EAGAIN into memory,
//! handle one uevent, drain again. Only when nothing waits does it see to messages, snapshots and retries, and only
//! then does it sleep.

mod alone;
mod announcer;
mod announcing;
mod crew;
mod inbox;
mod libusb_sense;
mod messages;
mod missed;
mod running;
mod schedule;
#[cfg_attr(not(target_os = "linux"), path = "senses_elsewhere.rs")]
mod senses;
mod strings;
mod uevents;
#[cfg_attr(not(target_os = "linux"), path = "watch_elsewhere.rs")]
mod watch;
mod witnesses;

pub use announcing::Announcing;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Moment;
use crate::device::Device;
use crate::error::Error;
use crate::event::{Backend, Synthetic};
use crate::filter::Filters;
use crate::hub::Hub;
use crate::notice::{GapCause, SourceState};
use crate::onlooker::Fact;
use crate::outbox::{Earlier, Intake};
use crate::platform::Entry;
use crate::platform::bus::{self, Bus, Description};
use crate::ready::ReadyConfig;
use crate::registry::{LEAST_GRACE, Registry, Transition, Verdict};
use crate::source::name;
use crate::source::netlink::{Uevent, UeventSocket};
use crate::spool::SettledBoard;
pub use alone::Alone;
use announcer::{Announcer, Cause, Fate, Key};
pub use crew::Crew;
use crew::Desk;
#[cfg(target_os = "linux")]
pub use crew::Guest;
pub use inbox::{Inbox, Message};
use missed::Missed;
pub use missed::SpoolConfig;
use schedule::Schedule;
pub use senses::SenseConfig;
use senses::Senses;
use strings::Strings;
use uevents::Heard;
use watch::Watch;

/// What the engine needs to know.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The reconcile period.
    pub interval: Duration,
    /// Which sources to listen to.
    pub senses: SenseConfig,
    /// Whether snapshots are taken.
    pub snapshot: bool,
    /// Whether the kernel's log may be read for what it says of devices.
    pub kernel_log: bool,
    /// Beyond the least, how long sources may differ about a transition before one of them is taken to be deaf.
    pub patience: Duration,
    /// Which devices are told of.
    pub filters: Arc<Filters>,
    /// Where the helper of udev writes down what comes and goes.
    pub spool: Option<SpoolConfig>,
    /// Whether it is looked for when devices may be used, and how.
    pub ready: Option<ReadyConfig>,
}

/// The state of whoever leads.
pub struct Engine {
    config: EngineConfig,
    hub: Hub,
    inbox: Arc<Inbox>,
    watch: Arc<Watch>,
    bus: Bus,
    senses: Senses,
    registry: Registry,
    announcer: Announcer,
    schedule: Schedule,
    desk: Desk,
    strings: Strings,
    missed: Missed,
    pending: VecDeque<Heard>,
    /// The socket has lost messages; said once what waits has been handled and a snapshot has been taken.
    overflowed: Option<GapCause>,
}

impl Engine {
    /// An engine that has not begun to listen.
    pub fn new(
        config: EngineConfig,
        hub: Hub,
        inbox: Arc<Inbox>,
        intake: Arc<Intake>,
        earlier: Earlier,
        stored: SettledBoard,
        uevent_socket: Option<UeventSocket>,
    ) -> Result<Self, Error> {
        let watch = Arc::new(Watch::new(&inbox)?);
        let missed =
            Missed::new(config.spool.clone(), (earlier.settled().clone(), earlier.claims().clone()), stored);
        let senses = Senses::new(
            config.senses.clone(),
            hub.clone(),
            Arc::clone(&inbox),
            Arc::clone(&watch),
            uevent_socket,
        );
        let news = Arc::clone(&inbox);
        let desk = Desk::default();
        Ok(Self {
            bus: Bus::open(config.snapshot, config.kernel_log, move |told| news.send(Message::Bus(told))),
            announcer: Announcer::new(hub.clone(), intake, earlier, Arc::clone(&config.filters)),
            schedule: Schedule::new(config.interval),
            registry: Registry::new(LEAST_GRACE + config.patience),
            strings: Strings::new(desk.clone()),
            desk,
            missed,
            pending: VecDeque::new(),
            overflowed: None,
            config,
            hub,
            inbox,
            watch,
            senses,
        })
    }

    /// Something was missed: what sysfs shows decides, and subscribers are told of the gap before what it brings.
    async fn recover(&mut self, cause: GapCause) {
        self.registry.note_gap();
        let verdict = Verdict { gap: Some(cause), ..self.scan() };
        self.carry_out(verdict, Moment::now(), None).await;
    }

    async fn snapshot(&mut self) {
        self.schedule.snapshot_taken(Instant::now());
        // A uevent that waits is older than what sysfs shows now.
        self.handle_pending().await;
        let verdict = self.scan();
        self.carry_out(verdict, Moment::now(), None).await;
        if self.senses.has_uevents() {
            self.senses.tell_uevents(self.registry.is_deaf());
        }
    }

    fn scan(&mut self) -> Verdict {
        if !self.config.snapshot {
            // Nothing tells what is there, but after another boot it is not what was.
            self.announcer.end_absent(|_| Fate::Unknown, self.senses.libusb_is_alive());
            return Verdict::default();
        }
        let registry = &self.registry;
        let scan = match self.bus.scan(|name, mark| registry.knows(name, mark)) {
            Ok(Some(scan)) => scan,
            // It has been asked for, and comes by itself.
            Ok(None) => return Verdict::default(),
            Err(reason) => {
                self.hub.tell_source(name::SNAPSHOT, SourceState::Failed, reason);
                return Verdict::default();
            }
        };
        self.hub.tell_source(name::SNAPSHOT, SourceState::Up, bus::COMPARES);
        self.drain(usize::MAX);
        let touched: HashSet<&str> = self.pending.iter().map(|heard| heard.uevent.name()).collect();
        let verdict = self.registry.snapshot(&scan, &touched, Instant::now());
        // What an earlier run has told of and is not there has left meanwhile.
        let bus = &self.bus;
        let libusb_alive = self.senses.libusb_is_alive();
        self.announcer.end_absent(|name| fate(name, &scan, &touched, bus), libusb_alive);
        verdict
    }

    async fn carry_out(&mut self, verdict: Verdict, at: Moment, uevent: Option<&Uevent>) {
        if let Some(uevent) = uevent.filter(|_| verdict.repeated) {
            let cause = self.cause(Backend::Netlink, None, at);
            self.announcer.note_repeated(uevent.name(), self.strings.awaited(uevent.name()), cause);
        }
        if let Some(delay) = verdict.rescan {
            self.schedule.snapshot_within(delay);
        }
        if let Some(cause) = verdict.gap {
            self.tell_gap(cause, synthesized(&verdict.transitions));
        }
        let last = verdict.transitions.len().saturating_sub(1);
        for (place, transition) in verdict.transitions.into_iter().enumerate() {
            if uevent.is_none() {
                self.hub.note(&Fact::Reported { source: name::SNAPSHOT });
            }
            let seqnum = uevent.filter(|_| place == last).map(|uevent| uevent.seqnum);
            match transition {
                Transition::Attach { name, address, backend, synthetic } => {
                    self.desk.home().await;
                    if uevent.is_none() {
                        self.missed.claim(&name, address);
                    }
                    let libusb_alive = self.senses.libusb_is_alive();
                    if self.announcer.stay(&name, address, || self.bus.instance(&name), libusb_alive) {
                        self.announcer.settle(seqnum);
                        continue;
                    }
                    let described = match uevent {
                        Some(uevent) => self.bus.describe_uevent(uevent),
                        None => self.bus.describe_name(&name, address),
                    };
                    let cause = Cause { seqnum, ..self.cause(backend, synthetic, at) };
                    match described {
                        Some(description) => self.attach(name, description, cause).await,
                        None => self.vanished(&name),
                    }
                }
                Transition::Detach { name, backend, synthetic } => {
                    let cause = Cause { seqnum, ..self.cause(backend, synthetic, at) };
                    if let Some((device, came)) = self.strings.take(&name) {
                        self.announce(name.clone(), device, came);
                    }
                    self.announcer.detach(&Key::Kernel(name), cause);
                    // A guest has come for this alone.
                    self.desk.home().await;
                }
            }
        }
    }

    async fn attach(&mut self, name: String, description: Description, cause: Cause) {
        let device = match description {
            Description::Whole(device) => Some(device),
            Description::WithoutStrings(strings) => self.strings.read(&name, strings, cause).await,
        };
        if let Some(device) = device {
            self.announce(name, device, cause);
        }
    }

    /// Announces a device, its hubs first: where one's strings are still waited for, with what is known of it.
    fn announce(&mut self, name: String, device: Device, cause: Cause) {
        for (hub, device, cause) in self.strings.take_above(&name) {
            self.announcer.attach(&Key::Kernel(hub), device, cause);
        }
        self.announcer.attach(&Key::Kernel(name), device, cause);
    }

    /// Announces devices whose strings had to be waited for.
    fn announce_ready(&mut self, now: Instant) {
        for (name, device, cause) in self.strings.take_ready(now) {
            self.announce(name, device, cause);
        }
    }

    /// Gone between the scan and its description: nothing is known of it but a name, and it was never announced.
    fn vanished(&mut self, name: &str) {
        self.registry.forget(name);
        self.schedule.snapshot_within(self.registry.grace());
    }

    fn cause(&self, backend: Backend, synthetic: Option<Synthetic>, observed: Moment) -> Cause {
        Cause { backend, synthetic, observed, libusb_alive: self.senses.libusb_is_alive(), seqnum: None }
    }
}

/// What has become of a device of an earlier run. What has a uevent waiting is settled by that, or later.
fn fate(name: &str, scan: &[Entry], touched: &HashSet<&str>, bus: &Bus) -> Fate {
    match scan.iter().find(|entry| entry.name == name).map(|entry| entry.address) {
        _ if touched.contains(name) => Fate::Unknown,
        Some(Some(address)) => Fate::Present(address, bus.instance(name)),
        Some(None) => Fate::Unknown,
        None => Fate::Absent,
    }
}

fn synthesized(transitions: &[Transition]) -> usize {
    let is_synthetic = |transition: &&Transition| match transition {
        Transition::Attach { synthetic, .. } | Transition::Detach { synthetic, .. } => synthetic.is_some(),
    };
    transitions.iter().filter(is_synthetic).count()
}
