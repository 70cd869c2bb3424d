//! What sysfs shows below a device: its interfaces, their drivers, and whatever has a node.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use super::found::Found;
use super::readiness::ReadyInterface;
use crate::device::{PortPath, ReportUsages, interface_counts, of_interface_string, report_usages};
pub(super) use crate::sysfs::inode;
use crate::sysfs::{attribute, hex, interfaces, link_name, number};

/// A bound for what no device has: a disk with all its partitions has some two hundred folders.
const MOST_FOLDERS: usize = 8192;
const DEEPEST: usize = 24;
/// Bytes; no kernel takes a longer one.
const LONGEST_REPORT: u64 = 64 << 10;
/// Attributes of a device in folders of their own, below which there is no device.
const ATTRIBUTES: [&str; 8] =
    ["power", "queue", "mq", "integrity", "statistics", "queues", "holders", "slaves"];

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) interfaces: Vec<ReadyInterface>,
    pub(super) nodes: Vec<Found>,
    /// Names of those that have a driver.
    pub(super) driven: Vec<String>,
    /// What report descriptors of HID say it can do, and strings of interfaces.
    pub(super) capabilities: Vec<&'static str>,
    /// Interfaces below which there is a disk that has no block device yet.
    pub(super) disks_to_come: Vec<u8>,
    /// Interfaces below which there is a HID device that no driver has taken, as where its report descriptor cannot be read.
    pub(super) undriven_hid: Vec<u8>,
}

impl Tree {
    /// Looks at the device in this folder, with which the kernel has finished, as far as is known: where it still sets a configuration or a driver
    /// probes, it may hold the device's lock, and keep waiting who reads an attribute.
    pub(super) fn read(folder: &Path) -> Self {
        let mut tree = Self::default();
        let mut left = MOST_FOLDERS;
        tree.look(folder, None, 0, &mut left);
        tree.interfaces.sort_by_key(|interface| interface.number);
        tree
    }

    /// Drivers of this interface.
    pub(super) fn driver(&self, interface: Option<u8>) -> Option<String> {
        let number = interface?;
        self.interfaces.iter().find(|found| found.number == number)?.driver.clone()
    }

    fn look(&mut self, folder: &Path, interface: Option<u8>, depth: usize, left: &mut usize) {
        let subsystem = link_name(&folder.join("subsystem"));
        if let Some(subsystem) = &subsystem {
            self.nodes.extend(Found::of(folder, subsystem, interface));
        }
        if subsystem.as_deref() == Some("hid") {
            self.capabilities.extend(usages(folder));
            let is_driven = link_name(&folder.join("driver")).is_some();
            self.undriven_hid.extend(interface.filter(|_| !is_driven));
        }
        let mut below: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
        below.sort_by_key(fs::DirEntry::file_name);
        let is_disk = subsystem.as_deref() == Some("scsi") && is_disk(folder);
        let before = self.nodes.len();
        for entry in below {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            // What hangs on a hub's ports is not the hub's. Further below only I2C has such names, for what is on an adapter of the device's.
            let is_on_port = depth == 0 && PortPath::parse(name).is_some();
            if !is_folder || ATTRIBUTES.contains(&name) || is_on_port {
                continue;
            }
            if *left == 0 || depth == DEEPEST {
                tracing::warn!(folder = %folder.display(), "more below a device than is looked at");
                return;
            }
            *left -= 1;
            let path = entry.path();
            let own = (depth == 0).then(|| bound(&path)).flatten();
            let interface = own.as_ref().map(|own| own.number).or(interface);
            self.capabilities.extend(own.as_ref().and_then(|own| said(&path, own.class)));
            self.driven.extend(own.iter().filter(|own| own.driver.is_some()).map(|_| name.to_owned()));
            self.interfaces.extend(own);
            self.look(&path, interface, depth + 1, left);
        }
        // Asked of what was found, and not of the folder: that may have changed meanwhile.
        let has_block = self.nodes[before..].iter().any(|node| node.subsystem == "block");
        self.disks_to_come.extend(interface.filter(|_| is_disk && !has_block));
    }
}

/// Whether the device has a driver that hands out its interfaces, and as many of these are there as one of its configurations has. None are there
/// while the kernel sets a configuration, and after it could set none: after a long quiet, or where the device is not authorized, none is expected.
/// Asks for nothing that the kernel could keep back.
pub(super) fn is_whole(folder: &Path, is_long_quiet: bool) -> bool {
    if link_name(&folder.join("driver")).is_none() {
        return false;
    }
    match interfaces(folder) {
        Ok(own) if own.is_empty() => is_long_quiet || number::<u8>(folder, "authorized") == Some(0),
        Ok(own) => {
            let raw = fs::read(folder.join("descriptors"));
            raw.is_ok_and(|raw| interface_counts(&raw).contains(&own.len()))
        }
        Err(_) => false,
    }
}

