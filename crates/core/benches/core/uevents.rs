//! Reading a uevent, and describing the device that it names.

use std::fs;
use std::path::PathBuf;

use divan::{Bencher, black_box};
use usb_daemon_core::bench_support::{Described, is_of_device};

use crate::devices::NAME;

const DEVPATH: &str = "/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2";

fn message(text: &str) -> Vec<u8> {
    text.replace('\n', "\0").into_bytes()
}

fn of_device() -> Vec<u8> {
    message(&format!(
        "add@{DEVPATH}\nACTION=add\nDEVPATH={DEVPATH}\nSUBSYSTEM=usb\nMAJOR=189\nMINOR=4\nDEVNAME=bus/usb/001/005\n\
         DEVTYPE=usb_device\nPRODUCT=46d/c077/7200\nTYPE=0/0/0\nBUSNUM=001\nDEVNUM=005\nSEQNUM=2345\n"
    ))
}

#[divan::bench]
fn parse_device(bencher: Bencher) {
    let message = of_device();
    assert!(is_of_device(&message));
    bencher.bench_local(|| is_of_device(black_box(&message)));
}

#[divan::bench]
fn parse_interface(bencher: Bencher) {
    let message = message(&format!(
        "add@{DEVPATH}/1-4.2:1.0\nACTION=add\nDEVPATH={DEVPATH}/1-4.2:1.0\nSUBSYSTEM=usb\nDEVTYPE=usb_interface\n\
         PRODUCT=46d/c077/7200\nTYPE=0/0/0\nINTERFACE=3/1/2\n\
         MODALIAS=usb:v046DpC077d7200dc00dsc00dp00ic03isc01ip02in00\nSEQNUM=2346\n"
    ));
    bencher.bench_local(|| is_of_device(black_box(&message)));
}

#[divan::bench]
fn parse_foreign(bencher: Bencher) {
    let devpath = "/devices/virtual/block/loop0";
    let message = message(&format!(
        "change@{devpath}\nACTION=change\nDEVPATH={devpath}\nSUBSYSTEM=block\nMAJOR=7\nMINOR=0\nDEVNAME=loop0\n\
         DEVTYPE=disk\nDISKSEQ=12\nSEQNUM=2347\n"
    ));
    bencher.bench_local(|| is_of_device(black_box(&message)));
}

/// A directory like the kernel's, in a folder that is taken away at the end.
struct Tree(PathBuf);

impl Tree {
    fn new() -> Self {
        let root = std::env::temp_dir().join(format!("usb-daemon-bench-{}", std::process::id()));
        let device = root.join(&DEVPATH[1..]);
        fs::create_dir_all(&device).unwrap();
        fs::write(root.join("devices/pci0000:00/0000:00:14.0/usb1/speed"), "480\n").unwrap();
        // Device, configuration, interface, HID and endpoint of a mouse; strings 1 and 2.
        let descriptors: [&[u8]; 5] = [
            &[18, 1, 0, 2, 0, 0, 0, 8, 0x6d, 0x04, 0x77, 0xc0, 0, 0x72, 1, 2, 0, 1],
            &[9, 2, 34, 0, 1, 1, 0, 0xa0, 50],
            &[9, 4, 0, 0, 1, 3, 1, 2, 0],
            &[9, 0x21, 0x11, 1, 0, 1, 0x22, 46, 0],
            &[7, 5, 0x81, 3, 4, 0, 10],
        ];
        fs::write(device.join("descriptors"), descriptors.concat()).unwrap();
        for (file, text) in [
            ("busnum", "1\n"),
            ("devnum", "5\n"),
            ("speed", "1.5\n"),
            ("manufacturer", "Logitech\n"),
            ("product", "USB Optical Mouse\n"),
        ] {
            fs::write(device.join(file), text).unwrap();
        }
        Self(root)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // What is left over is in the system's temporary folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[divan::bench]
fn describe(bencher: Bencher) {
    let tree = Tree::new();
    let described = Described::new(tree.0.clone(), &of_device()).unwrap();
    let device = described.describe();
    assert_eq!(
        (device.port_path.name().as_str(), device.product.as_deref()),
        (NAME, Some("USB Optical Mouse"))
    );
    bencher.bench_local(|| described.describe());
}
