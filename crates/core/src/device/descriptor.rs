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

    /// As the device gives it, whatever its own length says.
    fn to_bytes(&self) -> [u8; DEVICE_DESCRIPTOR_LENGTH] {
        let [usb, vendor, product, release] =
            [self.bcd_usb, self.id_vendor, self.id_product, self.bcd_device].map(u16::to_le_bytes);
        [
            self.b_length,
            self.b_descriptor_type,
            usb[0],
            usb[1],
            self.b_device_class,
            self.b_device_sub_class,
            self.b_device_protocol,
            self.b_max_packet_size0,
            vendor[0],
            vendor[1],
            product[0],
            product[1],
            release[0],
            release[1],
            self.i_manufacturer,
            self.i_product,
            self.i_serial_number,
            self.b_num_configurations,
        ]
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

/// The descriptor in the outbox's records: its bytes in hex, a sixth of what its fields take by their names, and a fraction of the time.
/// Records of versions before 5 have the fields.
pub(super) mod record {
    use std::fmt;

    use serde::de::value::MapAccessDeserializer;
    use serde::de::{Error, MapAccess, Unexpected, Visitor};
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{DEVICE_DESCRIPTOR_LENGTH, DeviceDescriptor};

    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    pub(in crate::device) fn serialize<S: Serializer>(
        descriptor: &DeviceDescriptor,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(2 * DEVICE_DESCRIPTOR_LENGTH);
        for byte in descriptor.to_bytes() {
            text.extend([byte >> 4, byte & 0xf].map(|digit| char::from(DIGITS[usize::from(digit)])));
        }
        serializer.serialize_str(&text)
    }

    pub(in crate::device) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DeviceDescriptor, D::Error> {
        deserializer.deserialize_any(Either)
    }

    struct Either;

    impl<'de> Visitor<'de> for Either {
        type Value = DeviceDescriptor;

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(out, "the {DEVICE_DESCRIPTOR_LENGTH} bytes of a device descriptor in hex, or its fields")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<DeviceDescriptor, E> {
            bytes(text)
                .and_then(|bytes| DeviceDescriptor::parse(&bytes))
                .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
        }

        fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<DeviceDescriptor, A::Error> {
            DeviceDescriptor::deserialize(MapAccessDeserializer::new(fields))
        }
    }

    fn bytes(text: &str) -> Option<[u8; DEVICE_DESCRIPTOR_LENGTH]> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let mut bytes = [0; DEVICE_DESCRIPTOR_LENGTH];
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(bytes)
    }

    fn digit(digit: u8) -> Option<u8> {
        char::from(digit).to_digit(16).and_then(|digit| digit.try_into().ok())
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

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Record(#[serde(with = "record")] DeviceDescriptor);

    #[test]
    fn a_record_has_its_bytes_and_one_of_an_earlier_version_its_fields() {
        let hex = "12010002000000406d0433c5011201020301";
        let descriptor = DeviceDescriptor::parse(&bytes(hex)).expect("18 bytes");
        let fields = serde_json::to_string(&descriptor).expect("JSON");
        assert!(fields.contains("\"idProduct\":50483"), "{fields}");
        let record = Record(descriptor);
        assert_eq!(serde_json::to_string(&record).expect("JSON"), format!("\"{hex}\""));
        for text in [format!("\"{hex}\""), fields] {
            assert_eq!(serde_json::from_str::<Record>(&text).expect("a record"), record);
        }
    }

    #[test]
    fn hex_that_is_not_a_descriptor_is_refused() {
        for text in [
            "",
            "12",
            "12010002000000406d0433c50112010203",
            "12010002000000406d0433c501120102030g",
            "g2010002000000406d0433c5011201020301",
        ] {
            let error = serde_json::from_str::<Record>(&format!("\"{text}\"")).expect_err(text).to_string();
            assert!(error.contains("expected the 18 bytes of a device descriptor in hex"), "{error}");
        }
    }
}
