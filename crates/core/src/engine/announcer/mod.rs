//! The announcer gives each transition its device and its number, and hands the event on: to subscribers first,
//! who need no disk, then to the outbox.

mod earlier_run;
mod readying;
#[cfg(test)]
mod tests;
mod withholding;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) use earlier_run::Fate;

use self::readying::Readying;
use super::witnesses::Witnesses;
use crate::clock::Moment;
use crate::device::{Address, Device, PortPath, SerialMemory, StableId};
use crate::event::{Action, Attachment, Backend, Event, Synthetic};
use crate::filter::Filters;
use crate::hub::Hub;
use crate::journey::{Journey, Step};
use crate::notice::Notice;
use crate::outbox::{Earlier, Intake};
use crate::source::injected::{Ticket, Verdict};

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

/// An attachment that has been announced.
struct Attached {
    /// The outbox's name for it.
    name: String,
    attachment: Arc<Attachment>,
}

/// How long a subscriber that has been woken may take until it wakes the outbox.
const PATIENCE: Duration = Duration::from_millis(1);

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
    readying: Readying,
    /// Since when the subscriber is to wake the outbox.
    waking_left_since: Option<Instant>,
}

impl Announcer {
    pub(super) fn new(hub: Hub, intake: Arc<Intake>, earlier: Earlier, filters: Arc<Filters>) -> Self {
        let mut serials = SerialMemory::knowing(earlier.shared_serials().clone());
        // Before anything new is named: a name that is still in use is not given again.
        for attachment in earlier.of_this_boot() {
            serials.restore(&attachment.device, &attachment.stable_id);
        }
        Self {
            hub,
            intake,
            earlier,
            instances: 0,
            attached: HashMap::new(),
            filters,
            filtered: HashMap::new(),
            witnesses: Witnesses::default(),
            serials,
            readying: Readying::default(),
            waking_left_since: None,
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
        let tags = match self.filters.admit(&device, self.hub_of(key, &device)) {
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
                // Nobody is told its name, but its serial number is in use.
                self.name(&device);
                self.filtered.insert(key.clone(), (device, by));
                return Verdict::Filtered;
            }
        };
        let synthetic = match cause.synthetic {
            Some(Synthetic::Startup) => Some(self.earlier.cause_of_attach()),
            other => other,
        };
        let attachment = self.attachment(device, tags, cause.observed);
        let name = key.to_string();
        self.attached
            .insert(key.clone(), Attached { name: name.clone(), attachment: Arc::clone(&attachment) });
        self.announce(name, Action::Attach, attachment, Cause { synthetic, ..cause }, Some(described));
        Verdict::Announced
    }

    /// What a device of the kernel's hangs on, whether or not that is told of, and whoever has told of it.
    fn hub_of(&self, key: &Key, device: &Device) -> Option<&Device> {
        let Key::Kernel(_) = key else { return None };
        let name = device.port_path.hub()?.name();
        let earlier = self.earlier.device(&name);
        let hub = Key::Kernel(name);
        let attached = self.attached.get(&hub).map(|attached| &attached.attachment.device);
        attached.or_else(|| self.filtered.get(&hub).map(|(device, _)| device)).or(earlier)
    }

    fn attachment(&mut self, device: Device, tags: Vec<String>, came: Moment) -> Arc<Attachment> {
        let stable_id = self.name(&device);
        self.instances += 1;
        Arc::new(Attachment {
            signature: device.signature(),
            device,
            stable_id,
            attached_at_ms: came.ms,
            tags,
            instance: self.instances,
        })
    }

    /// Names a device that has come.
    fn name(&mut self, device: &Device) -> StableId {
        let stable_id = self.serials.attach(device);
        self.intake.share(self.serials.take_found());
        stable_id
    }

    /// A source that does not decide has seen a transition.
    pub(super) fn witness(&mut self, source: &'static str, action: Action, address: Address, at: Instant) {
        self.witnesses.report(&self.hub, source, action, address, at);
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
            self.readying.came(&key.to_string(), &attached.attachment, Instant::now(), false);
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
            self.serials.detach(&device);
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

    /// Has the outbox store which uevents are dealt with.
    pub(super) fn store_settled(&self) {
        self.intake.wake();
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
        let tags = match self.filters.admit(&device, self.hub_of(key, &device)) {
            Ok(tags) => tags,
            Err(by) => {
                self.note_filtered(&device, Action::Detach, cause, &by);
                self.settle(cause.seqnum);
                return Verdict::Filtered;
            }
        };
        let attachment = self.attachment(device, tags, cause.observed);
        self.serials.detach(&attachment.device);
        self.announce(key.to_string(), Action::Detach, attachment, cause, None);
        Verdict::Announced
    }

    fn announce(
        &mut self,
        key: String,
        action: Action,
        attachment: Arc<Attachment>,
        cause: Cause,
        described: Option<Instant>,
    ) {
        match action {
            Action::Attach => {
                let is_live = cause.synthetic.is_none() && cause.backend == Backend::Netlink;
                self.readying.came(&key, &attachment, cause.observed.at, is_live);
            }
            Action::Detach => self.readying.left(attachment.instance),
        }
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
        let now = Instant::now();
        self.look_after_waking(now);
        let mut is_waking_left = false;
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
            // Before it is told: the subscriber may come at once, and the outbox waits for what is numbered here. A departure is told soon
            // enough by itself.
            is_waking_left = action == Action::Attach && self.intake.wake_up().leave();
            self.hub.tell(&Notice::Transition(Arc::clone(event)));
        });
        if is_waking_left {
            self.waking_left_since.get_or_insert(now);
        } else {
            self.intake.wake();
        }
    }

    /// Wakes the outbox where the subscriber was to and has had its time. Gives when to look again.
    pub(super) fn look_after_waking(&mut self, now: Instant) -> Option<Instant> {
        let until = self.waking_left_since? + PATIENCE;
        let wake_up = self.intake.wake_up();
        if now < until && wake_up.is_left() {
            return Some(until);
        }
        wake_up.take_back();
        self.waking_left_since = None;
        None
    }
}

/// Nobody looks after it any more.
impl Drop for Announcer {
    fn drop(&mut self) {
        self.intake.wake();
    }
}