/// An interface, if the folder is one's.
fn bound(folder: &Path) -> Option<ReadyInterface> {
    Some(ReadyInterface {
        number: hex(folder, "bInterfaceNumber")?,
        class: hex(folder, "bInterfaceClass")?,
        driver: link_name(&folder.join("driver")),
    })
}

/// What the string of an interface of this class says. The kernel has it since it handed the interface out.
fn said(folder: &Path, class: u8) -> Option<&'static str> {
    of_interface_string(class, &attribute(folder, "interface")?)
}

/// What this HID device is for. Its bus driver has read that when it was bound.
fn usages(folder: &Path) -> Vec<&'static str> {
    let mut bytes = Vec::new();
    let file = fs::File::open(folder.join("report_descriptor"));
    let read = file.and_then(|file| file.take(LONGEST_REPORT).read_to_end(&mut bytes));
    if let Err(error) = read {
        tracing::debug!(folder = %folder.display(), %error, "no report descriptor");
    }
    let ReportUsages { words, fault } = report_usages(&bytes);
    if let Some(fault) = fault {
        tracing::warn!(folder = %folder.display(), fault, "malformed report descriptor: what came before is taken");
    }
    words
}

/// Whether a SCSI device gets a block device from its driver: SCSI's types 0 (disk), 5 (CD), 7 and 14.
fn is_disk(folder: &Path) -> bool {
    number::<u8>(folder, "type").is_some_and(|kind| [0, 5, 7, 14].contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ready::test_folder::{Folder, put_all, storage};

    #[test]
    fn a_disk_and_its_partition_are_found_below_their_interface() {
        let folder = Folder::with("disk", &[]);
        put_all(&folder, &storage());
        let tree = Tree::read(&folder.0);
        assert_eq!((tree.interfaces.len(), tree.disks_to_come.len()), (1, 0));
        assert_eq!(tree.driver(Some(0)).as_deref(), Some("usb-storage"));
        let nodes: Vec<_> = tree.nodes.iter().map(|node| (node.record.as_str(), node.interface)).collect();
        assert_eq!(nodes, [("c189:4", None), ("b8:0", Some(0)), ("b8:1", Some(0))]);
        let partition = &tree.nodes[2];
        assert_eq!((partition.devname.as_deref(), partition.part_of.as_deref()), (Some("sda1"), Some("sda")));
        assert_eq!(Tree::read(&folder.0.join("gone")), Tree::default());
    }

    #[test]
    fn a_device_is_whole_once_all_interfaces_of_a_configuration_are_there() {
        let folder = Folder::with("whole", &[("driver", "->/sys/bus/usb/drivers/usb"), ("1-4:1.0/x", "")]);
        let configuration = |numbers: &[u8]| {
            let interfaces = numbers.iter().flat_map(|number| [9, 4, *number, 0, 0, 0xff, 0, 0, 0]);
            [9, 2, 0, 0, 1, 1, 0, 0, 0].into_iter().chain(interfaces).collect::<Vec<u8>>()
        };
        let descriptors = |configurations: &[&[u8]]| {
            let count = configurations.len().to_le_bytes()[0];
            [&[0; 17][..], &[count], &configurations.concat()].concat()
        };
        let (one, two, none) = (configuration(&[0]), configuration(&[0, 1]), configuration(&[]));
        for (configurations, expected) in [
            (&[one.as_slice()][..], true),
            (&[&two], false),
            (&[&two, &one], true),
            (&[&none], false),
            (&[], false),
            // An alternate setting is no other interface, whatever the configuration says that it has.
            (&[&configuration(&[7, 7])], true),
            // A length of nothing at all ends somewhere.
            (&[&one, &[0, 4, 1]], true),
        ] {
            fs::write(folder.0.join("descriptors"), descriptors(configurations)).expect("written");
            assert_eq!(is_whole(&folder.0, false), expected, "{configurations:?}");
        }
        fs::remove_file(folder.0.join("driver")).expect("removed");
        assert!(!is_whole(&folder.0, true), "nobody has handed out its interfaces");
    }

    #[test]
    fn a_device_without_interfaces_is_whole_once_none_can_be_expected() {
        let folder =
            Folder::with("empty", &[("driver", "->/sys/bus/usb/drivers/usb"), ("authorized", "1\n")]);
        let no_interfaces = [&[0; 17][..], &[1], &[9, 2, 9, 0, 0, 1, 0, 0, 0]].concat();
        fs::write(folder.0.join("descriptors"), no_interfaces).expect("written");
        assert!(!is_whole(&folder.0, false), "the kernel may be setting its configuration");
        assert!(is_whole(&folder.0, true), "it would have, by now");
        folder.put("authorized", "0\n");
        assert!(is_whole(&folder.0, false), "the kernel sets none");
    }

    #[test]
    fn a_disk_whose_block_device_is_still_to_come_is_noticed() {
        let folder = Folder::with("to-come", &[]);
        let files: Vec<_> = storage().into_iter().filter(|(path, _)| !path.contains("/block/")).collect();
        put_all(&folder, &files);
        assert_eq!(Tree::read(&folder.0).disks_to_come, [0]);
        // The class has its folder before the disk has its own.
        let disk = fs::read_dir(folder.0.join("1-4:1.0/host2/target2:0:0"))
            .expect("a target")
            .next()
            .expect("a disk");
        fs::create_dir(disk.expect("its folder").path().join("block")).expect("made");
        assert_eq!(Tree::read(&folder.0).disks_to_come, [0]);
    }

    #[test]
    fn a_report_descriptor_says_what_an_interface_is_for() {
        let folder = Folder::with(
            "report",
            &[
                ("1-4:1.0/0003:0627:0001.0001/subsystem", "->/sys/bus/hid"),
                ("1-4:1.0/0003:0627:0001.0001/report_descriptor", "\x05\x01\x09\x05"),
            ],
        );
        assert_eq!(Tree::read(&folder.0).capabilities, Vec::<&str>::new(), "no application yet");
        let report = [0x05, 0x01, 0x09, 0x05, 0xa1, 0x01, 0xc0];
        fs::write(folder.0.join("1-4:1.0/0003:0627:0001.0001/report_descriptor"), report).expect("written");
        assert_eq!(Tree::read(&folder.0).capabilities, ["hid:gamepad"]);
    }

    #[test]
    fn a_string_says_what_a_vendors_own_interface_is_for() {
        let files = [("bInterfaceNumber", "00\n"), ("bInterfaceClass", "ff\n"), ("interface", "MTP\n")];
        let folder = Folder::with("string", &[]);
        put_all(&folder, &files.map(|(file, value)| (format!("1-4:1.0/{file}"), value)));
        assert_eq!(Tree::read(&folder.0).capabilities, ["image:mtp"]);
    }

    #[test]
    fn what_is_called_like_a_device_and_is_no_hubs_is_looked_into() {
        // A clock on an adapter for I2C: its address is 0x68 on the bus 7.
        let clock = "1-4:1.0/i2c-7/7-0068/rtc/rtc1";
        let files = [("subsystem", "->/sys/class/rtc"), ("dev", "252:1\n"), ("uevent", "DEVNAME=rtc1\n")];
        let folder = Folder::with("i2c", &[]);
        put_all(&folder, &files.map(|(file, value)| (format!("{clock}/{file}"), value)));
        let nodes: Vec<_> = Tree::read(&folder.0).nodes.into_iter().map(|node| node.record).collect();
        assert_eq!(nodes, ["c252:1"]);
    }

    #[test]
    fn a_hid_device_that_no_driver_has_taken_is_noticed() {
        let hid = "1-4:1.0/0003:0627:0001.0001";
        let subsystem = format!("{hid}/subsystem");
        let folder = Folder::with(
            "undriven",
            &[
                ("1-4:1.0/bInterfaceNumber", "00\n"),
                ("1-4:1.0/bInterfaceClass", "03\n"),
                (&subsystem, "->/sys/bus/hid"),
            ],
        );
        assert_eq!(Tree::read(&folder.0).undriven_hid, [0]);
        folder.put(&format!("{hid}/driver"), "->/sys/bus/hid/drivers/hid-generic");
        assert_eq!(Tree::read(&folder.0).undriven_hid, Vec::<u8>::new());
    }

    #[test]
    fn a_network_interface_has_no_node_and_what_hangs_on_a_hub_is_not_the_hubs() {
        let folder = Folder::with(
            "net",
            &[
                ("1-4:1.0/bInterfaceNumber", "00\n"),
                ("1-4:1.0/bInterfaceClass", "02\n"),
                ("1-4:1.0/net/enx1/subsystem", "->/sys/class/net"),
                ("1-4:1.0/net/enx1/ifindex", "3\n"),
                ("1-4.1/subsystem", "->/sys/bus/usb"),
                ("1-4.1/dev", "189:9\n"),
                ("1-4.1/uevent", "DEVNAME=bus/usb/001/010\n"),
            ],
        );
        let tree = Tree::read(&folder.0);
        let net = Found {
            subsystem: "net".into(),
            name: "enx1".into(),
            record: "n3".into(),
            interface: Some(0),
            ..Found::default()
        };
        assert_eq!(tree.nodes, [net]);
    }
}
