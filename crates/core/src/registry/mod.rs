//! The registry turns what lagging sources observe into transitions: each device instance attaches exactly once
//! and then detaches exactly once.
//!
//! Who decides:
//! - The kernel's uevents begin and end instances. They are ordered, and a `remove` is final whatever sysfs still
//!   shows.
//! - A snapshot decides at once where the uevent socket cannot be relied on: at start, after a gap, and while it is
//!   deaf. Otherwise a snapshot that contradicts the uevents is a doubt, and only a doubt that outlives its grace
//!   proves the socket deaf.
//! - libusb carries no sequence number: a late `left` cannot be told from the next instance's. It only asks for a
//!   snapshot.
//! - macOS and Windows have no uevents: every snapshot decides. A sighting is a snapshot of one device that has just come, and
//!   may have left when the next whole one is taken.
//!
//! An instance is told from its successor by bus and address and, because addresses come again, by the inode of its
//! link in sysfs. The caller handles every uevent that waits before it takes a snapshot, and names those that came
//! while the snapshot was taken: about these devices the snapshot has no say.
//!
//! Pure: no clock, no file, no thread. Time is passed in.

mod doubt;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod sighting_laws;
mod snapshot;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::device::Address;
use crate::event::{Action, Backend, Synthetic};
use crate::notice::GapCause;
use crate::source::libusb::Report;
use crate::source::netlink::Change;
use doubt::Doubts;

/// How long sysfs and the uevents may disagree before it counts, at least.
pub const LEAST_GRACE: Duration = Duration::from_millis(200);

/// One decision of the registry about the device called `name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transition {
    /// An instance has begun.
    Attach {
        /// The kernel's name of the device.
        name: String,
        /// Its bus and address.
        address: Address,
        /// What established it.
        backend: Backend,
        /// Set where reconciliation made it.
        synthetic: Option<Synthetic>,
    },
    /// The instance has ended.
    Detach {
        /// The kernel's name of the device.
        name: String,
        /// What established it.
        backend: Backend,
        /// Set where reconciliation made it.
        synthetic: Option<Synthetic>,
    },
}

/// What follows from an observation.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Transitions, in order.
    pub transitions: Vec<Transition>,
    /// A snapshot is wanted within this time.
    pub rescan: Option<Duration>,
    /// The uevents have been proven to miss events.
    pub gap: Option<GapCause>,
    /// A uevent has told what was known.
    pub repeated: bool,
}

/// How far uevents can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// They decide. `heard` once one has come in.
    Uevents { heard: bool },
    /// Something was or may have been missed: the next snapshot decides, then uevents again.
    NextSnapshot(Synthetic),
    /// They cannot be heard: every snapshot decides.
    Snapshots,
}

#[derive(Debug)]
struct Instance {
    /// Told apart from every other instance, address and mark or not.
    id: u64,
    address: Address,
    mark: Option<u64>,
}

/// What establishes a transition, and why where reconciliation does.
#[derive(Clone, Copy)]
struct Cause {
    backend: Backend,
    synthetic: Option<Synthetic>,
}

/// An instance that a `remove` has ended, while sysfs may still show it.
#[derive(Debug)]
struct Ended {
    instance: Instance,
    at: Instant,
    /// A gap has come since: what sysfs shows may be a successor whose `add` was lost.
    before_gap: bool,
}

/// The set of live instances, and what is thought of each source.
#[derive(Debug)]
pub struct Registry {
    live: HashMap<String, Instance>,
    names: HashMap<Address, String>,
    ended: HashMap<String, Ended>,
    /// Where devices are sighted: the last mark in each place.
    sightings: HashMap<String, u64>,
    doubts: Doubts,
    trust: Trust,
    uevents_open: bool,
    grace: Duration,
    begun: u64,
}

impl Registry {
    /// An empty registry; its first snapshot tells what is present at start. `grace` is how long sysfs and the uevents may
    /// disagree before it counts.
    pub fn new(grace: Duration) -> Self {
        Self {
            live: HashMap::new(),
            names: HashMap::new(),
            ended: HashMap::new(),
            sightings: HashMap::new(),
            doubts: Doubts::default(),
            trust: Trust::NextSnapshot(Synthetic::Startup),
            uevents_open: true,
            grace,
            begun: 0,
        }
    }

    /// How long sysfs and the uevents may disagree.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// Whether snapshots decide because uevents cannot be heard.
    pub fn is_deaf(&self) -> bool {
        self.trust == Trust::Snapshots
    }

    /// Uevents have been missed: the next snapshot decides.
    pub fn note_gap(&mut self) {
        if !matches!(self.trust, Trust::NextSnapshot(Synthetic::Startup)) {
            self.trust = Trust::NextSnapshot(Synthetic::Gap);
        }
        for ended in self.ended.values_mut() {
            ended.before_gap = true;
        }
    }

    /// Says whether there is a uevent socket. Without one every snapshot decides; with a new one, the next does.
    pub fn set_uevents_open(&mut self, open: bool) {
        let before = std::mem::replace(&mut self.uevents_open, open);
        if open && !before {
            self.note_gap();
        } else if !open && self.trust != Trust::NextSnapshot(Synthetic::Startup) {
            self.trust = Trust::Snapshots;
        }
    }

