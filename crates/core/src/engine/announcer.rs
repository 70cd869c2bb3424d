//! The announcer gives each transition its device and its number, and hands the event on: to subscribers first,
//! who need no disk, then to the outbox.

use std::collections::HashMap;
use std::sync::Arc;

use crate::device::{Device, PortPath, SerialMemory};
use crate::event::{Action, Attachment, Backend, Event, Synthetic};
use crate::hub::Hub;
use crate::notice::Notice;
use crate::outbox::Outbox;

/// Names an attached device in the engine: the kernel's devices by their name in sysfs, others by their port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// The kernel's.
    Kernel(String),
    /// Simulated.
    Simulated(PortPath),
}

/// How a transition became known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause {
    pub(super) backend: Backend,
    pub(super) synthetic: Option<Synthetic>,
    pub(super) timestamp_ms: u64,
    pub(super) libusb_alive: bool,
}

pub(super) struct Announcer {
    hub: Hub,
    outbox: Option<Arc<Outbox>>,
    producer: Arc<str>,
    seq: u64,
    attached: HashMap<Key, Arc<Attachment>>,
    serials: SerialMemory,
}

impl Announcer {
    pub(super) fn new(hub: Hub, producer: Arc<str>, outbox: Option<Arc<Outbox>>) -> Self {
        Self { hub, outbox, producer, seq: 0, attached: HashMap::new(), serials: SerialMemory::default() }
    }

    /// Announces a device that has come. One that is there already is left as it is.
    pub(super) fn attach(&mut self, key: Key, device: Device, cause: Cause) {
        if self.attached.contains_key(&key) {
            return;
        }
        let stable_id = self.serials.attach(&device);
        let attachment = Arc::new(Attachment {
            signature: device.signature(),
            device,
            stable_id,
            attached_at_ms: cause.timestamp_ms,
            attach_seq: self.seq + 1,
        });
        self.attached.insert(key, Arc::clone(&attachment));
        self.announce(Action::Attach, attachment, cause);
    }

    /// Announces that a device has left, with all that was known when it came. An unknown one is nobody's.
    pub(super) fn detach(&mut self, key: &Key, cause: Cause) {
        let Some(attachment) = self.attached.remove(key) else { return };
        self.serials.detach(&attachment.device);
        self.announce(Action::Detach, attachment, cause);
    }

    fn announce(&mut self, action: Action, attachment: Arc<Attachment>, cause: Cause) {
        self.seq += 1;
        let event = Arc::new(Event {
            producer: Arc::clone(&self.producer),
            seq: self.seq,
            action,
            timestamp_ms: cause.timestamp_ms,
            attachment,
            backend: cause.backend,
            synthetic: cause.synthetic,
            libusb_alive: cause.libusb_alive,
        });
        tracing::debug!(
            event_id = event.event_id(),
            action = action.as_str(),
            port = %event.attachment.device.port_path,
            backend = cause.backend.as_str(),
            "event"
        );
        self.hub.tell(&Notice::Transition(Arc::clone(&event)));
        if let Some(outbox) = &self.outbox {
            outbox.append(event);
        }
    }
}
