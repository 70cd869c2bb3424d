//! USB's own descriptors, read from the raw bytes that sysfs keeps.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

const DEVICE_DESCRIPTOR_LENGTH: usize = 18;
const CONFIGURATION_DESCRIPTOR: u8 = 2;
const INTERFACE_DESCRIPTOR: u8 = 4;
/// Of a configuration's and of an interface's descriptor.
const LEAST_LENGTH: usize = 9;
/// As many as Linux takes: 32 interfaces in a configuration, each with 128 alternate settings.
const MOST_CLASSES: usize = 32 * 128;

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

/// What the configurations that follow the device descriptor say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Configurations {
    /// The distinct classes of all their interfaces and alternate settings, in the descriptors' order.
    pub interfaces: Vec<InterfaceClass>,
    /// Of the first one.
    pub power: Option<Power>,
    /// The first thing in them that is not as USB has it. What came before it stands; what comes after it, only where it can be found.
    pub fault: Option<String>,
}

/// Reads the raw bytes because at `add` no configuration has been chosen yet, and the interface directories do not exist.
///
/// No bytes make this fail, and the time that it takes grows with their number alone. `is_super_speed` is the unit of power.
pub fn configurations(bytes: &[u8], is_super_speed: bool) -> Configurations {
    let mut found = Configurations::default();
    let mut seen = HashSet::new();
    let mut walk = Walk::after_device(bytes);
    for (at, descriptor) in &mut walk {
        match (descriptor[1], descriptor) {
            (CONFIGURATION_DESCRIPTOR, [_, _, _, _, _, _, _, attributes, power, ..]) => {
                found.power.get_or_insert_with(|| Power::of(*attributes, *power, is_super_speed));
            }
            (CONFIGURATION_DESCRIPTOR, _) => found.fail(at, || too_short(descriptor)),
            (INTERFACE_DESCRIPTOR, _) => match interface(descriptor) {
                Some(class) if seen.insert(class) => found.add(at, class),
                Some(_) => {}
                None => found.fail(at, || too_short(descriptor)),
            },
            _ => {}
        }
    }
    if let Some((at, length, rest)) = walk.end() {
        found.fail(at, || format!("says that it has {length} bytes, of the {rest} that are left"));
    }
    found
}

/// The class of each interface descriptor, those of alternate settings too, as often as it is there.
pub fn interface_descriptors(bytes: &[u8]) -> Vec<InterfaceClass> {
    Walk::after_device(bytes).filter_map(|(_, descriptor)| interface(descriptor)).collect()
}

fn too_short(descriptor: &[u8]) -> String {
    format!("has {} bytes, and needs {LEAST_LENGTH}", descriptor.len())
}

fn interface(descriptor: &[u8]) -> Option<InterfaceClass> {
    match descriptor {
        [_, INTERFACE_DESCRIPTOR, _, _, _, class, subclass, protocol, _, ..] => {
            Some(InterfaceClass { class: *class, subclass: *subclass, protocol: *protocol })
        }
        _ => None,
    }
}

/// Descriptor after descriptor, each with its place, as far as they can be told apart.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    fn after_device(bytes: &'a [u8]) -> Self {
        Self { bytes, at: DEVICE_DESCRIPTOR_LENGTH }
    }

    /// Where what is left is no descriptor: its place, the length that it claims, and the bytes that there are.
    fn end(&self) -> Option<(usize, u8, usize)> {
        self.bytes.get(self.at).map(|length| (self.at, *length, self.bytes.len() - self.at))
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let length = usize::from(*self.bytes.get(at)?);
        let descriptor = self.bytes.get(at..at + length).filter(|descriptor| descriptor.len() >= 2)?;
        self.at += length;
        Some((at, descriptor))
    }
}

impl Configurations {
    fn add(&mut self, at: usize, class: InterfaceClass) {
        if self.interfaces.len() == MOST_CLASSES {
            return self.fail(at, || format!("is of yet another class, after {MOST_CLASSES}"));
        }
        self.interfaces.push(class);
    }

    fn fail(&mut self, at: usize, what: impl FnOnce() -> String) {
        self.fault.get_or_insert_with(|| format!("the descriptor at byte {at} {}", what()));
    }
}

