//! The announcer gives each transition its device and its number, and hands the event on: to subscribers first,
//! who need no disk, then to the outbox.
//!
//! It also settles what an earlier run has left: each device of which that run has told has either stayed, and is
//! told to subscribers only, or has left, and gets its detach.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::witnesses::Witnesses;
use crate::clock::Moment;
use crate::device::{Address, Device, PortPath, SerialMemory};
use crate::event::{Action, Attachment, Backend, Event, Synthetic};
use crate::filter::Filters;
use crate::hub::Hub;
use crate::journey::{Journey, Step};
use crate::notice::Notice;
use crate::onlooker::Fact;
use crate::outbox::{Earlier, EarlierAttachment, Intake};
use crate::source::injected::{Ticket, Verdict};
use crate::withheld::{Withheld, WithheldReason};

/// Names an attached device in the engine: the kernel's devices by their name in sysfs, others by their port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The kernel's.
    Kernel(String),
    /// Simulated.
    Simulated(PortPath),
    /// A program's.
    Injected(Address),
}

/// The outbox's name for it.
impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(name) => out.write_str(name),
            Self::Simulated(port) => write!(out, "{SIMULATED}{}", port.name()),
            Self::Injected(Address { bus, device }) => write!(out, "{INJECTED}{bus}:{device}"),
        }
    }
}

const SIMULATED: &str = "simulated ";
const INJECTED: &str = "injected ";

/// How a transition became known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause {
    pub(super) backend: Backend,
    pub(super) synthetic: Option<Synthetic>,
    pub(super) observed: Moment,
    pub(super) libusb_alive: bool,
    /// Number of the kernel's uevent that is dealt with by this.
    pub(super) seqnum: Option<u64>,
}

/// What has become of a device of which an earlier run has told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// Something is there at this address, with this inode.
    Present(Address, Option<u64>),
    /// Nothing is there.
    Absent,
    /// It is changing just now: what comes next tells.
    Unknown,
}

/// An attachment that has been announced.
struct Attached {
    /// The outbox's name for it.
    name: String,
    attachment: Arc<Attachment>,
}

pub(super) struct Announcer {
    hub: Hub,
    intake: Arc<Intake>,
    earlier: Earlier,
    instances: u64,
    attached: HashMap<Key, Attached>,
    filters: Arc<Filters>,
    /// Devices that a filter holds back, and which: it holds back their detach as well.
    filtered: HashMap<Key, (Device, String)>,
    witnesses: Witnesses,
    serials: SerialMemory,
}

impl Announcer {
    pub(super) fn new(hub: Hub, intake: Arc<Intake>, earlier: Earlier, filters: Arc<Filters>) -> Self {
        Self {
            hub,
            intake,
            earlier,
            instances: 0,
            attached: HashMap::new(),
            filters,
            filtered: HashMap::new(),
            witnesses: Witnesses::default(),
            serials: SerialMemory::default(),
        }
    }

    /// Other filters hold for what comes from now on.
    pub(super) fn set_filters(&mut self, filters: Arc<Filters>) {
        self.filters = filters;
    }

    /// Whether a device that has been announced has this address.
    pub(super) fn is_taken(&self, address: Address) -> bool {
        self.attached.values().any(|attached| attached.attachment.device.address == address)
    }

    /// Says what has become of a report, once what it has brought is stored.
    pub(super) fn answer(&self, ticket: Ticket, verdict: Verdict) {
        if matches!(verdict, Verdict::Duplicate | Verdict::Unknown) {
            self.hub.count_duplicate();
        }
        self.intake.answer(ticket, verdict);
        self.intake.wake();
    }

    /// Announces a device that has come. One that is there already is left as it is.
    pub(super) fn attach(&mut self, key: &Key, device: Device, cause: Cause) -> Verdict {
        let verdict = self.attach_unsettled(key, device, cause);
        if verdict != Verdict::Announced {
            self.settle(cause.seqnum);
        }
        verdict
    }

    /// This uevent brings no event, or has brought all that it does.
    pub(super) fn settle(&self, seqnum: Option<u64>) {
        if let Some(number) = seqnum {
            self.intake.settle(number, number);
        }
    }

    /// These uevents bring no event.
    pub(super) fn settle_range(&self, first: u64, last: u64) {
        self.intake.settle(first, last);
    }

