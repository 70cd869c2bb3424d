//! USB's own descriptors, read from the raw bytes that sysfs keeps.

use serde::{Deserialize, Serialize};

pub(super) const DEVICE_DESCRIPTOR_LENGTH: usize = 18;

/// The 14 fields of USB's device descriptor, under their own names when serialized.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeviceDescriptor {
    /// Size of the descriptor in bytes: 18.
    pub b_length: u8,
    /// Descriptor type: 1.
    pub b_descriptor_type: u8,
    /// USB release in binary-coded decimal: 0x0210 is 2.1.
    #[serde(rename = "bcdUSB")]
    pub bcd_usb: u16,
    /// Device class; 0 means that each interface has its own.
    pub b_device_class: u8,
    /// Device subclass.
    pub b_device_sub_class: u8,
    /// Device protocol.
    pub b_device_protocol: u8,
    /// Largest packet of endpoint 0; from USB 3 on the exponent of 2.
    pub b_max_packet_size0: u8,
    /// Vendor ID.
    pub id_vendor: u16,
    /// Product ID.
    pub id_product: u16,
    /// Device release in binary-coded decimal.
    pub bcd_device: u16,
    /// Index of the manufacturer string, 0 for none.
    pub i_manufacturer: u8,
    /// Index of the product string, 0 for none.
    pub i_product: u8,
    /// Index of the serial number string, 0 for none.
    pub i_serial_number: u8,
    /// Number of configurations.
    pub b_num_configurations: u8,
}

impl DeviceDescriptor {
    /// What the device says of itself at the top; its interfaces may say more.
    pub fn class(&self) -> InterfaceClass {
        InterfaceClass {
            class: self.b_device_class,
            subclass: self.b_device_sub_class,
            protocol: self.b_device_protocol,
        }
    }

    /// Reads the device descriptor at the head of sysfs's `descriptors`. None where it is too short to be one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let d: &[u8; DEVICE_DESCRIPTOR_LENGTH] = bytes.first_chunk()?;
        let word = |at: usize| u16::from_le_bytes([d[at], d[at + 1]]);
        Some(Self {
            b_length: d[0],
            b_descriptor_type: d[1],
            bcd_usb: word(2),
            b_device_class: d[4],
            b_device_sub_class: d[5],
            b_device_protocol: d[6],
            b_max_packet_size0: d[7],
            id_vendor: word(8),
            id_product: word(10),
            bcd_device: word(12),
            i_manufacturer: d[14],
            i_product: d[15],
            i_serial_number: d[16],
            b_num_configurations: d[17],
        })
    }
}

/// Class, subclass and protocol of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InterfaceClass {
    /// Interface class by USB-IF's codes.
    pub class: u8,
    /// Interface subclass.
    pub subclass: u8,
    /// Interface protocol.
    pub protocol: u8,
}

/// Two hex digits each: `cc/ss/pp`.
impl std::fmt::Display for InterfaceClass {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:02x}/{:02x}/{:02x}", self.class, self.subclass, self.protocol)
    }
}

/// What a device asks of its port, and can do for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Power {
    /// It has a supply of its own.
    pub self_powered: bool,
    /// It can wake the host.
    pub remote_wakeup: bool,
    /// It takes so many mA from the bus at the most.
    pub max_milliamps: u16,
}

impl Power {
    pub(super) fn of(attributes: u8, power: u8, is_super_speed: bool) -> Self {
        let unit = if is_super_speed { 8 } else { 2 };
        Self {
            self_powered: attributes & 0x40 != 0,
            remote_wakeup: attributes & 0x20 != 0,
            max_milliamps: u16::from(power) * unit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::bytes;

    #[test]
    fn device_descriptor_is_read_little_endian() {
        let raw = bytes("12010002000000406d0433c5011201020301");
        let descriptor = DeviceDescriptor::parse(&raw).expect("18 bytes");
        assert_eq!((descriptor.id_vendor, descriptor.id_product), (0x046d, 0xc533));
        assert_eq!((descriptor.bcd_usb, descriptor.bcd_device), (0x0200, 0x1201));
        assert_eq!((descriptor.i_manufacturer, descriptor.b_num_configurations), (1, 1));
        assert_eq!(DeviceDescriptor::parse(&raw[..17]), None);
    }
}
