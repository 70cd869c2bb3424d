//! The operating system as nusb shows it. No device is opened.
//!
//! What nusb does not tell of a device descriptor stays 0: the largest packet of endpoint 0, the indices of strings, and the number
//! of configurations.

use std::collections::HashSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream as _;
use nusb::hotplug::{HotplugEvent, HotplugWatch};
use nusb::{DeviceId, DeviceInfo, MaybeFuture as _, Speed};

use super::found::{Found, Read, Strings, Unread};
use super::generations::Generations;
use super::lister::{Heard, System};
use crate::device::{Address, Device, DeviceDescriptor, Functions, InterfaceClass, PortPath};
#[cfg(target_os = "linux")]
use crate::platform::linux::devices;
#[cfg(target_os = "macos")]
use crate::platform::macos::devices;
#[cfg(windows)]
use crate::platform::windows::devices;

/// The class of hubs.
const HUB: u8 = 9;

/// What is known of the buses and devices.
pub(super) struct Nusb {
    watch: Option<HotplugWatch>,
    buses: Buses,
    generations: Generations<DeviceId>,
}

impl Nusb {
    pub(super) fn new() -> Self {
        Self { watch: None, buses: Buses::default(), generations: Generations::new() }
    }

    fn found(&mut self, info: &DeviceInfo, mark: u64, instance: Option<u64>) -> Found {
        Found {
            device: self.device(info, instance),
            mark,
            driver: devices::driver(info),
            read: devices::KEEPS_STRINGS_BACK.then(|| reading(info)),
        }
    }

    fn device(&mut self, info: &DeviceInfo, instance: Option<u64>) -> Device {
        let (bus_id, ports) = devices::place(info);
        let bus = devices::bus_number(&bus_id).unwrap_or_else(|| self.buses.number(&bus_id));
        let interfaces = info.interfaces().map(|interface| InterfaceClass {
            class: interface.class(),
            subclass: interface.subclass(),
            protocol: interface.protocol(),
        });
        let mut distinct = Vec::new();
        for class in interfaces {
            if !distinct.contains(&class) {
                distinct.push(class);
            }
        }
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Device {
            address: Address { bus, device: info.device_address().into() },
            port_path: PortPath::new(bus, ports),
            descriptor: descriptor(info),
            manufacturer: owned(info.manufacturer_string()),
            product: owned(info.product_string()),
            serial_number: owned(info.serial_number()),
            speed: info.speed().and_then(speed).map(str::to_owned),
            interfaces: distinct,
            functions: Functions::default(),
            power: None,
            bus_path: Some(bus_id).filter(|id| !id.is_empty()),
            inode: instance,
            partial: false,
        }
    }
}

impl System for Nusb {
    fn watch(&mut self) -> Result<(), String> {
        self.watch = Some(nusb::watch_devices().map_err(|error| error.to_string())?);
        Ok(())
    }

    fn next(&mut self, task: &mut Context<'_>) -> Option<Heard> {
        let watch = self.watch.as_mut()?;
        match Pin::new(watch).poll_next(task) {
            Poll::Ready(Some(HotplugEvent::Connected(info))) => {
                let mark = self.generations.came(info.id());
                Some(Heard::Came(Box::new(self.found(&info, mark, devices::instance(&info)))))
            }
            Poll::Ready(Some(HotplugEvent::Disconnected(device))) => {
                self.generations.left(device);
                Some(Heard::Left)
            }
            Poll::Ready(None) | Poll::Pending => None,
        }
    }

    fn list(&mut self) -> Result<Vec<Found>, String> {
        if self.buses.0.is_empty() {
            self.buses.learn(devices::bus_ids());
        }
        let listed: Vec<DeviceInfo> =
            nusb::list_devices().wait().map_err(|error| error.to_string())?.collect();
        let ids: HashSet<DeviceId> = listed.iter().map(DeviceInfo::id).collect();
        self.generations.listed(&ids);
        let found = listed.iter().map(|info| {
            let instance = devices::instance(info);
            // nusb's watch tells of everything but hubs on Windows.
            let is_heard_of = self.watch.is_some() && info.class() != HUB;
            let mark = self.generations.mark(info.id(), instance.filter(|_| !is_heard_of));
            self.found(info, mark, instance)
        });
        Ok(found.collect())
    }
}

/// Reads those strings that the system has not kept. Each one may take as long as the device does.
fn reading(info: &DeviceInfo) -> Read {
    let info = info.clone();
    Arc::new(move || Strings {
        manufacturer: info.get_manufacturer_string().wait().map_err(|_| Unread),
        product: info.get_product_string().wait().map_err(|_| Unread),
        serial_number: info.get_serial_number_string().wait().map_err(|_| Unread),
    })
}

fn descriptor(info: &DeviceInfo) -> DeviceDescriptor {
    DeviceDescriptor {
        b_length: 18,
        b_descriptor_type: 1,
        bcd_usb: info.usb_version(),
        b_device_class: info.class(),
        b_device_sub_class: info.subclass(),
        b_device_protocol: info.protocol(),
        id_vendor: info.vendor_id(),
        id_product: info.product_id(),
        bcd_device: info.device_version(),
        ..DeviceDescriptor::default()
    }
}

/// Mbit/s, as sysfs prints them.
fn speed(speed: Speed) -> Option<&'static str> {
    Some(match speed {
        Speed::Low => "1.5",
        Speed::Full => "12",
        Speed::High => "480",
        Speed::Super => "5000",
        Speed::SuperPlus => "10000",
        _ => return None,
    })
}

/// Numbers for buses that the system only names, from 1: in the order of their names, as far as they are known when the daemon
/// starts, so that they are the same the next time.
#[derive(Debug, Default)]
struct Buses(Vec<String>);

impl Buses {
    fn learn(&mut self, mut ids: Vec<String>) {
        ids.sort();
        for id in ids {
            self.number(&id);
        }
    }

    fn number(&mut self, id: &str) -> u16 {
        let known = self.0.iter().position(|known| known == id);
        let at = known.unwrap_or_else(|| {
            self.0.push(id.to_owned());
            self.0.len() - 1
        });
        u16::try_from(at + 1).unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buses_are_numbered_in_the_order_of_their_names_and_keep_their_numbers() {
        let mut buses = Buses::default();
        buses.learn(vec!["PCIROOT(0)#PCI(1400)#USBROOT(0)".into(), "PCIROOT(0)#PCI(0D00)#USBROOT(0)".into()]);
        assert_eq!(buses.number("PCIROOT(0)#PCI(0D00)#USBROOT(0)"), 1);
        assert_eq!(buses.number("PCIROOT(0)#PCI(1400)#USBROOT(0)"), 2);
        assert_eq!(buses.number("A"), 3, "a bus that comes later");
        buses.learn(vec!["A".into(), "B".into()]);
        assert_eq!((buses.number("A"), buses.number("B")), (3, 4));
    }
}
