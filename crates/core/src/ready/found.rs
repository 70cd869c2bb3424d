//! What has a node below a device, and what the kernel and udev call it.

use std::path::Path;

use crate::sysfs::{attribute, number};

/// Something that has a node, or is a network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) subsystem: String,
    pub(super) name: String,
    /// Below /dev; none of a network interface.
    pub(super) devname: Option<String>,
    /// udev's name for its record.
    pub(super) record: String,
    pub(super) interface: Option<u8>,
    /// Of a partition: the disk's name below /dev.
    pub(super) part_of: Option<String>,
}

impl Found {
    /// What is in this folder of this subsystem, if it is any such thing. `interface`: below which it was found.
    pub(super) fn of(folder: &Path, subsystem: &str, interface: Option<u8>) -> Option<Self> {
        let name = folder.file_name()?.to_str()?.to_owned();
        let found = Self { subsystem: subsystem.to_owned(), name, interface, ..Self::default() };
        if subsystem == "net" {
            let index: u32 = number(folder, "ifindex")?;
            return Some(Self { record: format!("n{index}"), ..found });
        }
        let numbers = attribute(folder, "dev")?;
        let kind = if subsystem == "block" { 'b' } else { 'c' };
        let disk =
            folder.join("partition").exists().then(|| folder.parent()?.file_name()?.to_str()).flatten();
        Some(Self {
            devname: Some(devname(folder)?),
            record: format!("{kind}{numbers}"),
            part_of: disk.map(str::to_owned),
            ..found
        })
    }
}

/// Where its node is below /dev. The USB device's own is put together: newer kernels keep back its `uevent` while one of its drivers probes.
fn devname(folder: &Path) -> Option<String> {
    if let (Some(bus), Some(device)) = (number::<u16>(folder, "busnum"), number::<u16>(folder, "devnum")) {
        return Some(format!("bus/usb/{bus:03}/{device:03}"));
    }
    let uevent = attribute(folder, "uevent")?;
    uevent.lines().find_map(|line| line.strip_prefix("DEVNAME=")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ready::test_folder::Folder;

    #[test]
    fn what_has_a_node_is_called_as_the_kernel_and_udev_call_it() {
        let folder = Folder::with(
            "found",
            &[
                ("ttyUSB0/dev", "188:0\n"),
                ("ttyUSB0/uevent", "MAJOR=188\nMINOR=0\nDEVNAME=ttyUSB0\n"),
                ("usb/dev", "189:4\n"),
                ("usb/busnum", "1\n"),
                ("usb/devnum", "5\n"),
                ("sda/sda1/dev", "8:1\n"),
                ("sda/sda1/partition", "1\n"),
                ("sda/sda1/uevent", "DEVNAME=sda1\n"),
                ("eth0/ifindex", "3\n"),
                ("gone/uevent", "DEVTYPE=x\n"),
            ],
        );
        for (path, subsystem, record, devname, part_of) in [
            ("ttyUSB0", "tty", "c188:0", Some("ttyUSB0"), None),
            ("usb", "usb", "c189:4", Some("bus/usb/001/005"), None),
            ("sda/sda1", "block", "b8:1", Some("sda1"), Some("sda")),
            ("eth0", "net", "n3", None, None),
        ] {
            let found = Found::of(&folder.0.join(path), subsystem, Some(2)).expect(path);
            let names = (found.record.as_str(), found.devname.as_deref(), found.part_of.as_deref());
            assert_eq!((names, found.interface), ((record, devname, part_of), Some(2)), "{path}");
        }
        assert_eq!(Found::of(&folder.0.join("gone"), "tty", None), None);
    }
}
