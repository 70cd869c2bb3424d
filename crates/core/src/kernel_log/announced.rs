//! What the kernel writes about a device just before it tells programs of it: five lines, in this order, of which the last three are
//! there only for strings that it has.
//!
//! ```text
//! usb 1-4.2: New USB device found, idVendor=046d, idProduct=c077, bcdDevice=72.00
//! usb 1-4.2: New USB device strings: Mfr=1, Product=2, SerialNumber=0
//! usb 1-4.2: Product: USB Optical Mouse
//! usb 1-4.2: Manufacturer: Logitech
//! usb 1-4.2: SerialNumber: 0123
//! ```

use std::collections::VecDeque;

use super::record::Record;
use crate::device::DeviceDescriptor;

/// So many devices are remembered that nobody has asked after yet.
const MOST: usize = 128;

const FOUND: &str = "New USB device found, ";
const INDICES: &str = "New USB device strings: ";
/// The lines with strings, in the kernel's order.
const STRINGS: [&[u8]; 3] = [b"Product: ", b"Manufacturer: ", b"SerialNumber: "];
const LEFT: &[u8] = b"USB disconnect, ";

/// A device's strings as the kernel has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strings {
    pub(crate) manufacturer: Option<String>,
    pub(crate) product: Option<String>,
    pub(crate) serial_number: Option<String>,
}

/// Devices that the kernel has written about, and that are connected as far as its log says.
#[derive(Debug, Default)]
pub(crate) struct Announcements(VecDeque<Announced>);

#[derive(Debug)]
struct Announced {
    /// The first line.
    found: Record,
    /// What the second one says.
    indices: Option<Vec<u8>>,
    strings: [Option<String>; 3],
    /// Which of [`STRINGS`] may still come: what drivers write later may look like one.
    next: usize,
}

impl Announcements {
    /// Takes one line of the log in.
    pub(crate) fn take_in(&mut self, record: Record) {
        let is_found = record.text.starts_with(FOUND.as_bytes());
        if is_found || record.text.starts_with(LEFT) {
            self.0.retain(|announced| announced.found.minor != record.minor);
        }
        if is_found {
            if self.0.len() == MOST {
                self.0.pop_front();
            }
            self.0.push_back(Announced {
                found: record,
                indices: None,
                strings: [None, None, None],
                next: 0,
            });
        } else if let Some(announced) =
            self.0.iter_mut().find(|announced| announced.found.minor == record.minor)
        {
            announced.go_on(record.text);
        }
    }

    /// What the kernel has written, once, about the device whose node has this number, if that is the one which is called `name` and has
    /// this descriptor. None as well where a string is not there: whether the device has none, or it could not be read yet, the log does not say.
    pub(crate) fn strings(
        &mut self,
        minor: u32,
        name: &str,
        descriptor: &DeviceDescriptor,
    ) -> Option<Strings> {
        let at = self.0.iter().position(|announced| announced.found.minor == minor)?;
        let Announced { found, indices, strings: [product, manufacturer, serial_number], .. } =
            self.0.remove(at)?;
        let is_it = found.is_of(name) && is_found(&found.text, descriptor);
        if !is_it || indices? != of_indices(descriptor).into_bytes() {
            return None;
        }
        // A line about a string that the device does not claim to have is somebody else's.
        let claimed = |index, string: Option<String>| if index == 0 { Some(None) } else { string.map(Some) };
        Some(Strings {
            manufacturer: claimed(descriptor.i_manufacturer, manufacturer)?,
            product: claimed(descriptor.i_product, product)?,
            serial_number: claimed(descriptor.i_serial_number, serial_number)?,
        })
    }