    /// A uevent: it begins or ends an instance.
    pub fn uevent(&mut self, change: Change, name: &str, address: Address, now: Instant) -> Verdict {
        let mut verdict = Verdict::default();
        match self.trust {
            Trust::Uevents { .. } => self.trust = Trust::Uevents { heard: true },
            Trust::NextSnapshot(_) => {}
            Trust::Snapshots => {
                self.trust = Trust::Uevents { heard: true };
                verdict.rescan = Some(self.grace);
            }
        }
        let known = self.live.get(name).map(|instance| instance.address);
        match (change, known) {
            // Repeated on request (`udevadm trigger`), or told by a snapshot before.
            (Change::Add, Some(known)) if known == address => verdict.repeated = true,
            (Change::Add, known) => {
                if known.is_some() {
                    verdict.gap = Some(GapCause::Unheard);
                    let cause = Cause { backend: Backend::Snapshot, synthetic: Some(Synthetic::Gap) };
                    self.end(name, cause, &mut verdict);
                }
                self.begin(
                    name,
                    address,
                    None,
                    Cause { backend: Backend::Netlink, synthetic: None },
                    &mut verdict,
                );
            }
            (Change::Remove, Some(known)) if known == address => {
                let cause = Cause { backend: Backend::Netlink, synthetic: None };
                if let Some(instance) = self.end(name, cause, &mut verdict) {
                    self.ended.insert(name.to_owned(), Ended { instance, at: now, before_gap: false });
                }
            }
            // Of another instance than the one that is known: something was missed.
            (Change::Remove, Some(_)) => verdict.rescan = Some(Duration::ZERO),
            (Change::Remove, None) => {}
        }
        verdict
    }

    /// What no uevent has told, and a record of its own does: it begins or ends an instance, and proves nothing about uevents.
    pub fn missed(
        &mut self,
        action: Action,
        name: &str,
        address: Address,
        synthetic: Option<Synthetic>,
        now: Instant,
    ) -> Verdict {
        let mut verdict = Verdict::default();
        let cause = Cause { backend: Backend::UdevHelper, synthetic };
        let known = self.live.get(name).map(|instance| instance.address);
        match (action, known) {
            (Action::Attach, Some(known)) if known == address => verdict.repeated = true,
            (Action::Attach, known) => {
                if known.is_some() {
                    self.end(name, cause, &mut verdict);
                }
                self.begin(name, address, None, cause, &mut verdict);
            }
            (Action::Detach, Some(known)) if known == address => {
                if let Some(instance) = self.end(name, cause, &mut verdict) {
                    self.ended.insert(name.to_owned(), Ended { instance, at: now, before_gap: false });
                }
            }
            (Action::Detach, _) => {}
        }
        verdict
    }

    /// A uevent that was to be heard was not: as long as none is, snapshots decide.
    pub fn doubt_uevents(&mut self) {
        if self.trust == (Trust::Uevents { heard: false }) {
            self.trust = Trust::Snapshots;
        }
    }

    /// Names and addresses of what is there.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, Address)> {
        self.live.iter().map(|(name, instance)| (name.as_str(), instance.address))
    }

    /// A device that was to be announced had gone before anything could be known of it.
    pub fn forget(&mut self, name: &str) {
        self.remove(name);
    }

    /// libusb's word: it confirms, or asks for a snapshot.
    pub fn libusb(&self, report: Report) -> Option<Duration> {
        let doubtful = match report {
            Report::Arrived(address) => !self.names.contains_key(&address),
            Report::Left(address) => self.names.contains_key(&address),
            Report::Failed(_) => false,
        };
        doubtful.then(|| if self.snapshot_decides() { Duration::ZERO } else { self.grace })
    }

    /// Device nodes have come or gone: reason for a snapshot as long as no uevent proves that they can be heard, and for another one
    /// after the time given: the kernel takes a device's node away before it takes the device out of sysfs.
    pub fn nodes_changed(&self) -> Option<Duration> {
        self.nodes_matter().then_some(self.grace)
    }

    /// Whether device nodes that come and go are a reason for anything.
    pub fn nodes_matter(&self) -> bool {
        match self.trust {
            Trust::Uevents { heard } => !heard,
            Trust::NextSnapshot(_) | Trust::Snapshots => true,
        }
    }

    /// Whether a scan need not look at this entry again.
    pub fn knows(&self, name: &str, mark: u64) -> bool {
        let live = self.live.get(name);
        let ended = self.ended.get(name).filter(|ended| !ended.before_gap).map(|ended| &ended.instance);
        live.or(ended).is_some_and(|instance| instance.mark == Some(mark))
    }

    fn snapshot_decides(&self) -> bool {
        !matches!(self.trust, Trust::Uevents { .. })
    }

    fn begin(
        &mut self,
        name: &str,
        address: Address,
        mark: Option<u64>,
        cause: Cause,
        verdict: &mut Verdict,
    ) {
        self.begun += 1;
        self.ended.remove(name);
        if let Some(mark) = mark.filter(|_| !self.uevents_open) {
            self.sightings.insert(name.to_owned(), mark);
        }
        self.names.insert(address, name.to_owned());
        self.live.insert(name.to_owned(), Instance { id: self.begun, address, mark });
        let Cause { backend, synthetic } = cause;
        verdict.transitions.push(Transition::Attach { name: name.to_owned(), address, backend, synthetic });
    }

    fn remove(&mut self, name: &str) -> Option<Instance> {
        let instance = self.live.remove(name)?;
        if self.names.get(&instance.address).is_some_and(|holder| holder == name) {
            self.names.remove(&instance.address);
        }
        Some(instance)
    }

    fn end(&mut self, name: &str, cause: Cause, verdict: &mut Verdict) -> Option<Instance> {
        let instance = self.remove(name)?;
        let Cause { backend, synthetic } = cause;
        verdict.transitions.push(Transition::Detach { name: name.to_owned(), backend, synthetic });
        Some(instance)
    }
}