    fn attach_unsettled(&mut self, key: &Key, device: Device, cause: Cause) -> Verdict {
        if self.attached.contains_key(key) || self.filtered.contains_key(key) {
            self.repeat(key, &device, cause);
            return Verdict::Duplicate;
        }
        let described = Instant::now();
        // Whatever was there under this name has left, and nobody saw it go.
        if let Some(earlier) = self.earlier.take(&key.to_string()) {
            self.end_earlier(key.to_string(), &earlier, cause.libusb_alive);
        }
        if self.take_over(key, &device) {
            self.hub.count_duplicate();
            self.repeat(key, &device, cause);
            return Verdict::Duplicate;
        }
        let tags = match self.filters.admit(&device) {
            Ok(tags) => tags,
            Err(by) => {
                let (vendor_id, product_id) = (device.descriptor.id_vendor, device.descriptor.id_product);
                tracing::debug!(
                    port = device.port_path.name(),
                    vendor_id = %format_args!("{vendor_id:04x}"),
                    product_id = %format_args!("{product_id:04x}"),
                    by,
                    "filtered"
                );
                self.note_filtered(&device, Action::Attach, cause, &by);
                self.filtered.insert(key.clone(), (device, by));
                return Verdict::Filtered;
            }
        };
        let synthetic = match cause.synthetic {
            Some(Synthetic::Startup) => Some(self.earlier.cause_of_attach()),
            other => other,
        };
        let stable_id = self.serials.attach(&device);
        self.instances += 1;
        let attachment = Arc::new(Attachment {
            signature: device.signature(),
            device,
            stable_id,
            attached_at_ms: cause.observed.ms,
            tags,
            instance: self.instances,
        });
        let name = key.to_string();
        self.attached
            .insert(key.clone(), Attached { name: name.clone(), attachment: Arc::clone(&attachment) });
        self.announce(name, Action::Attach, attachment, Cause { synthetic, ..cause }, Some(described));
        Verdict::Announced
    }

    /// A source that does not decide has seen a transition.
    pub(super) fn witness(&mut self, source: &'static str, action: Action, address: Address, at: Instant) {
        self.witnesses.report(&self.hub, source, action, address, at);
    }

    /// The kernel has told once more of a device that is there, or whose strings are `awaited`.
    pub(super) fn note_repeated(&self, name: &str, awaited: Option<&Device>, cause: Cause) {
        let key = Key::Kernel(name.to_owned());
        let attached = self.attached.get(&key).map(|attached| &attached.attachment.device);
        let filtered = self.filtered.get(&key).map(|(device, _)| device);
        if let Some(device) = attached.or(filtered).or(awaited) {
            self.repeat(&key, device, cause);
        }
    }

    /// Says that a report is no news.
    fn repeat(&self, key: &Key, device: &Device, cause: Cause) {
        let detail = match (self.attached.get(key), self.filtered.get(key)) {
            (Some(attached), _) => format!("attached already as {}", attached.attachment.signature),
            (None, Some((_, by))) => format!("held back already by {by}"),
            (None, None) => "about to be told of".to_owned(),
        };
        self.withhold(device, Action::Attach, cause, WithheldReason::Duplicate, detail);
    }

    /// Says that a report about a device is no event, and why.
    pub(super) fn withhold(
        &self,
        device: &Device,
        action: Action,
        cause: Cause,
        reason: WithheldReason,
        detail: String,
    ) {
        let Cause { backend, observed, .. } = cause;
        let withheld = Withheld::of(device, action, backend.as_str(), observed.ms, reason, detail);
        self.hub.note(&Fact::Withheld(&withheld));
    }

    /// A program was faster to tell of this device than a source that sees it: from now on it is the source's.
    fn take_over(&mut self, key: &Key, device: &Device) -> bool {
        let reported = Key::Injected(device.address);
        let is_same = |attached: &Attached| {
            let known = &attached.attachment.device.descriptor;
            (known.id_vendor, known.id_product) == (device.descriptor.id_vendor, device.descriptor.id_product)
        };
        if *key == reported || !self.attached.get(&reported).is_some_and(is_same) {
            return false;
        }
        if let Some(attached) = self.attached.remove(&reported) {
            self.attached.insert(key.clone(), attached);
        }
        true
    }

