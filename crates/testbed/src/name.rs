//! The kernel's names for places on the USB tree, and the addresses it hands out there.

use std::fmt;
use std::str::FromStr;

use crate::failure::Failure;

/// Where a device hangs: `usb1` for a root hub, `1-4.2` for port 2 of the hub in port 4 of bus 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DeviceName {
    bus: u8,
    ports: Vec<u8>,
}

impl DeviceName {
    pub(crate) fn root_hub(bus: u8) -> Self {
        Self { bus, ports: Vec::new() }
    }

    pub(crate) fn bus(&self) -> u8 {
        self.bus
    }

    /// The `devpath` attribute: `4.2`, or `0` for a root hub.
    pub(crate) fn port_path(&self) -> String {
        if self.ports.is_empty() { "0".to_owned() } else { join_ports(&self.ports) }
    }

    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, above) = self.ports.split_last()?;
        Some(Self { bus: self.bus, ports: above.to_vec() })
    }

    pub(crate) fn is_below(&self, hub: &Self) -> bool {
        self.bus == hub.bus && self.ports.len() > hub.ports.len() && self.ports.starts_with(&hub.ports)
    }

    /// The device's DEVPATH: its directory below `/sys`.
    pub(crate) fn devpath(&self) -> String {
        let mut path = format!("{}/usb{}", controller_devpath(self.bus), self.bus);
        for depth in 1..=self.ports.len() {
            let hub = Self { bus: self.bus, ports: self.ports[..depth].to_vec() };
            path.extend(["/", &hub.to_string()]);
        }
        path
    }

    /// The name of interface `number` in configuration 1.
    pub(crate) fn interface(&self, number: usize) -> String {
        if self.ports.is_empty() {
            format!("{}-0:1.{number}", self.bus)
        } else {
            format!("{self}:1.{number}")
        }
    }
}

/// The host controller that drives a bus, below `/sys`.
pub(crate) fn controller_devpath(bus: u8) -> String {
    format!("/devices/pci0000:00/{}", controller_address(bus))
}

/// The PCI address of the host controller that drives a bus.
pub(crate) fn controller_address(bus: u8) -> String {
    format!("0000:00:{bus:02x}.0")
}

fn join_ports(ports: &[u8]) -> String {
    ports.iter().map(u8::to_string).collect::<Vec<_>>().join(".")
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ports.is_empty() {
            write!(f, "usb{}", self.bus)
        } else {
            write!(f, "{}-{}", self.bus, join_ports(&self.ports))
        }
    }
}

impl FromStr for DeviceName {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Self, Failure> {
        let positive = |digits: &str| digits.parse::<u8>().ok().filter(|&number| number > 0);
        let parse = || {
            if let Some(bus) = text.strip_prefix("usb") {
                Some(Self::root_hub(positive(bus)?))
            } else {
                let (bus, ports) = text.split_once('-')?;
                let ports = ports.split('.').map(positive).collect::<Option<_>>()?;
                Some(Self { bus: positive(bus)?, ports })
            }
        };
        parse().ok_or_else(|| Failure::refused(format!("{text:?} is not a device name such as 1-4.2")))
    }
}

/// One bus's device addresses, chosen as the kernel's `choose_devnum` does: ever upward, round at 127.
#[derive(Debug)]
pub(crate) struct Addresses {
    taken: u128,
    next: u8,
}

impl Addresses {
    /// The address of a root hub.
    pub(crate) const ROOT_HUB: u8 = 1;
    const LAST: u8 = 127;

    pub(crate) fn new() -> Self {
        Self { taken: 1 << Self::ROOT_HUB, next: 1 }
    }

    pub(crate) fn choose(&mut self) -> Result<u8, Failure> {
        let free =
            |range: std::ops::RangeInclusive<u8>| range.into_iter().find(|&n| self.taken & (1 << n) == 0);
        let address = free(self.next..=Self::LAST)
            .or_else(|| free(1..=Self::LAST))
            .ok_or_else(|| Failure::refused("all 127 addresses of the bus are taken"))?;
        self.next = if address >= Self::LAST { 1 } else { address + 1 };
        self.taken |= 1 << address;
        Ok(address)
    }

    pub(crate) fn claim(&mut self, address: u8) -> Result<u8, Failure> {
        if address == 0 || address > Self::LAST || self.taken & (1 << address) != 0 {
            return Err(Failure::refused(format!("device address {address} is not free")));
        }
        self.taken |= 1 << address;
        Ok(address)
    }

    pub(crate) fn release(&mut self, address: u8) {
        self.taken &= !(1_u128 << address);
    }
}

#[cfg(test)]
mod tests {
    use super::{Addresses, DeviceName};

    #[test]
    fn names_give_the_paths_that_the_kernel_gives() {
        let name: DeviceName = "2-4.1".parse().unwrap();
        assert_eq!(name.to_string(), "2-4.1");
        assert_eq!(name.port_path(), "4.1");
        assert_eq!(name.devpath(), "/devices/pci0000:00/0000:00:02.0/usb2/2-4/2-4.1");
        assert_eq!(name.interface(0), "2-4.1:1.0");
        assert_eq!(name.parent().unwrap().parent().unwrap(), DeviceName::root_hub(2));
        assert_eq!(DeviceName::root_hub(2).interface(0), "2-0:1.0");
        assert!(name.is_below(&"2-4".parse().unwrap()));
        assert!(!name.is_below(&name));
    }

    #[test]
    fn refuses_what_is_no_device_name() {
        for text in ["", "1", "1-", "1-0", "x-1", "1-1:1.0", "usb", "usb0", "1-4..2", "1-../x"] {
            assert!(text.parse::<DeviceName>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_rise_and_wrap_at_127_past_those_in_use() {
        let mut addresses = Addresses::new();
        assert_eq!(addresses.choose().unwrap(), 2);
        for _ in 0..124 {
            let address = addresses.choose().unwrap();
            addresses.release(address);
        }
        assert_eq!(addresses.choose().unwrap(), 127);
        assert_eq!(addresses.choose().unwrap(), 3);
        assert!(addresses.claim(127).is_err());
        assert_eq!(addresses.claim(9).unwrap(), 9);
    }
}
