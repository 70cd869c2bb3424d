//! What was reported and brought no event, and why: for whoever asks where their device is.

use serde::Serialize;

use crate::device::Device;
use crate::event::Action;

/// Why a report brought no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WithheldReason {
    /// A filter holds the device back.
    Filtered,
    /// The device was attached already.
    Duplicate,
    /// No such device was attached.
    Unknown,
}

impl WithheldReason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Filtered, Self::Duplicate, Self::Unknown];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filtered => "filtered",
            Self::Duplicate => "duplicate",
            Self::Unknown => "unknown",
        }
    }
}

/// A report that brought no event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Withheld {
    /// When it was observed, in ms since 1970.
    pub timestamp: u64,
    /// What was reported.
    pub action: Action,
    /// Why it is no event.
    pub reason: WithheldReason,
    /// Who reported it.
    pub source: &'static str,
    /// The kernel's name of the place: `1-4.2`.
    pub name: String,
    /// The device's bus.
    pub bus_number: u16,
    /// Its address there.
    pub device_address: u16,
    /// 0 where it is not known.
    pub vendor_id: u16,
    /// 0 where it is not known.
    pub product_id: u16,
    /// The device's own, which may hold any character.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<String>,
    /// The device's own, which may hold any character.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The device's own, which may hold any character.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial_number: Option<String>,
    /// Which list or rule; the event that told of it before; empty where there is nothing to add.
    pub detail: String,
}

impl Withheld {
    /// A report about this device.
    pub fn of(
        device: &Device,
        action: Action,
        source: &'static str,
        timestamp: u64,
        reason: WithheldReason,
        detail: String,
    ) -> Self {
        Self {
            timestamp,
            action,
            reason,
            source,
            name: device.port_path.name(),
            bus_number: device.address.bus,
            device_address: device.address.device,
            vendor_id: device.descriptor.id_vendor,
            product_id: device.descriptor.id_product,
            manufacturer: device.manufacturer.clone(),
            product: device.product.clone(),
            serial_number: device.serial_number.clone(),
            detail,
        }
    }
}