    /// Announces that a device has left, with all that was known when it came. An unknown one is nobody's.
    pub(super) fn detach(&mut self, key: &Key, cause: Cause) -> Verdict {
        let synthetic = match cause.synthetic {
            // It had been told before the first snapshot, which did not find it.
            Some(Synthetic::Startup) => Some(Synthetic::MissedWhileDown),
            other => other,
        };
        let cause = Cause { synthetic, ..cause };
        if let Some((device, by)) = self.filtered.remove(key) {
            self.note_filtered(&device, Action::Detach, cause, &by);
            self.settle(cause.seqnum);
            return Verdict::Filtered;
        }
        let Some(Attached { name, attachment }) = self.attached.remove(key) else {
            self.settle(cause.seqnum);
            return Verdict::Unknown;
        };
        self.serials.detach(&attachment.device);
        self.announce(name, Action::Detach, attachment, cause, None);
        Verdict::Announced
    }

    fn note_filtered(&self, device: &Device, action: Action, cause: Cause, by: &str) {
        self.withhold(device, action, cause, WithheldReason::Filtered, by.to_owned());
        self.intake.note_filtered();
        self.intake.wake();
    }

    /// Whether this is a device of which an earlier run has told. Then subscribers are told that it is there; to the
    /// stream it is no news.
    pub(super) fn stay(
        &mut self,
        name: &str,
        address: Address,
        inode: impl FnOnce() -> Option<u64>,
        libusb_alive: bool,
    ) -> bool {
        let Some(earlier) = self.earlier.take(name) else { return false };
        if !is_same(&earlier, address, inode()) {
            self.end_earlier(name.to_owned(), &earlier, libusb_alive);
            return false;
        }
        self.instances += 1;
        let attachment = Attachment { instance: self.instances, ..(*earlier.attach.attachment).clone() };
        self.serials.restore(&attachment.device, &attachment.stable_id);
        let attachment = Arc::new(attachment);
        self.attached.insert(
            Key::Kernel(name.to_owned()),
            Attached { name: name.to_owned(), attachment: Arc::clone(&attachment) },
        );
        let event = Event { attachment, synthetic: Some(Synthetic::Startup), ..(*earlier.attach).clone() };
        self.hub.tell(&Notice::Stayed(Arc::new(event)));
        true
    }

    /// Announces that a device of which an earlier run has told has left: this very one. False where it is another one, or unknown.
    pub(super) fn end_left(&mut self, name: &str, address: Address, cause: Cause) -> bool {
        let Some(earlier) = self.earlier.take(name) else { return false };
        if !is_same(&earlier, address, None) {
            self.earlier.put_back(name.to_owned(), earlier);
            return false;
        }
        self.instances += 1;
        let attachment = Attachment { instance: self.instances, ..(*earlier.attach.attachment).clone() };
        self.announce(name.to_owned(), Action::Detach, Arc::new(attachment), cause, None);
        true
    }

    /// Has the outbox store which uevents are dealt with.
    pub(super) fn store_settled(&self) {
        self.intake.wake();
    }

    /// Names and addresses of all that has been told of and has not left, in an earlier run of this boot or in this one.
    pub(super) fn attached_names(&self) -> HashMap<String, Address> {
        let earlier = self.earlier.addresses().map(|(name, address)| (name.to_owned(), address));
        let own = self
            .attached
            .values()
            .map(|attached| (attached.name.clone(), attached.attachment.device.address));
        earlier.chain(own).collect()
    }

    /// Whether a device of this name has been told of, or held back, in this run.
    pub(super) fn is_attached(&self, key: &Key) -> bool {
        self.attached.contains_key(key) || self.filtered.contains_key(key)
    }

    /// Whatever else was at this port has left, and nothing has told of that.
    pub(super) fn leave(&mut self, key: &Key, address: Address, cause: Cause) {
        let attached = self.attached.get(key).map(|attached| attached.attachment.device.address);
        let filtered = self.filtered.get(key).map(|(device, _)| device.address);
        if attached.or(filtered).is_some_and(|known| known != address) {
            self.detach(key, Cause { seqnum: None, ..cause });
        }
    }

