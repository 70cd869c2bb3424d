//! What the kernel writes about a device just before it tells programs of it: five lines, in this order, of which the last three are
//! there only for strings that it has.
//!
//! ```text
//! New USB device found, idVendor=046d, idProduct=c077, bcdDevice=72.00
//! New USB device strings: Mfr=1, Product=2, SerialNumber=0
//! Product: USB Optical Mouse
//! Manufacturer: Logitech
//! SerialNumber: 0123
//! ```

use std::collections::VecDeque;

use super::record::{Record, decimal, split_at};
use crate::device::DeviceDescriptor;

/// So many devices are remembered that nobody has asked after yet.
const MOST: usize = 128;

const FOUND: &[u8] = b"New USB device found, ";
const INDICES: &[u8] = b"New USB device strings: ";
/// The lines with strings, in the kernel's order.
const STRINGS: [&[u8]; 3] = [b"Product: ", b"Manufacturer: ", b"SerialNumber: "];

/// A device's strings as the kernel has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strings {
    pub(crate) manufacturer: Option<String>,
    pub(crate) product: Option<String>,
    pub(crate) serial_number: Option<String>,
}

/// Devices that the kernel has written about.
#[derive(Debug, Default)]
pub(crate) struct Announcements(VecDeque<Announced>);

#[derive(Debug)]
struct Announced {
    minor: u32,
    /// idVendor, idProduct.
    ids: Option<(u16, u16)>,
    /// Of the strings: of manufacturer, product and serial number.
    indices: Option<[u8; 3]>,
    strings: [Option<String>; 3],
    /// Which of [`STRINGS`] may still come; what drivers write later looks alike at most.
    next: usize,
}

impl Announcements {
    /// Takes one line of the log in.
    pub(crate) fn take_in(&mut self, Record { minor, text }: &Record) {
        if let Some(ids) = text.strip_prefix(FOUND) {
            self.0.retain(|announced| announced.minor != *minor);
            if self.0.len() == MOST {
                self.0.pop_front();
            }
            self.0.push_back(Announced::found(*minor, ids));
        } else if let Some(announced) = self.0.iter_mut().rev().find(|announced| announced.minor == *minor) {
            announced.go_on(text);
        }
    }

    /// What the kernel has written about the device whose node has this number, once, if that is the device with this descriptor.
    pub(crate) fn strings(&mut self, minor: u32, descriptor: &DeviceDescriptor) -> Option<Strings> {
        let at = self.0.iter().position(|announced| announced.minor == minor)?;
        let Announced { ids, indices, strings, .. } = self.0.remove(at)?;
        let expected = [descriptor.i_manufacturer, descriptor.i_product, descriptor.i_serial_number];
        let is_it = ids == Some((descriptor.id_vendor, descriptor.id_product)) && indices == Some(expected);
        let [product, manufacturer, serial_number] = strings;
        is_it.then_some(Strings { manufacturer, product, serial_number })
    }

    /// Something may have been missed: what is known may be of devices that have left.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

impl Announced {
    fn found(minor: u32, ids: &[u8]) -> Self {
        let ids = named(ids, [b"idVendor=", b"idProduct="]).and_then(|[vendor, product]| {
            let number = |digits| u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
            Some((number(vendor)?, number(product)?))
        });
        Self { minor, ids, indices: None, strings: [None, None, None], next: STRINGS.len() }
    }

