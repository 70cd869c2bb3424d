//! A device's interfaces, and which drivers have them.

use std::io;
use std::path::Path;

use super::{Sysfs, link_name};

/// An interface of the configuration that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    /// In sysfs: `1-4.2:1.0`.
    pub(crate) name: String,
    pub(crate) driver: Option<String>,
}

/// Those of the device in this folder, in their order. Asks for nothing that the kernel could keep back.
///
/// # Errors
/// Where the folder cannot be listed, as where the device has gone.
pub(crate) fn interfaces(folder: &Path) -> io::Result<Vec<Interface>> {
    let mut found: Vec<(u16, Interface)> = folder
        .read_dir()?
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let driver = link_name(&entry.path().join("driver"));
            Some((interface_number(&name)?, Interface { name, driver }))
        })
        .collect();
    found.sort_by_key(|(number, _)| *number);
    Ok(found.into_iter().map(|(_, interface)| interface).collect())
}

impl Sysfs {
    /// The drivers of the interfaces of the device called `name`, each once, in the order of the interfaces.
    /// Empty where none has a driver, or the device has gone.
    pub fn drivers(&self, name: &str) -> Vec<String> {
        let mut drivers: Vec<String> = Vec::new();
        for interface in interfaces(&self.bus_links().join(name)).unwrap_or_default() {
            drivers.extend(interface.driver.filter(|driver| !drivers.contains(driver)));
        }
        drivers
    }
}

/// Interface 2 of configuration 1 is called `1-4.2:1.2`.
fn interface_number(name: &str) -> Option<u16> {
    name.split_once(':')?.1.split_once('.')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn drivers_come_once_each_in_the_order_of_the_interfaces() {
        let root = std::env::temp_dir().join(format!("usb-daemon-drivers-{}", std::process::id()));
        for (interface, driver) in [
            ("1-4:1.10", "snd"),
            ("1-4:1.2", "usbhid"),
            ("1-4:1.11", "usbhid"),
            ("1-4:1.0", "cdc_acm"),
            ("ep_00", "no"),
        ] {
            let folder = root.join("bus/usb/devices/1-4").join(interface);
            fs::create_dir_all(&folder).expect("a folder");
            symlink(format!("../../../../bus/usb/drivers/{driver}"), folder.join("driver")).expect("a link");
        }
        fs::create_dir_all(root.join("bus/usb/devices/1-4/1-4:1.3")).expect("without a driver");
        let found = Sysfs::new(&root).drivers("1-4");
        fs::remove_dir_all(&root).expect("removed");
        assert_eq!(found, ["cdc_acm", "usbhid", "snd"]);
        assert!(Sysfs::new(&root).drivers("1-4").is_empty(), "gone");
    }
}
