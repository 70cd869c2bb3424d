//! What USBGuard knows of a device beyond what an event tells: looked up in sysfs at the moment at which a policy is asked.
//!
//! Nothing of it waits for a device's lock: a hub's strings are those that were read when it came.

use std::fs;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{Sysfs, number};
use crate::device::{Address, Device, MOST_CLASSES, interface_descriptors};
use crate::platform::Hardware;

/// The Linux Foundation's: the kernel gives its root hubs its own version as their release.
const ROOT_HUBS: (u16, std::ops::RangeInclusive<u16>) = (0x1d6b, 1..=3);
const RELEASE: std::ops::Range<usize> = 12..14;

/// Descriptors: the kernel takes eight configurations of 64 KiB.
const LARGEST_FILE: u64 = 1 << 20;

impl Sysfs {
    /// `hub` is what it hangs on, where that is known.
    pub(crate) fn hardware(&self, device: &Device, hub: Option<&Device>) -> Hardware {
        let Some((folder, raw)) = self.descriptors(device) else { return Hardware::default() };
        let parent_hash = match hub {
            Some(hub) => self.descriptors(hub).and_then(|(_, raw)| hash(hub, raw)),
            None if device.port_path.hub().is_none() => controller_hash(&self.root, &folder),
            None => None,
        };
        Hardware {
            parent_hash,
            connect_type: connect_type(&folder),
            interfaces: Some(interface_descriptors(&raw)).filter(|all| all.len() <= MOST_CLASSES),
            hash: hash(device, raw),
        }
    }

    /// The folder and the raw descriptors of this very device: another one may have its name by now.
    fn descriptors(&self, device: &Device) -> Option<(PathBuf, Vec<u8>)> {
        let folder = self.bus_links().join(device.port_path.name());
        let mut raw = Vec::new();
        fs::File::open(folder.join("descriptors")).ok()?.take(LARGEST_FILE).read_to_end(&mut raw).ok()?;
        let Address { bus, device } = device.address;
        (number(&folder, "busnum") == Some(bus) && number(&folder, "devnum") == Some(device))
            .then_some((folder, raw))
    }
}

/// Empty where the port has none, as a root hub.
fn connect_type(folder: &Path) -> Option<String> {
    match fs::read_to_string(folder.join("port/connect_type")) {
        Ok(text) => Some(text.trim_end().to_owned()),
        // And not because the device has gone.
        Err(error) if error.kind() == ErrorKind::NotFound && folder.join("devnum").exists() => {
            Some(String::new())
        }
        Err(_) => None,
    }
}

/// USBGuard's: of the name, the IDs, the serial number and the descriptors. None where its driver keeps the strings back.
fn hash(device: &Device, mut raw: Vec<u8>) -> Option<String> {
    if device.partial {
        return None;
    }
    let (vendor, product) = (device.descriptor.id_vendor, device.descriptor.id_product);
    if vendor == ROOT_HUBS.0
        && ROOT_HUBS.1.contains(&product)
        && let Some(release) = raw.get_mut(RELEASE)
    {
        release.fill(0);
    }
    let digest = Sha256::new()
        .chain_update(device.product.as_deref().unwrap_or_default())
        .chain_update(format!("{vendor:04x}{product:04x}"))
        .chain_update(device.serial_number.as_deref().unwrap_or_default())
        .chain_update(&raw);
    Some(STANDARD.encode(digest.finalize()))
}

