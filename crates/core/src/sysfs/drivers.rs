//! Which drivers have a device's interfaces.

use super::{Sysfs, link_name};

impl Sysfs {
    /// The drivers of the interfaces of the device called `name`, each once, in the order of the interfaces.
    /// Empty where none has a driver, or the device has gone.
    pub fn drivers(&self, name: &str) -> Vec<String> {
        let directory = self.bus_links().join(name);
        let Ok(entries) = directory.read_dir() else { return Vec::new() };
        let mut interfaces: Vec<(u16, String)> = entries
            .flatten()
            .filter_map(|entry| {
                let number = interface_number(entry.file_name().to_str()?)?;
                Some((number, link_name(&entry.path().join("driver"))?))
            })
            .collect();
        interfaces.sort();
        let mut drivers: Vec<String> = Vec::new();
        for (_, driver) in interfaces {
            if !drivers.contains(&driver) {
                drivers.push(driver);
            }
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
        for (interface, driver) in
            [("1-4:1.10", "snd"), ("1-4:1.2", "usbhid"), ("1-4:1.0", "usbhid"), ("ep_00", "no")]
        {
            let folder = root.join("bus/usb/devices/1-4").join(interface);
            fs::create_dir_all(&folder).expect("a folder");
            symlink(format!("../../../../bus/usb/drivers/{driver}"), folder.join("driver")).expect("a link");
        }
        fs::create_dir_all(root.join("bus/usb/devices/1-4/1-4:1.3")).expect("without a driver");
        let found = Sysfs::new(&root).drivers("1-4");
        fs::remove_dir_all(&root).expect("removed");
        assert_eq!(found, ["usbhid", "snd"]);
        assert!(Sysfs::new(&root).drivers("1-4").is_empty(), "gone");
    }
}
