//! A sysfs folder of one device, for tests.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

/// Removed when it is dropped.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// With these files; a value that begins with an arrow is a link's.
    pub(super) fn with(name: &str, files: &[(&str, &str)]) -> Self {
        let root = std::env::temp_dir().join(format!("usb-daemon-tree-{name}-{}", std::process::id()));
        let folder = Self(root);
        fs::create_dir_all(&folder.0).expect("a folder");
        for (path, value) in files {
            folder.put(path, value);
        }
        folder
    }

    pub(super) fn put(&self, path: &str, value: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        match value.strip_prefix("->") {
            Some(target) => symlink(target, path).expect("a link"),
            None => fs::write(path, value).expect("written"),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const DISK: &str = "1-4:1.0/host2/target2:0:0/2:0:0:0";

pub(super) fn storage() -> Vec<(String, &'static str)> {
    let own = [
        ("driver", "->/sys/bus/usb/drivers/usb"),
        ("subsystem", "->/sys/bus/usb"),
        ("dev", "189:4\n"),
        ("busnum", "1\n"),
        ("devnum", "5\n"),
        ("1-4:1.0/bInterfaceNumber", "00\n"),
        ("1-4:1.0/bInterfaceClass", "08\n"),
        ("1-4:1.0/subsystem", "->/sys/bus/usb"),
        ("1-4:1.0/driver", "->/sys/bus/usb/drivers/usb-storage"),
    ];
    let disk = [
        ("type", "0\n"),
        ("subsystem", "->/sys/bus/scsi"),
        ("block/sda/subsystem", "->/sys/class/block"),
        ("block/sda/dev", "8:0\n"),
        ("block/sda/uevent", "DEVNAME=sda\nDEVTYPE=disk\n"),
        ("block/sda/sda1/subsystem", "->/sys/class/block"),
        ("block/sda/sda1/partition", "1\n"),
        ("block/sda/sda1/dev", "8:1\n"),
        ("block/sda/sda1/uevent", "DEVNAME=sda1\nDEVTYPE=partition\n"),
    ];
    let own = own.map(|(path, value)| (path.to_owned(), value));
    own.into_iter().chain(disk.map(|(path, value)| (format!("{DISK}/{path}"), value))).collect()
}

pub(super) fn put_all(folder: &Folder, files: &[(String, &str)]) {
    for (path, value) in files {
        folder.put(path, value);
    }
}