    /// Announces that a device has left of whose attach nobody has told.
    pub(super) fn detach_unknown(&mut self, key: &Key, device: Device, cause: Cause) -> Verdict {
        let tags = match self.filters.admit(&device) {
            Ok(tags) => tags,
            Err(by) => {
                self.note_filtered(&device, Action::Detach, cause, &by);
                self.settle(cause.seqnum);
                return Verdict::Filtered;
            }
        };
        let stable_id = self.serials.attach(&device);
        self.serials.detach(&device);
        self.instances += 1;
        let attachment = Arc::new(Attachment {
            signature: device.signature(),
            device,
            stable_id,
            attached_at_ms: cause.observed.ms,
            tags,
            instance: self.instances,
        });
        self.announce(key.to_string(), Action::Detach, attachment, cause, None);
        Verdict::Announced
    }

    /// What an earlier run has left that is not settled yet.
    pub(super) fn earlier(&self) -> &Earlier {
        &self.earlier
    }

    /// Announces the end of what an earlier run was only told of: that lasts no longer than its daemon.
    pub(super) fn end_told(&mut self, libusb_alive: bool) {
        let is_told = |key: &str| key.starts_with(SIMULATED) || key.starts_with(INJECTED);
        for (key, earlier) in self.earlier.take_where(|key, _| is_told(key)) {
            self.end_earlier(key, &earlier, libusb_alive);
        }
    }

    /// Announces the end of all that an earlier run has told of and whose `fate` is not to be there, or not known yet.
    pub(super) fn end_absent(&mut self, fate: impl Fn(&str) -> Fate, libusb_alive: bool) {
        if self.earlier.is_settled() {
            return;
        }
        let left = self.earlier.take_where(|name, earlier| match fate(name) {
            Fate::Present(address, inode) => !is_same(earlier, address, inode),
            Fate::Unknown => !earlier.same_boot,
            Fate::Absent => true,
        });
        for (key, earlier) in left {
            self.end_earlier(key, &earlier, libusb_alive);
        }
    }

    fn end_earlier(&mut self, key: String, earlier: &EarlierAttachment, libusb_alive: bool) {
        let backend = match key.as_str() {
            key if key.starts_with(SIMULATED) => Backend::Simulated,
            key if key.starts_with(INJECTED) => Backend::Injected,
            _ => Backend::Snapshot,
        };
        let cause = Cause {
            backend,
            synthetic: Some(earlier.cause_of_detach()),
            observed: Moment::now(),
            libusb_alive,
            seqnum: None,
        };
        self.instances += 1;
        let attachment = Attachment { instance: self.instances, ..(*earlier.attach.attachment).clone() };
        self.announce(key, Action::Detach, Arc::new(attachment), cause, None);
    }

    fn announce(
        &mut self,
        key: String,
        action: Action,
        attachment: Arc<Attachment>,
        cause: Cause,
        described: Option<Instant>,
    ) {
        let journey = Journey::observed_at(cause.observed.at);
        if let Some(described) = described {
            journey.note(Step::Describe, described);
        }
        let make = |producer, seq| Event {
            producer,
            seq,
            action,
            timestamp_ms: cause.observed.ms,
            attachment,
            backend: cause.backend,
            synthetic: cause.synthetic,
            libusb_alive: cause.libusb_alive,
            journey,
        };
        self.intake.number(key, cause.seqnum, make, |event| {
            let Device { port_path, descriptor, serial_number, product, .. } = &event.attachment.device;
            tracing::debug!(
                event_id = event.event_id(),
                action = action.as_str(),
                port = port_path.name(),
                vendor_id = %format_args!("{:04x}", descriptor.id_vendor),
                product_id = %format_args!("{:04x}", descriptor.id_product),
                product,
                serial_number,
                backend = cause.backend.as_str(),
                synthetic = cause.synthetic.map(Synthetic::as_str),
                "announced"
            );
            self.witnesses.tell(event);
            event.journey.note(Step::Announce, Instant::now());
            self.hub.tell(&Notice::Transition(Arc::clone(event)));
        });
        self.intake.wake();
    }
}

/// Bus and address come again, but not with the same inode. Where one of those is not known, the address decides: it
/// comes again only after more than a hundred others.
fn is_same(earlier: &EarlierAttachment, address: Address, inode: Option<u64>) -> bool {
    let device = &earlier.attach.attachment.device;
    let same_inode = match (device.inode, inode) {
        (Some(before), Some(now)) => before == now,
        _ => true,
    };
    earlier.same_boot && device.address == address && same_inode
}
