//! Port paths: where a device hangs on the USB tree.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where a device hangs on the USB tree: a bus number and the hub ports that lead to it.
///
/// A port path survives a replug into the same socket; a device address does not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PortPath {
    bus: u16,
    ports: Vec<u8>,
}

impl PortPath {
    /// The path of `bus` and `ports`; no ports mean the root hub.
    pub fn new(bus: u16, ports: Vec<u8>) -> Self {
        Self { bus, ports }
    }

    /// Reads the kernel's name of a device: `usb1` (a root hub), `1-4.2`. None for anything else,
    /// an interface (`1-4.2:1.0`) included.
    pub fn parse(name: &str) -> Option<Self> {
        if let Some(bus) = name.strip_prefix("usb") {
            return Some(Self { bus: decimal(bus)?, ports: Vec::new() });
        }
        let (bus, ports) = name.split_once('-')?;
        let ports = ports.split('.').map(decimal).collect::<Option<Vec<u8>>>()?;
        Some(Self { bus: decimal(bus)?, ports })
    }

    /// Reads the end of a device's path below /sys: `/devices/…/1-4.2`. None for one that leads out of /devices.
    pub(crate) fn of_devpath(devpath: &str) -> Option<Self> {
        let mut parts = devpath.strip_prefix("/devices/")?.split('/');
        let name = parts.clone().next_back()?;
        if parts.any(|part| part == "..") { None } else { Self::parse(name) }
    }

    /// Reads the contract's form: ports joined by dots (`4.2`), `0` or nothing for a root hub.
    pub(crate) fn under(bus: u16, ports: &str) -> Option<Self> {
        match ports {
            "" | "0" => Some(Self { bus, ports: Vec::new() }),
            ports => Self::parse(&format!("{bus}-{ports}")),
        }
    }

    /// The kernel's name of the device there: `usb1`, `1-4.2`.
    pub fn name(&self) -> String {
        if self.ports.is_empty() { format!("usb{}", self.bus) } else { format!("{}-{self}", self.bus) }
    }

    /// Where the hub is that it hangs on; none above a root hub.
    pub fn hub(&self) -> Option<Self> {
        let (_, above) = self.ports.split_last()?;
        Some(Self { bus: self.bus, ports: above.to_vec() })
    }

    /// Bus number, from 1.
    pub fn bus(&self) -> u16 {
        self.bus
    }

    /// Hub ports from the root hub outward; empty for a root hub.
    pub fn ports(&self) -> &[u8] {
        &self.ports
    }
}

/// The kernel's name: what [`PortPath::parse`] reads.
impl Serialize for PortPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name())
    }
}

impl<'de> Deserialize<'de> for PortPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| D::Error::custom(format!("no port path: {name:?}")))
    }
}

/// Digits only: `FromStr` would take a plus sign too.
fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The contract's form: ports joined by dots (`4.2`), `0` for a root hub.
impl fmt::Display for PortPath {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, rest)) = self.ports.split_first() else {
            return out.write_str("0");
        };
        write!(out, "{first}")?;
        rest.iter().try_for_each(|port| write!(out, ".{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_names_become_port_paths() {
        for (name, expected) in [
            ("usb1", Some((1, "0"))),
            ("1-4", Some((1, "4"))),
            ("12-4.2.15", Some((12, "4.2.15"))),
            ("1-4:1.0", None),
            ("1-", None),
            ("usb", None),
            ("usb+1", None),
            ("1-4.", None),
            ("1-300", None),
            ("ep_00", None),
            ("", None),
        ] {
            let found = PortPath::parse(name).map(|path| (path.bus(), path.to_string()));
            assert_eq!(found, expected.map(|(bus, ports)| (bus, ports.to_owned())), "{name}");
        }
    }

    #[test]
    fn a_path_stays_below_devices() {
        for (devpath, expected) in [
            ("/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2", Some("1-4.2")),
            ("/devices/..usb/usb1", Some("usb1")),
            ("/devices/../../etc/1-4.2", None),
            ("/devices/../usb1", None),
            ("/class/usb1", None),
            ("/devices/1-4.2/1-4.2:1.0", None),
            ("/devices/", None),
        ] {
            assert_eq!(
                PortPath::of_devpath(devpath).map(|path| path.name()).as_deref(),
                expected,
                "{devpath}"
            );
        }
    }
}