/// Above a root hub there is no device: USBGuard takes its controller's path.
fn controller_hash(sysfs: &Path, folder: &Path) -> Option<String> {
    let path = fs::canonicalize(folder).ok()?;
    let controller = path.parent()?.strip_prefix(fs::canonicalize(sysfs).ok()?).ok()?;
    Some(STANDARD.encode(Sha256::digest(format!("/{}", controller.display()))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{DeviceDescriptor, PortPath};
    use crate::test_support::{bytes, device};

    /// An xHCI controller's root hub, as the kernel has them.
    const ROOT_HUB: &str =
        "12010002090001406b1d020010050302010109021900010100e0000904000001090000000705810304000c";
    const CONTROLLER: &str = "devices/pci0000:00/0000:00:14.0";

    fn root_hub() -> Device {
        Device {
            address: Address { bus: 1, device: 1 },
            port_path: PortPath::new(1, Vec::new()),
            descriptor: DeviceDescriptor { id_vendor: 0x1d6b, id_product: 2, ..DeviceDescriptor::default() },
            product: Some("xHCI Host Controller".into()),
            serial_number: Some("0000:00:14.0".into()),
            ..device()
        }
    }

    /// What hangs on its port 5.
    fn on_port_5() -> Device {
        Device { address: Address { bus: 1, device: 7 }, port_path: PortPath::new(1, vec![5]), ..device() }
    }

    /// A tree with this root hub and a device at its port 5, which is removed when it is dropped.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let root =
                std::env::temp_dir().join(format!("usb-daemon-hardware-{name}-{}", std::process::id()));
            let links = root.join("bus/usb/devices");
            fs::create_dir_all(&links).expect("a folder");
            for (place, name, devnum) in [("usb1", "usb1", "1"), ("usb1/1-5", "1-5", "7")] {
                let folder = root.join(CONTROLLER).join(place);
                fs::create_dir_all(folder.join("port")).expect("a folder");
                fs::write(folder.join("busnum"), "1\n").expect("written");
                fs::write(folder.join("devnum"), format!("{devnum}\n")).expect("written");
                fs::write(folder.join("descriptors"), bytes(ROOT_HUB)).expect("written");
                std::os::unix::fs::symlink(&folder, links.join(name)).expect("a link");
            }
            fs::write(root.join(CONTROLLER).join("usb1/1-5/port/connect_type"), "hotplug\n")
                .expect("written");
            Self(root)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_root_hub_has_the_hashes_that_usbguard_prints_for_it_everywhere() {
        let tree = Tree::new("root-hub");
        let found = Sysfs::new(&tree.0).hardware(&root_hub(), None);
        // As they stand in many a site's policy: the controller at 0000:00:14.0 is an Intel machine's usual one.
        assert_eq!(found.hash.as_deref(), Some("jEP/6WzviqdJ5VSeTUY8PatCNBKeaREvo2OqdplND/o="));
        assert_eq!(found.parent_hash.as_deref(), Some("rV9bfLq7c2eA4tYjVjwO4bxhm+y6GgZpl9J60L0fBkY="));
        assert_eq!(found.connect_type.as_deref(), Some(""));
        assert_eq!(found.interfaces.map(|interfaces| interfaces.len()), Some(1));
    }

    #[test]
    fn a_device_has_its_hubs_hash_as_parent_hash() {
        let tree = Tree::new("device");
        let device = on_port_5();
        let found = Sysfs::new(&tree.0).hardware(&device, Some(&root_hub()));
        assert_eq!(found.parent_hash.as_deref(), Some("jEP/6WzviqdJ5VSeTUY8PatCNBKeaREvo2OqdplND/o="));
        assert_eq!(found.connect_type.as_deref(), Some("hotplug"));
        assert_eq!(Sysfs::new(&tree.0).hardware(&device, None).parent_hash, None);
    }

    #[test]
    fn without_its_strings_a_device_has_no_hash_and_a_hub_gives_none() {
        let tree = Tree::new("partial");
        let [hub, device] = [root_hub(), on_port_5()].map(|device| Device { partial: true, ..device });
        let found = Sysfs::new(&tree.0).hardware(&device, Some(&hub));
        assert_eq!((found.hash, found.parent_hash), (None, None));
        assert_eq!(found.connect_type.as_deref(), Some("hotplug"));
    }

    #[test]
    fn of_a_device_that_has_gone_or_been_replaced_nothing_is_known() {
        let tree = Tree::new("gone");
        let replaced = Device { address: Address { bus: 1, device: 8 }, ..on_port_5() };
        assert_eq!(Sysfs::new(&tree.0).hardware(&replaced, None), Hardware::default());
        let gone = Device { port_path: PortPath::new(1, vec![6]), ..replaced };
        assert_eq!(Sysfs::new(&tree.0).hardware(&gone, None), Hardware::default());
    }
}