    fn go_on(&mut self, text: &[u8]) {
        if self.indices.is_none() {
            let indices = text.strip_prefix(INDICES);
            let indices = indices.and_then(|text| named(text, [b"Mfr=", b"Product=", b"SerialNumber="]));
            self.indices = indices.and_then(|[manufacturer, product, serial_number]| {
                Some([decimal(manufacturer)?, decimal(product)?, decimal(serial_number)?])
            });
            // Whatever comes in its place, this is not as the kernel writes it.
            self.ids = self.ids.filter(|_| self.indices.is_some());
            self.next = 0;
            return;
        }
        let rest = &STRINGS[self.next..];
        let line = rest.iter().zip(self.next..).find_map(|(name, at)| Some((at, text.strip_prefix(*name)?)));
        self.next = line.map_or(STRINGS.len(), |(at, _)| at + 1);
        if let Some((at, string)) = line {
            self.strings[at] = Some(String::from_utf8_lossy(string).into_owned());
        }
    }
}

/// The values of a list of `name=value` that begins with these names.
fn named<'a, const COUNT: usize>(text: &'a [u8], names: [&[u8]; COUNT]) -> Option<[&'a [u8]; COUNT]> {
    let mut values = [[].as_slice(); COUNT];
    let mut rest = text;
    for (name, value) in names.iter().zip(&mut values) {
        let (this, others) = split_at(rest, b", ").unwrap_or((rest, &[]));
        *value = this.strip_prefix(*name)?;
        rest = others;
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 5] = [
        "New USB device found, idVendor=046d, idProduct=c077, bcdDevice=72.00",
        "New USB device strings: Mfr=1, Product=2, SerialNumber=3",
        "Product: Mouse",
        "Manufacturer: Logitech",
        "SerialNumber: 0123",
    ];

    fn descriptor(product: u16, indices: [u8; 3]) -> DeviceDescriptor {
        let [manufacturer, of_product, serial] = indices;
        let [low, high] = product.to_le_bytes();
        let bytes =
            [18, 1, 0, 2, 0, 0, 0, 64, 0x6d, 0x04, low, high, 0, 0x72, manufacturer, of_product, serial, 1];
        DeviceDescriptor::parse(&bytes).expect("a descriptor")
    }

    fn after(lines: &[(u32, &str)]) -> Announcements {
        let mut announcements = Announcements::default();
        for (minor, text) in lines {
            announcements.take_in(&Record { minor: *minor, text: (*text).into() });
        }
        announcements
    }

    fn told(product: &str, manufacturer: &str, serial_number: &str) -> Strings {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Strings {
            manufacturer: text(manufacturer),
            product: text(product),
            serial_number: text(serial_number),
        }
    }

    #[test]
    fn a_device_has_the_strings_that_were_written_about_it() {
        let mut lines: Vec<_> = LINES.iter().map(|line| (4, *line)).collect();
        lines.insert(2, (5, LINES[0]));
        lines.insert(4, (5, LINES[1]));
        lines.push((5, "Product: Another"));
        let mut announcements = after(&lines);
        let mouse = descriptor(0xc077, [1, 2, 3]);
        assert_eq!(announcements.strings(4, &mouse), Some(told("Mouse", "Logitech", "0123")));
        assert_eq!(announcements.strings(4, &mouse), None, "that has been asked for");
        assert_eq!(announcements.strings(5, &mouse), Some(told("Another", "", "")));
        assert_eq!(announcements.strings(6, &mouse), None);
    }

    #[test]
    fn a_string_that_the_kernel_could_not_get_is_absent() {
        let without = |missing: usize| {
            let lines = LINES.iter().enumerate().filter(|(at, _)| *at != missing);
            let lines: Vec<_> = lines.map(|(_, line)| (4, *line)).collect();
            after(&lines).strings(4, &descriptor(0xc077, [1, 2, 3])).expect("written about")
        };
        assert_eq!(without(2), told("", "Logitech", "0123"));
        assert_eq!(without(3), told("Mouse", "", "0123"));
        assert_eq!(without(4), told("Mouse", "Logitech", ""));
    }

    #[test]
    fn what_drivers_write_later_is_no_string_of_the_device() {
        for later in ["Product: a driver's", "SerialNumber: a driver's"] {
            let lines = [LINES[0], LINES[1], LINES[3], "reset high-speed USB device", later];
            let mut announcements = after(&lines.map(|line| (4, line)));
            let strings = announcements.strings(4, &descriptor(0xc077, [1, 2, 3]));
            assert_eq!(strings, Some(told("", "Logitech", "")), "{later}");
            let mut announcements = after(&[LINES[0], LINES[1], LINES[3], later].map(|line| (4, line)));
            let strings = announcements.strings(4, &descriptor(0xc077, [1, 2, 3])).expect("written about");
            assert_eq!(strings.product, None, "{later}: the kernel writes it first");
        }
    }

    #[test]
    fn another_device_or_half_of_what_is_written_is_no_answer() {
        let whole = LINES.map(|line| (4, line));
        for (lines, asked) in [
            (&whole[..], descriptor(0xc078, [1, 2, 3])),
            (&whole[..], descriptor(0xc077, [1, 2, 0])),
            (&whole[..1], descriptor(0xc077, [1, 2, 3])),
            (&whole[1..], descriptor(0xc077, [1, 2, 3])),
            (&[whole[0], whole[2], whole[1]], descriptor(0xc077, [1, 2, 3])),
            (&[(4, "New USB device found, idVendor=46d"), whole[1], whole[2]], descriptor(0xc077, [1, 2, 3])),
            (
                &[whole[0], (4, "New USB device strings: Mfr=1, Product=2, SerialNumber=256")],
                descriptor(0xc077, [1, 2, 3]),
            ),
        ] {
            assert_eq!(after(lines).strings(4, &asked), None, "{lines:?}");
        }
    }

    #[test]
    fn the_next_device_with_a_number_takes_the_place_of_the_one_before() {
        let mut lines: Vec<_> = LINES.iter().map(|line| (4, *line)).collect();
        lines.extend([(4, LINES[0]), (4, LINES[1])]);
        let mut announcements = after(&lines);
        assert_eq!(announcements.strings(4, &descriptor(0xc077, [1, 2, 3])), Some(Strings::default()));
        assert!(announcements.0.is_empty());
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let last = u32::try_from(MOST).expect("small");
        let lines: Vec<_> = (0..=last).flat_map(|minor| [(minor, LINES[0]), (minor, LINES[1])]).collect();
        let mut announcements = after(&lines);
        let mouse = descriptor(0xc077, [1, 2, 3]);
        assert_eq!(announcements.0.len(), MOST);
        assert_eq!(announcements.strings(0, &mouse), None);
        assert_eq!(announcements.strings(last, &mouse), Some(Strings::default()));
    }
}
