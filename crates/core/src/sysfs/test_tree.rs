//! A sysfs of one device, for tests.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::Sysfs;
use crate::device::Address;
use crate::source::netlink::{Change, Uevent};

/// Where the device is.
pub(crate) const DEVPATH: &str = "/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2";

/// Its files. They go when this does.
pub(crate) struct Tree(PathBuf);

/// Keeps those waiting who read an attribute.
pub(crate) struct Waiting(PathBuf);

impl Tree {
    /// A mouse with address 5 that calls itself `product`.
    pub(crate) fn with(test: &str, product: &[u8]) -> (Self, Sysfs) {
        let root = std::env::temp_dir().join(format!("usb-daemon-sysfs-{test}-{}", std::process::id()));
        let tree = Self(root.clone());
        fs::create_dir_all(tree.directory()).expect("a tree");
        fs::create_dir_all(root.join("bus/usb/devices")).expect("a bus");
        symlink(format!("../../..{DEVPATH}"), root.join("bus/usb/devices/1-4.2")).expect("a link");
        let descriptors =
            b"\x12\x01\x00\x02\x00\x00\x00\x40\x6d\x04\x77\xc0\x00\x72\x01\x02\x00\x01\x09\x02\x12\x00\x01\x01\x00\xa0\x32\x09\x04\x00\x00\x01\x03\x01\x02\x00";
        for (file, content) in [
            ("busnum", b"1\n".as_slice()),
            ("devnum", b"5\n"),
            ("speed", b"1.5\n"),
            ("manufacturer", b"Logitech\n"),
            ("product", product),
            ("serial", b"not asked for: index 0\n"),
            ("descriptors", descriptors),
        ] {
            tree.write(file, content);
        }
        let root_hub = root.join("devices/pci0000:00/0000:00:14.0/usb1");
        fs::write(root_hub.join("speed"), "5000\n").expect("an attribute");
        (tree, Sysfs::new(root))
    }

    /// What the kernel says of a device with this address that comes here.
    pub(crate) fn uevent(device: u16) -> Uevent {
        Uevent {
            change: Change::Add,
            devpath: DEVPATH.into(),
            address: Address { bus: 1, device },
            product: (0x046d, 0xc077, 0x7200),
            class: (0, 0, 0),
            seqnum: 1,
        }
    }

    /// The device's directory.
    pub(crate) fn directory(&self) -> PathBuf {
        self.0.join(DEVPATH.trim_start_matches('/'))
    }

    /// Gives an attribute another content.
    pub(crate) fn write(&self, file: &str, content: &[u8]) {
        let path = self.directory().join(file);
        let _ = fs::remove_file(&path);
        fs::write(path, content).expect("an attribute");
    }

    /// From now on whoever reads this attribute waits.
    pub(crate) fn have_wait(&self, file: &str) -> Waiting {
        let path = self.directory().join(file);
        fs::remove_file(&path).expect("an attribute");
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a fifo");
        Waiting(path)
    }
}

impl Waiting {
    /// Gives those who wait nothing to read.
    pub(crate) fn end(self) {
        let writer: File = OpenOptions::new().write(true).open(self.0).expect("somebody reads");
        drop(writer);
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
