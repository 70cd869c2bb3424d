//! USB's own descriptors, read from the raw bytes that sysfs keeps.

use serde::{Deserialize, Serialize};

const DEVICE_DESCRIPTOR_LENGTH: usize = 18;
const INTERFACE_DESCRIPTOR: u8 = 4;
const INTERFACE_DESCRIPTOR_LENGTH: usize = 9;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// The distinct interface classes in the configurations that follow the device descriptor.
///
/// Read from the raw bytes because at `add` no configuration has been chosen yet and the interface directories
/// do not exist. A descriptor of length 0 or beyond the end stops the reading: what came before it stands.
pub fn interface_classes(bytes: &[u8]) -> Vec<InterfaceClass> {
    let mut found = Vec::new();
    let mut rest = bytes.get(DEVICE_DESCRIPTOR_LENGTH..).unwrap_or_default();
    while let Some(&length) = rest.first() {
        let Some(descriptor) = rest.get(..usize::from(length)) else { break };
        if descriptor.len() < 2 {
            break;
        }
        if descriptor[1] == INTERFACE_DESCRIPTOR && descriptor.len() >= INTERFACE_DESCRIPTOR_LENGTH {
            let class =
                InterfaceClass { class: descriptor[5], subclass: descriptor[6], protocol: descriptor[7] };
            if !found.contains(&class) {
                found.push(class);
            }
        }
        rest = &rest[descriptor.len()..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A full-speed composite device: HID keyboard, HID mouse twice over as alternate settings, a vendor interface.
    const COMPOSITE: &str = "12010002000000406d0433c5011201020301\
        09023b000301 00a0310904000001030101000705810308000a 0904010001030102000904010101030102000904020000ff000000";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex"))
            .collect()
    }

    #[test]
    fn device_descriptor_is_read_little_endian() {
        let descriptor = DeviceDescriptor::parse(&bytes(COMPOSITE)).expect("18 bytes");
        assert_eq!((descriptor.id_vendor, descriptor.id_product), (0x046d, 0xc533));
        assert_eq!((descriptor.bcd_usb, descriptor.bcd_device), (0x0200, 0x1201));
        assert_eq!((descriptor.i_manufacturer, descriptor.b_num_configurations), (1, 1));
        assert_eq!(DeviceDescriptor::parse(&bytes(COMPOSITE)[..17]), None);
    }

    #[test]
    fn each_interface_class_is_listed_once_in_order() {
        let classes: Vec<String> =
            interface_classes(&bytes(COMPOSITE)).iter().map(ToString::to_string).collect();
        assert_eq!(classes, ["03/01/01", "03/01/02", "ff/00/00"]);
    }

    #[test]
    fn a_descriptor_cut_short_keeps_what_came_before() {
        let whole = bytes(COMPOSITE);
        assert_eq!(interface_classes(&whole[..40]).len(), 1);
        assert!(interface_classes(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reading_fail_or_hang(noise in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let _ = DeviceDescriptor::parse(&noise);
            prop_assert!(interface_classes(&noise).len() <= noise.len() / INTERFACE_DESCRIPTOR_LENGTH);
        }
    }
}
