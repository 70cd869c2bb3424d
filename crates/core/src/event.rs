//! Events: one transition of one device, as everybody downstream of the registry sees it.

use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::device::{Device, DeviceDescriptor, Identity, InterfaceClass, Power, StableId};
use crate::journey::Journey;
use crate::source::name;

/// What happened to the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It came.
    Attach,
    /// It left.
    Detach,
}

impl Action {
    /// The word in the stream.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attach => "attach",
            Self::Detach => "detach",
        }
    }
}

/// What established a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The kernel's uevents.
    Netlink,
    /// A comparison with sysfs.
    Snapshot,
    /// The simulated source.
    Simulated,
    /// A program that knows of it.
    Injected,
    /// The helper that udev calls.
    UdevHelper,
}

impl Backend {
    /// The word in the stream.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Netlink => name::NETLINK,
            Self::Snapshot => name::SNAPSHOT,
            Self::Simulated => name::SIMULATED,
            Self::Injected => name::INJECTED,
            Self::UdevHelper => name::UDEV_HELPER,
        }
    }
}

/// Why reconciliation made an event that no source reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Synthetic {
    /// The device was there when the daemon started.
    Startup,
    /// It came or left while a source was deaf.
    Gap,
    /// It came or left while no daemon was running.
    MissedWhileDown,
    /// The machine was started anew since: no attachment outlives that.
    Reboot,
}

impl Synthetic {
    /// The word in the stream.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Gap => "gap",
            Self::MissedWhileDown => "missed-while-down",
            Self::Reboot => "reboot",
        }
    }
}

/// A device together with the names that it keeps from attach to detach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// What was known when it came.
    pub device: Device,
    /// The specification's signature.
    pub signature: String,
    /// Which unit it is.
    pub stable_id: StableId,
    /// When it came, in ms since 1970.
    pub attached_at_ms: u64,
    /// What the rules of the filters call it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Tells it from every other attachment of the same run of a daemon.
    #[serde(default)]
    pub instance: u64,
}

/// One transition. Serialized, it is the outbox's record, whose reader looks for `,"attachment":`: nothing nested comes before that field,
/// and there are fields before and after it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Who numbered it: a producer is one series of seq without holes.
    pub producer: Arc<str>,
    /// Its number, from 1.
    pub seq: u64,
    /// What happened.
    pub action: Action,
    /// When it was observed, in ms since 1970.
    pub timestamp_ms: u64,
    /// To which device.
    pub attachment: Arc<Attachment>,
    /// What established it.
    pub backend: Backend,
    /// Set where reconciliation made it.
    pub synthetic: Option<Synthetic>,
    /// Whether the libusb source was alive: the contract's `source` is `node-usb` then, else `udev`.
    pub libusb_alive: bool,
    /// When it went through what.
    #[serde(skip)]
    pub journey: Journey,
}

/// The name of a producer's event of this number: `<producer>:<seq>`.
pub(crate) struct EventId<'a> {
    pub(crate) producer: &'a str,
    pub(crate) seq: u64,
}

impl Display for EventId<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { producer, seq } = self;
        write!(out, "{producer}:{seq}")
    }
}

impl Event {
    /// `<producer>:<seq>`, which never comes again.
    pub fn event_id(&self) -> String {
        self.id().to_string()
    }

    /// The same, where it is only written.
    pub(crate) fn id(&self) -> EventId<'_> {
        EventId { producer: &self.producer, seq: self.seq }
    }

    /// Whether it ends an attachment of which this process has never told.
    pub fn ends_earlier_attachment(&self) -> bool {
        self.action == Action::Detach
            && matches!(self.synthetic, Some(Synthetic::MissedWhileDown | Synthetic::Reboot))
    }

    /// The contract's `source` field.
    pub fn source(&self) -> &'static str {
        if self.libusb_alive || matches!(self.backend, Backend::Simulated | Backend::Injected) {
            "node-usb"
        } else {
            "udev"
        }
    }

    /// The contract's `USBDeviceInfo`, ready to be serialized.
    pub fn info(&self) -> DeviceInfo<'_> {
        DeviceInfo {
            event_id: Some(self.event_id()),
            synthetic: self.synthetic,
            ..self.attachment.info(self.timestamp_ms, self.backend)
        }
    }
}

impl Attachment {
    /// `USBDeviceInfo` of a device that is there, without any event of it.
    pub(crate) fn info(&self, timestamp_ms: u64, backend: Backend) -> DeviceInfo<'_> {
        let Self { device, signature, stable_id, attached_at_ms, tags, .. } = self;
        let names = device.known_names();
        DeviceInfo {
            vendor_id: device.descriptor.id_vendor,
            product_id: device.descriptor.id_product,
            device_descriptor: &device.descriptor,
            serial_number: device.serial_number.as_deref(),
            manufacturer: device.manufacturer.as_deref(),
            product: device.product.as_deref(),
            vendor_name: names.vendor,
            product_name: names.product,
            location: Location {
                bus_number: device.address.bus,
                device_address: device.address.device,
                port_path: device.port_path.to_string(),
            },
            timestamp: timestamp_ms,
            signature,
            attached_at: *attached_at_ms,
            event_id: None,
            stable_id: &stable_id.id,
            identity: stable_id.identity,
            interfaces: &device.interfaces,
            capabilities: device.capabilities(),
            speed: device.speed.as_deref().and_then(|speed| speed.parse().ok()),
            power: device.power,
            backend,
            tags,
            synthetic: None,
            partial: device.partial,
        }
    }
}

/// `USBDeviceInfo` of the contract: what JavaScript, the CLI's NDJSON and HTTP give of an event's device.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceInfo<'a> {
    /// Vendor ID.
    pub vendor_id: u16,
    /// Product ID.
    pub product_id: u16,
    /// As the device gave it.
    pub device_descriptor: &'a DeviceDescriptor,
    /// As the device gave it; none where it has none, or where it is unknown. So the next two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<&'a str>,
    /// As the device gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<&'a str>,
    /// As the device gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<&'a str>,
    /// What the USB ID Repository calls it, where the device does not say it. So the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor_name: Option<String>,
    /// As the repository has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
    /// Where it is plugged in.
    pub location: Location,
    /// When this transition was observed, in ms since 1970.
    pub timestamp: u64,
    /// The specification's signature.
    pub signature: &'a str,
    /// When the device came, in ms since 1970.
    pub attached_at: u64,
    /// `<producer>:<seq>`; none of a device without an event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// Which unit it is.
    pub stable_id: &'a str,
    /// What `stable_id` rests on.
    pub identity: Identity,
    /// Distinct interface classes, in the descriptors' order.
    pub interfaces: &'a [InterfaceClass],
    /// What it can do, in words.
    pub capabilities: Vec<&'static str>,
    /// Mbit/s, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// What it asks of its port, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// What established the transition.
    pub backend: Backend,
    /// What the rules of the filters call it.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub tags: &'a [String],
    /// Set where reconciliation made the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synthetic: Option<Synthetic>,
    /// What is missing is unknown, not absent.
    pub partial: bool,
}

/// Where a device is plugged in.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// Number of the bus.
    pub bus_number: u16,
    /// New after each replug.
    pub device_address: u16,
    /// Hub ports joined by dots, `0` for a root hub.
    pub port_path: String,
}
