//! A device in a port, as the kernel sees it: one address, one directory, one set of uevent keys.

use std::sync::Arc;

use crate::device::Device;
use crate::name::DeviceName;

/// One stay of a device in a port.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    pub(crate) name: DeviceName,
    pub(crate) devpath: String,
    pub(crate) address: u8,
    pub(crate) device: Arc<Device>,
}

/// The kernel's major number for USB device nodes.
pub(crate) const MAJOR: u32 = 189;

type Keys = Vec<(&'static str, String)>;

impl Attachment {
    pub(crate) fn new(name: DeviceName, address: u8, device: Arc<Device>) -> Self {
        Self { devpath: name.devpath(), name, address, device }
    }

    pub(crate) fn minor(&self) -> u32 {
        (u32::from(self.name.bus()) - 1) * 128 + u32::from(self.address) - 1
    }

    /// The device node below `/dev/bus/usb`.
    pub(crate) fn node(&self) -> String {
        format!("{:03}/{:03}", self.name.bus(), self.address)
    }

    /// The keys of a `usb_device`, in the kernel's order; a bound device also names its driver.
    pub(crate) fn keys(&self, bound: bool) -> Keys {
        let class = self.device.numbers.class;
        let mut keys = vec![
            ("MAJOR", MAJOR.to_string()),
            ("MINOR", self.minor().to_string()),
            ("DEVNAME", format!("bus/usb/{}", self.node())),
            ("DEVTYPE", "usb_device".to_owned()),
        ];
        if bound {
            keys.push(("DRIVER", "usb".to_owned()));
        }
        keys.extend([
            ("PRODUCT", self.product()),
            ("TYPE", format!("{}/{}/{}", class.0, class.1, class.2)),
            ("BUSNUM", format!("{:03}", self.name.bus())),
            ("DEVNUM", format!("{:03}", self.address)),
        ]);
        keys
    }

    /// The keys of interface `number`, in the kernel's order.
    pub(crate) fn interface_keys(&self, number: usize, bound: bool) -> Keys {
        let class = self.device.numbers.class;
        let interface = self.device.interfaces.get(number).copied().unwrap_or_default();
        let mut keys = vec![("DEVTYPE", "usb_interface".to_owned())];
        if let (true, Some(driver)) = (bound, self.interface_driver(number)) {
            keys.push(("DRIVER", driver.to_owned()));
        }
        keys.extend([
            ("PRODUCT", self.product()),
            ("TYPE", format!("{}/{}/{}", class.0, class.1, class.2)),
            ("INTERFACE", format!("{}/{}/{}", interface.0, interface.1, interface.2)),
            ("MODALIAS", self.interface_alias(number)),
        ]);
        keys
    }

    pub(crate) fn interface_devpath(&self, number: usize) -> String {
        format!("{}/{}", self.devpath, self.name.interface(number))
    }

    pub(crate) fn interface_alias(&self, number: usize) -> String {
        let numbers = &self.device.numbers;
        let interface = self.device.interfaces.get(number).copied().unwrap_or_default();
        format!(
            "usb:v{:04X}p{:04X}d{:04X}dc{:02X}dsc{:02X}dp{:02X}ic{:02X}isc{:02X}ip{:02X}in{number:02X}",
            numbers.vendor_id,
            numbers.product_id,
            numbers.device_version,
            numbers.class.0,
            numbers.class.1,
            numbers.class.2,
            interface.0,
            interface.1,
            interface.2,
        )
    }

    /// The driver that a usual kernel binds to interface `number`.
    pub(crate) fn interface_driver(&self, number: usize) -> Option<&'static str> {
        match self.device.interfaces.get(number)?.0 {
            0x03 => Some("usbhid"),
            0x08 => Some("usb-storage"),
            0x09 => Some("hub"),
            _ => None,
        }
    }

    fn product(&self) -> String {
        let numbers = &self.device.numbers;
        format!("{:x}/{:x}/{:x}", numbers.vendor_id, numbers.product_id, numbers.device_version)
    }
}
