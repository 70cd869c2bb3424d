//! The kernel's log, in which devices' own words stand.

use crate::device::DeviceDescriptor;
use crate::kernel_log::{Announcements, Record};

const DESCRIPTOR: usize = 18;

/// A device descriptor, and records behind it, an empty line between any two.
///
/// # Panics
/// Where the reader breaks a law.
pub fn kernel_log(bytes: &[u8]) {
    let Some((descriptor, records)) = bytes.split_at_checked(DESCRIPTOR) else { return };
    let mut announcements = Announcements::default();
    let mut minors = Vec::new();
    for record in split(records) {
        let Some(read) = Record::parse(record) else { continue };
        assert!(read.text.len() < record.len(), "no escape is shorter than what it stands for");
        let name = String::from_utf8_lossy(&read.of).trim_start_matches("usb ").to_owned();
        minors.push((read.minor, name));
        announcements.take_in(read);
    }
    let Some(descriptor) = DeviceDescriptor::parse(descriptor) else { return };
    for (minor, name) in minors {
        if let Some(strings) = announcements.strings(minor, &name, &descriptor) {
            let texts = [strings.manufacturer, strings.product, strings.serial_number];
            // Each byte that is no UTF-8 is three.
            let length: usize = texts.iter().flatten().map(String::len).sum();
            assert!(length <= 3 * bytes.len(), "{texts:?}");
        }
        assert_eq!(announcements.strings(minor, &name, &descriptor), None, "asked for once");
    }
}

fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let all = rest?;
        let end = all.windows(2).position(|pair| pair == b"\n\n");
        rest = end.map(|end| &all[end + 2..]);
        Some(end.map_or(all, |end| &all[..=end]))
    })
}
