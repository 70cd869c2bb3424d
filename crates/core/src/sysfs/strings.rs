//! A device's strings. sysfs gives them only once the kernel has the device's lock, and that is held while drivers probe: from the `add`
//! on, for as long as the slowest of them takes. The kernel's log has them at once, for whoever may read that.

use std::os::fd::OwnedFd;

use super::Description;
use super::attribute::{address, text};
use crate::device::Device;
use crate::kernel_log::{KernelLog, Strings};

/// A device whose strings are still to be read.
#[derive(Debug)]
pub struct StringsToRead {
    device: Device,
    directory: OwnedFd,
}

impl StringsToRead {
    pub(super) fn new(device: Device, directory: OwnedFd) -> Self {
        Self { device, directory }
    }

    /// The device with nothing known of its strings: a partial one.
    pub fn without(&self) -> Device {
        Device { partial: true, ..self.device.clone() }
    }

    /// The device with the strings that the kernel's log tells, or as it is where that does not.
    pub(crate) fn told_by(self, log: &mut KernelLog) -> Description {
        let Some(strings) = log.strings(&self.device) else {
            return Description::WithoutStrings(self);
        };
        let Strings { manufacturer, product, serial_number } = strings;
        Description::Whole(Device { manufacturer, product, serial_number, ..self.device })
    }

    /// Reads the strings. Waits for as long as the kernel holds the device's lock.
    pub fn read(self) -> Device {
        let Self { mut device, directory } = self;
        let descriptor = &device.descriptor;
        let string = |index: u8, file: &str| if index == 0 { None } else { text(&directory, file) };
        device.manufacturer = string(descriptor.i_manufacturer, "manufacturer");
        device.product = string(descriptor.i_product, "product");
        device.serial_number = string(descriptor.i_serial_number, "serial");
        // The kernel may have failed to get a string that the device claims to have, and shows no file for it then.
        // Where the whole directory has gone, what is missing is only unknown.
        let strings = [
            (descriptor.i_manufacturer, &device.manufacturer),
            (descriptor.i_product, &device.product),
            (descriptor.i_serial_number, &device.serial_number),
        ];
        let missing = strings.iter().any(|(index, string)| *index != 0 && string.is_none());
        device.partial = missing && address(&directory).is_none();
        device
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::sysfs::test_tree::Tree;

    #[test]
    fn a_string_is_unknown_where_the_device_has_gone_and_absent_where_the_kernel_has_none() {
        for (device_stays, partial) in [(true, false), (false, true)] {
            let (tree, sysfs) = Tree::with(&format!("strings-{device_stays}"), b"x\n");
            let Description::WithoutStrings(strings) = sysfs.describe_uevent(&Tree::uevent(5)) else {
                panic!("it has strings")
            };
            let directory = tree.directory();
            fs::remove_file(directory.join("product")).expect("removed");
            if !device_stays {
                fs::remove_dir_all(&directory).expect("removed");
            }
            assert!(strings.without().partial);
            let device = strings.read();
            assert_eq!((device.product, device.partial), (None, partial), "device stays: {device_stays}");
        }
    }
}