impl Power {
    fn of(attributes: u8, power: u8, is_super_speed: bool) -> Self {
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
    use proptest::prelude::*;

    /// A full-speed composite device: HID keyboard, HID mouse twice over as alternate settings, a vendor interface.
    const COMPOSITE: &str = "12010002000000406d0433c5011201020301\
        09023b000301 00a0310904000001030101000705810308000a 0904010001030102000904010101030102000904020000ff000000";

    #[test]
    fn device_descriptor_is_read_little_endian() {
        let descriptor = DeviceDescriptor::parse(&bytes(COMPOSITE)).expect("18 bytes");
        assert_eq!((descriptor.id_vendor, descriptor.id_product), (0x046d, 0xc533));
        assert_eq!((descriptor.bcd_usb, descriptor.bcd_device), (0x0200, 0x1201));
        assert_eq!((descriptor.i_manufacturer, descriptor.b_num_configurations), (1, 1));
        assert_eq!(DeviceDescriptor::parse(&bytes(COMPOSITE)[..17]), None);
    }

    fn read(bytes: &[u8]) -> Configurations {
        configurations(bytes, false)
    }

    #[test]
    fn each_interface_class_is_listed_once_in_order() {
        let found = read(&bytes(COMPOSITE));
        let classes: Vec<String> = found.interfaces.iter().map(ToString::to_string).collect();
        assert_eq!(classes, ["03/01/01", "03/01/02", "ff/00/00"]);
        assert_eq!(found.fault, None);
    }

    #[test]
    fn power_is_that_of_the_first_configuration_in_the_units_of_its_speed() {
        let whole = bytes(COMPOSITE);
        let power = Power { self_powered: false, remote_wakeup: true, max_milliamps: 98 };
        assert_eq!(read(&whole).power, Some(power));
        assert_eq!(configurations(&whole, true).power, Some(Power { max_milliamps: 392, ..power }));
        let mut two = whole.clone();
        two.extend([9, 2, 9, 0, 0, 2, 0, 0xc0, 250]);
        assert_eq!(read(&two).power, Some(power));
        assert_eq!(read(&whole[..18]), Configurations::default());
    }

    #[test]
    fn what_is_not_as_usb_has_it_is_said_and_what_came_before_stands() {
        let whole = bytes(COMPOSITE);
        let with = |more: &[u8]| [whole.as_slice(), more].concat();
        for (raw, classes, fault) in [
            (
                whole[..40].to_vec(),
                1,
                "the descriptor at byte 36 says that it has 7 bytes, of the 4 that are left",
            ),
            (with(&[0, 4]), 3, "the descriptor at byte 70 says that it has 0 bytes, of the 2 that are left"),
            (with(&[1]), 3, "the descriptor at byte 70 says that it has 1 bytes, of the 1 that are left"),
            // It has a length, so what comes after it can be found.
            (
                with(&[5, 4, 0, 0, 0, 9, 4, 5, 0, 0, 8, 6, 0x50, 0]),
                4,
                "the descriptor at byte 70 has 5 bytes, and needs 9",
            ),
            (with(&[4, 2, 0, 0]), 3, "the descriptor at byte 70 has 4 bytes, and needs 9"),
        ] {
            let found = read(&raw);
            assert_eq!((found.interfaces.len(), found.fault.as_deref()), (classes, Some(fault)));
        }
    }

    #[test]
    fn the_classes_of_a_hostile_device_are_bounded() {
        let mut raw = bytes(COMPOSITE);
        for code in 0..=0x1fff_u16 {
            let [class, subclass] = code.to_be_bytes();
            raw.extend([9, 4, 0, 0, 0, class, subclass, 0xee, 0]);
        }
        let found = read(&raw);
        assert_eq!(found.interfaces.len(), MOST_CLASSES);
        assert!(found.fault.is_some_and(|fault| fault.ends_with("is of yet another class, after 4096")));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reading_fail_or_hang(noise in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let _ = DeviceDescriptor::parse(&noise);
            prop_assert!(read(&noise).interfaces.len() <= noise.len() / LEAST_LENGTH);
        }
    }
}
