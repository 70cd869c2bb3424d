//! Describing one device from its sysfs directory.
//!
//! The directory is opened once and every file is read through it, so that all of them are of the same device even if
//! another one takes its name meanwhile. At `add` all of them are there already.
//!
//! Strings come later: they may have to be waited for.

use std::os::fd::OwnedFd;
use std::sync::PoisonError;

use rustix::fs::{CWD, fstat, readlinkat};

use super::attribute::{address, number, open_directory, read_file, text};
use super::strings::StringsToRead;
use super::{Sysfs, inode};
use crate::device::{
    Address, Configurations, Device, DeviceDescriptor, Functions, Platform, PortPath, Store, configurations,
    store,
};
use crate::platform;
use crate::source::netlink::Uevent;

/// Mbit/s from which on a bus is a USB 3 bus.
const SUPER_SPEED: u32 = 5000;
/// The release of USB from which on a device may have a device object store.
const FIRST_WITH_STORE: u16 = 0x0201;

/// A device of which all is known that needs no waiting.
pub(crate) type Description = platform::Description<StringsToRead>;

impl Sysfs {
    /// Describes the device that a uevent named, from sysfs if it is still there, else from the uevent alone.
    pub fn describe_uevent(&self, uevent: &Uevent) -> Description {
        let described = open_directory(CWD, &self.device(&uevent.devpath))
            .and_then(|directory| self.describe(directory, uevent.address, &uevent.devpath));
        described.unwrap_or_else(|| Description::Whole(self.partial(uevent)))
    }

    /// Describes the device that a scan saw under `name`. None where it is gone or another has taken its place.
    pub fn describe_name(&self, name: &str, address: Address) -> Option<Description> {
        let link = self.bus_links().join(name);
        let target = readlinkat(CWD, &link, Vec::new()).ok()?;
        // ../../../devices/pci0000:00/… : the device path is what follows the dots.
        let devpath = target.to_str().ok()?.trim_start_matches("../");
        let directory = open_directory(CWD, &link)?;
        self.describe(directory, address, &format!("/{devpath}"))
    }

    /// Bus and address of the device that is called `name` now.
    pub fn address(&self, name: &str) -> Option<Address> {
        address(&open_directory(CWD, &self.bus_links().join(name))?)
    }

    /// Inode of the directory of the device that is called `name` now.
    pub fn inode(&self, name: &str) -> Option<u64> {
        inode(&self.bus_links().join(name))
    }

    fn describe(&self, directory: OwnedFd, expected: Address, devpath: &str) -> Option<Description> {
        if number::<u16>(&directory, "devnum")? != expected.device {
            return None;
        }
        let raw = read_file(&directory, "descriptors")?;
        let descriptor = DeviceDescriptor::parse(&raw)?;
        let has_strings =
            [descriptor.i_manufacturer, descriptor.i_product, descriptor.i_serial_number] != [0, 0, 0];
        let speed = text(&directory, "speed").filter(|speed| speed != "unknown");
        let is_super_speed = speed.as_deref().is_some_and(is_super_speed);
        let Configurations { interfaces, functions: classes, power, fault } =
            configurations(&raw, is_super_speed);
        if let Some(fault) = fault {
            tracing::warn!(device = devpath, fault, "malformed descriptors: what came before is taken");
        }
        let device = Device {
            address: expected,
            port_path: port_path(devpath)?,
            manufacturer: None,
            product: None,
            serial_number: None,
            speed,
            interfaces,
            functions: Functions { classes, platforms: platforms(&directory, &descriptor, devpath) },
            power,
            bus_path: self.bus_path(devpath),
            inode: fstat(&directory).ok().map(|status| status.st_ino),
            descriptor,
            partial: false,
        };
        Some(if has_strings {
            Description::WithoutStrings(StringsToRead::new(device, directory))
        } else {
            Description::Whole(device)
        })
    }

    /// What a uevent says by itself: enough for an event that must not be dropped for want of details.
    fn partial(&self, uevent: &Uevent) -> Device {
        let bus_path = self.bus_path(&uevent.devpath);
        Device::of_uevent(uevent.address, uevent.name(), uevent.product, uevent.class, bus_path)
    }

    /// The host controller, as sysfs calls it, with the generation of the bus: the two buses of an xHCI controller
    /// number their ports alike, and bus numbers depend on the order in which controllers were found.
    pub(crate) fn bus_path(&self, devpath: &str) -> Option<String> {
        let root_hub = &devpath[..root_hub_end(devpath)?];
        let mut known = self.bus_paths.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = known.get(root_hub) {
            return Some(path.clone());
        }
        let controller = root_hub.rsplit('/').nth(1).filter(|name| !name.is_empty())?;
        let speed = open_directory(CWD, &self.device(root_hub)).and_then(|hub| number::<u32>(&hub, "speed"));
        let Some(speed) = speed else { return Some(controller.to_owned()) };
        let generation = if speed >= SUPER_SPEED { 3 } else { 2 };
        let path = format!("{controller}-usb{generation}");
        known.insert(root_hub.to_owned(), path.clone());
        Some(path)
    }
}

/// Where in a device path the root hub's part ends.
fn root_hub_end(devpath: &str) -> Option<usize> {
    let mut end = 0;
    for part in devpath.split('/') {
        end += part.len();
        if part.starts_with("usb") && PortPath::parse(part).is_some() {
            return Some(end);
        }
        end += 1;
    }
    None
}

