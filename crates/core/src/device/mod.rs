//! What is known of one attached device, and the names made of it.

#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only sysfs gives descriptors as they are"))]
mod bos;
mod capability;
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only sysfs gives descriptors as they are"))]
mod configuration;
mod descriptor;
mod function;
mod given;
mod hid_report;
mod identify;
mod identity;
#[cfg(target_os = "linux")]
mod interface_string;
mod names;
mod port_path;
mod serial;
mod shared_serials;
mod walk;

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[cfg(target_os = "linux")]
pub use bos::{Platform, Store, store};
pub(crate) use capability::capabilities;
#[cfg(target_os = "linux")]
pub use configuration::{
    Configurations, MOST_CLASSES, configurations, interface_counts, interface_descriptors,
};
pub use descriptor::{DeviceDescriptor, InterfaceClass, Power};
pub use function::Functions;
pub use hid_report::{ReportUsages, report_usages};
pub use identify::{Identified, Reason};
pub use identity::{Identity, SerialMemory, StableId};
#[cfg(target_os = "linux")]
pub(crate) use interface_string::of_interface_string;
pub use names::KnownNames;
pub use port_path::PortPath;
pub use shared_serials::{SharedSerials, Unit};

/// A device's place on the bus while it is attached: bus number and device address.
///
/// The address is new after each replug and wraps at 127, so it names an attachment only while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Address {
    /// Bus number (`busnum` of the kernel), from 1.
    pub bus: u16,
    /// Device address on that bus (`devnum` of the kernel), 1 to 127.
    pub device: u16,
}

/// One attached device, as it was described when it came. Kept until its detach has been told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Where it is.
    pub address: Address,
    /// Which port it hangs on.
    pub port_path: PortPath,
    /// USB's device descriptor; of a partial device that had left, only the fields that the uevent carried.
    #[serde(with = "descriptor::record")]
    pub descriptor: DeviceDescriptor,
    /// Manufacturer string, if the device has one.
    pub manufacturer: Option<String>,
    /// Product string, if the device has one.
    pub product: Option<String>,
    /// Serial number string, if the device has one.
    pub serial_number: Option<String>,
    /// Signalling rate in Mbit/s as sysfs prints it (`1.5`, `480`), if known.
    pub speed: Option<String>,
    /// Distinct interface classes of all configurations, in the order of the descriptors.
    pub interfaces: Vec<InterfaceClass>,
    /// What its descriptors say beyond those classes.
    #[serde(default, skip_serializing_if = "Functions::is_empty")]
    pub functions: Functions,
    /// What it asks of its port, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Power>,
    /// Host controller and generation of the bus (`0000:00:14.0-usb2`), if known: bus numbers may change.
    pub bus_path: Option<String>,
    /// Inode of its directory in sysfs, which no other device gets before the next boot, if known.
    pub inode: Option<u64>,
    /// Not all is known: it had left before it could be read, or its strings were kept for too long.
    pub partial: bool,
}

impl Device {
    /// A partial device: what the kernel's uevent says of it. `product` is vendor, product and release, `class` class, subclass
    /// and protocol.
    pub(crate) fn of_uevent(
        address: Address,
        name: &str,
        product: (u16, u16, u16),
        class: (u8, u8, u8),
        bus_path: Option<String>,
    ) -> Self {
        let (id_vendor, id_product, bcd_device) = product;
        let (b_device_class, b_device_sub_class, b_device_protocol) = class;
        Self {
            address,
            port_path: PortPath::parse(name).unwrap_or_else(|| PortPath::new(address.bus, Vec::new())),
            descriptor: DeviceDescriptor {
                b_length: 18,
                b_descriptor_type: 1,
                b_device_class,
                b_device_sub_class,
                b_device_protocol,
                id_vendor,
                id_product,
                bcd_device,
                ..DeviceDescriptor::default()
            },
            manufacturer: None,
            product: None,
            serial_number: None,
            speed: None,
            interfaces: Vec::new(),
            functions: Functions::default(),
            power: None,
            bus_path,
            inode: None,
            partial: true,
        }
    }

    /// What it can do, in words: `hid:keyboard`, `storage:uas`.
    pub fn capabilities(&self) -> Vec<&'static str> {
        capabilities(&self.descriptor, &self.interfaces, &self.functions)
    }

    /// Whether it can do this: `hid:keyboard`, or `serial:*` for any kind of a group.
    pub fn can(&self, wanted: &str) -> bool {
        is_among(wanted, &self.capabilities())
    }

    /// The specification's signature: first 16 hex digits of SHA-256 over `vid:pid:bus:address`, all decimal.
    ///
    /// It names an attachment, but may come again once addresses wrap.
    pub fn signature(&self) -> String {
        let text = format!(
            "{}:{}:{}:{}",
            self.descriptor.id_vendor, self.descriptor.id_product, self.address.bus, self.address.device
        );
        let digest = Sha256::digest(text.as_bytes());
        let mut signature = String::with_capacity(16);
        for byte in &digest[..8] {
            // Writing to a string cannot fail.
            let _ = write!(signature, "{byte:02x}");
        }
        signature
    }
}

/// Whether one of these capabilities is this one, or of this group (`serial:*`).
pub(crate) fn is_among(wanted: &str, capabilities: &[&str]) -> bool {
    let group = wanted.strip_suffix('*').filter(|group| group.ends_with(':'));
    capabilities.iter().any(|word| *word == wanted || group.is_some_and(|group| word.starts_with(group)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signature_is_the_specifications_hash() {
        let address = Address { bus: 1, device: 5 };
        let device = Device::of_uevent(address, "1-4.2", (0x046d, 0xc077, 0), (0, 0, 0), None);
        // printf '1133:49271:1:5' | sha256sum | cut -c1-16
        assert_eq!(device.signature(), "0a6bf5b65ba74429");
    }
}