    /// Something may have been missed: what is known may be of devices that have left.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

impl Announced {
    fn go_on(&mut self, text: Vec<u8>) {
        if self.indices.is_none() {
            self.indices = Some(text);
            return;
        }
        let rest = STRINGS.iter().zip(0..).skip(self.next);
        let line = rest.clone().find_map(|(name, at)| Some((at, text.strip_prefix(*name)?)));
        self.next = line.map_or(STRINGS.len(), |(at, _)| at + 1);
        if let Some((at, string)) = line {
            self.strings[at] = Some(String::from_utf8_lossy(string).into_owned());
        }
    }
}

impl Record {
    /// Whether it is about the device of this name, which has no driver yet.
    fn is_of(&self, name: &str) -> bool {
        self.of.strip_prefix(b"usb ") == Some(name.as_bytes())
    }
}

/// Whether this first line is about a device with this descriptor. Old kernels do not tell its release.
fn is_found(text: &[u8], descriptor: &DeviceDescriptor) -> bool {
    let DeviceDescriptor { id_vendor, id_product, bcd_device, .. } = descriptor;
    let ids = format!("{FOUND}idVendor={id_vendor:04x}, idProduct={id_product:04x}");
    let [minor, major] = bcd_device.to_le_bytes();
    text == ids.as_bytes() || text == format!("{ids}, bcdDevice={major:2x}.{minor:02x}").as_bytes()
}

fn of_indices(descriptor: &DeviceDescriptor) -> String {
    let DeviceDescriptor { i_manufacturer, i_product, i_serial_number, .. } = descriptor;
    format!("{INDICES}Mfr={i_manufacturer}, Product={i_product}, SerialNumber={i_serial_number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 5] = [
        "New USB device found, idVendor=046d, idProduct=c077, bcdDevice= 2.05",
        "New USB device strings: Mfr=1, Product=2, SerialNumber=3",
        "Product: Mouse",
        "Manufacturer: Logitech",
        "SerialNumber: 0123",
    ];
    const LEFT: &str = "USB disconnect, device number 5";

    fn descriptor(product: u16, indices: [u8; 3]) -> DeviceDescriptor {
        let [manufacturer, of_product, serial] = indices;
        let [low, high] = product.to_le_bytes();
        let bytes = [
            18,
            1,
            0,
            2,
            0,
            0,
            0,
            64,
            0x6d,
            0x04,
            low,
            high,
            0x05,
            0x02,
            manufacturer,
            of_product,
            serial,
            1,
        ];
        DeviceDescriptor::parse(&bytes).expect("a descriptor")
    }

    fn mouse() -> DeviceDescriptor {
        descriptor(0xc077, [1, 2, 3])
    }

    fn after(lines: &[(u32, &str)]) -> Announcements {
        let mut announcements = Announcements::default();
        for (minor, text) in lines {
            announcements.take_in(Record { minor: *minor, of: "usb 1-4".into(), text: (*text).into() });
        }
        announcements
    }

    fn told(manufacturer: &str, product: &str, serial_number: &str) -> Strings {
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
        lines.insert(4, (5, "New USB device strings: Mfr=0, Product=2, SerialNumber=0"));
        lines.push((5, "Product: Another"));
        let mut announcements = after(&lines);
        assert_eq!(announcements.strings(4, "1-4", &mouse()), Some(told("Logitech", "Mouse", "0123")));
        assert_eq!(announcements.strings(4, "1-4", &mouse()), None, "that has been asked for");
        let another = descriptor(0xc077, [0, 2, 0]);
        assert_eq!(announcements.strings(5, "1-4", &another), Some(told("", "Another", "")));
        assert_eq!(announcements.strings(6, "1-4", &mouse()), None);
    }

    #[test]
    fn of_a_device_with_a_string_that_is_not_there_nothing_is_answered() {
        for missing in &LINES[2..] {
            let lines: Vec<_> = LINES.iter().filter(|line| *line != missing).map(|line| (4, *line)).collect();
            assert_eq!(after(&lines).strings(4, "1-4", &mouse()), None, "without {missing}");
        }
    }

    #[test]
    fn what_drivers_write_later_is_no_string_of_the_device() {
        for (lines, later) in [
            (&LINES[..4], ["reset high-speed USB device", "SerialNumber: a driver's"]),
            (&LINES[..4], ["Product: a driver's", "SerialNumber: a driver's"]),
            (&[LINES[0], LINES[1], LINES[3], LINES[4]], ["Product: a driver's", "Product: a driver's"]),
        ] {
            let lines: Vec<_> = lines.iter().chain(&later).map(|line| (4, *line)).collect();
            assert_eq!(after(&lines).strings(4, "1-4", &mouse()), None, "{lines:?}");
        }
        let lines =
            [LINES[0], "New USB device strings: Mfr=1, Product=2, SerialNumber=0", LINES[2], LINES[3]];
        let lines: Vec<_> =
            lines.iter().chain(&["SerialNumber: a driver's"]).map(|line| (4, *line)).collect();
        let strings = after(&lines).strings(4, "1-4", &descriptor(0xc077, [1, 2, 0]));
        assert_eq!(strings, Some(told("Logitech", "Mouse", "")));
    }

    #[test]
    fn another_device_or_half_of_what_is_written_is_no_answer() {
        let whole = LINES.map(|line| (4, line));
        for (lines, name, asked) in [
            (&whole[..], "1-5", mouse()),
            (&whole[..], "1-4", descriptor(0xc078, [1, 2, 3])),
            (&whole[..], "1-4", descriptor(0xc077, [1, 2, 0])),
            (&whole[..1], "1-4", mouse()),
            (&whole[1..], "1-4", mouse()),
            (&[whole[0], whole[2], whole[1], whole[3], whole[4]], "1-4", mouse()),
            (&[&[(4, "New USB device found, idVendor=46d")], &whole[1..]].concat(), "1-4", mouse()),
        ] {
            assert_eq!(after(lines).strings(4, name, &asked), None, "{name} {lines:?}");
        }
        let released = LINES[0].replace(" 2.05", " 2.06");
        let lines = [&[(4, released.as_str())], &whole[1..]].concat();
        assert_eq!(after(&lines).strings(4, "1-4", &mouse()), None, "another release");
        let old = [&[(4, LINES[0].split_at(LINES[0].len() - 17).0)], &whole[1..]].concat();
        assert!(after(&old).strings(4, "1-4", &mouse()).is_some(), "{old:?}");
    }

    #[test]
    fn the_next_device_with_a_number_takes_the_place_of_one_that_has_left() {
        let whole = LINES.map(|line| (4, line));
        let left = [&whole[..], &[(5, LINES[0]), (4, LEFT)]].concat();
        let announcements = after(&left);
        assert_eq!(announcements.0.iter().map(|announced| announced.found.minor).collect::<Vec<_>>(), [5]);
        // Were the line that it has left lost, too.
        let replaced = [&whole[..], &whole[..2]].concat();
        assert_eq!(after(&replaced).strings(4, "1-4", &mouse()), None);
        assert_eq!(after(&replaced).0.len(), 1);
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let last = u32::try_from(MOST).expect("small");
        let lines: Vec<_> = (0..=last).flat_map(|minor| LINES.map(|line| (minor, line))).collect();
        let mut announcements = after(&lines);
        assert_eq!(announcements.0.len(), MOST);
        assert_eq!(announcements.strings(0, "1-4", &mouse()), None);
        assert!(announcements.strings(last, "1-4", &mouse()).is_some());
    }
}