/// What a device object store says, where the kernel shows one: older ones keep it to themselves.
fn platforms(directory: &OwnedFd, descriptor: &DeviceDescriptor, devpath: &str) -> Vec<Platform> {
    if descriptor.bcd_usb < FIRST_WITH_STORE {
        return Vec::new();
    }
    let Some(raw) = read_file(directory, "bos_descriptors").filter(|raw| !raw.is_empty()) else {
        return Vec::new();
    };
    let Store { platforms, fault } = store(&raw);
    if let Some(fault) = fault {
        tracing::warn!(device = devpath, fault, "malformed device object store: what came before is taken");
    }
    platforms
}

fn is_super_speed(speed: &str) -> bool {
    speed.parse().is_ok_and(|speed: u32| speed >= SUPER_SPEED)
}

fn port_path(devpath: &str) -> Option<PortPath> {
    PortPath::parse(devpath.rsplit('/').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use crate::sysfs::test_tree::Tree;
    use crate::test_support::bytes;

    fn whole(description: Description) -> Device {
        match description {
            Description::Whole(device) => device,
            Description::WithoutStrings(strings) => strings.read(),
        }
    }

    #[test]
    fn a_device_is_described_from_its_directory() {
        let (_tree, sysfs) = Tree::with("whole", b"USB Optical Mouse\n");
        let device = whole(sysfs.describe_uevent(&Tree::uevent(5)));
        assert_eq!(device.product.as_deref(), Some("USB Optical Mouse"));
        assert_eq!(device.manufacturer.as_deref(), Some("Logitech"));
        assert_eq!(device.serial_number, None);
        assert_eq!(device.speed.as_deref(), Some("1.5"));
        assert_eq!(device.bus_path.as_deref(), Some("0000:00:14.0-usb3"));
        assert_eq!((device.port_path.to_string().as_str(), device.partial), ("4.2", false));
        assert_eq!(device.interfaces.len(), 1);
        assert_eq!(sysfs.describe_name("1-4.2", device.address).map(whole), Some(device));
    }

    #[test]
    fn a_device_keeps_no_more_memory_than_its_texts_take() {
        let (_tree, sysfs) = Tree::with("kept", b"USB Optical Mouse\n");
        let device = whole(sysfs.describe_uevent(&Tree::uevent(5)));
        for text in [device.product, device.manufacturer, device.speed].map(|text| text.expect("a text")) {
            assert!(text.capacity() <= 2 * text.len() + 8, "{} bytes for {text:?}", text.capacity());
        }
    }

    #[test]
    fn a_device_object_store_is_read_where_there_may_be_one() {
        let (tree, sysfs) = Tree::with("store", b"x\n");
        let capabilities = || whole(sysfs.describe_uevent(&Tree::uevent(5))).capabilities();
        let mut descriptors = fs::read(tree.directory().join("descriptors")).expect("an attribute");
        let store = bytes("050f1d0001 1810050038b60834a909a0478bfda0768815b66500010101");
        tree.write("bos_descriptors", &store);
        assert_eq!(capabilities(), ["hid:mouse"], "a device of USB 2.0 has none");
        descriptors[2] = 0x10;
        tree.write("descriptors", &descriptors);
        assert_eq!(capabilities(), ["hid:mouse", "platform:webusb"]);
        tree.write("bos_descriptors", &store[..10]);
        assert_eq!(capabilities(), ["hid:mouse"]);
        // The kernel shows an empty file of a device that gave none.
        tree.write("bos_descriptors", b"");
        assert_eq!(capabilities(), ["hid:mouse"]);
    }

    #[test]
    fn hostile_strings_come_through_whole() {
        let (_tree, sysfs) = Tree::with("hostile", b"two\nlines \xff\x1b[31m\n\n");
        let device = whole(sysfs.describe_uevent(&Tree::uevent(5)));
        assert_eq!(device.product.as_deref(), Some("two\nlines \u{fffd}\u{1b}[31m\n"));
    }

    #[test]
    fn a_device_that_has_gone_or_been_replaced_is_described_from_the_uevent() {
        let (_tree, sysfs) = Tree::with("gone", b"another\n");
        let device = whole(sysfs.describe_uevent(&Tree::uevent(6)));
        assert!(device.partial, "address 6 is not address 5");
        assert_eq!((device.descriptor.id_vendor, device.descriptor.bcd_device), (0x046d, 0x7200));
        assert!(sysfs.describe_name("1-4.2", Address { bus: 1, device: 6 }).is_none());
        assert!(sysfs.describe_name("1-9", Address { bus: 1, device: 5 }).is_none());
    }

    #[test]
    fn a_scan_asks_again_only_for_what_is_not_known() {
        let (_tree, sysfs) = Tree::with("scan", b"x\n");
        let first = sysfs.scan(|_, _| false).expect("a listing");
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].address, Some(Address { bus: 1, device: 5 }));
        let mark = first[0].mark;
        let second = sysfs.scan(|name, found| (name, found) == ("1-4.2", mark)).expect("a listing");
        assert_eq!(second[0].address, None);
        assert_eq!(Sysfs::new("/nonexistent").scan(|_, _| false).expect("no bus is no error"), []);
    }
}
