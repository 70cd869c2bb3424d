//! Names that outlive an attachment: which unit this is, as far as it can be told.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::serial::is_junk;
use super::{Address, Device, SharedSerials, Unit};
use crate::stream_field;

/// What a stable ID rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// The serial number: the same unit on whichever port.
    Serial,
    /// The port: whatever hangs there with these IDs.
    Port,
}

impl Identity {
    /// The word in the stream.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::Port => "port",
        }
    }
}

/// The contract's `stable_id`, with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StableId {
    /// `vvvv:pppp:<serial>` or `vvvv:pppp@<bus path>-<ports>`.
    pub id: String,
    /// What it rests on.
    pub identity: Identity,
}

impl StableId {
    /// Whether a text has the form of an ID.
    pub fn is_id(text: &str) -> bool {
        stream_field::stable_id(text).is_some()
    }
}

/// Remembers which serial numbers are attached, and which have been seen on two devices at once.
#[derive(Debug, Default)]
pub struct SerialMemory {
    attached: HashMap<Unit, Address>,
    shared: SharedSerials,
    /// Those that are still to be stored.
    found: Vec<Unit>,
}

impl SerialMemory {
    /// A memory that knows already which serial numbers identify nothing.
    pub(crate) fn knowing(shared: SharedSerials) -> Self {
        Self { shared, ..Self::default() }
    }

    /// Names a device that has just been attached; the name stays as it is until its detach.
    pub fn attach(&mut self, device: &Device) -> StableId {
        let port = || StableId { id: port_id(device), identity: Identity::Port };
        let Some(unit) = unit(device) else { return port() };
        match self.attached.get(&unit) {
            Some(address) if *address != device.address => {
                if self.shared.insert(unit.clone()) {
                    self.found.push(unit);
                }
                port()
            }
            _ if self.shared.contains(&unit) => port(),
            _ => {
                let id = serial_id(&unit);
                self.attached.insert(unit, device.address);
                StableId { id, identity: Identity::Serial }
            }
        }
    }

    /// Takes note of a device that an earlier run has named, and of what its name says about its serial number.
    pub fn restore(&mut self, device: &Device, named: &StableId) {
        let Some(unit) = unit(device) else { return };
        match named.identity {
            Identity::Serial => {
                self.attached.insert(unit, device.address);
            }
            Identity::Port => {
                self.shared.insert(unit);
            }
        }
    }

    /// Serial numbers that have been seen on two devices at once since this was last asked, and that were not known to be shared.
    pub(crate) fn take_found(&mut self) -> Vec<Unit> {
        std::mem::take(&mut self.found)
    }

    /// Forgets a device that has left; that its serial number was shared is not forgotten.
    pub fn detach(&mut self, device: &Device) {
        if let Some(unit) = unit(device)
            && self.attached.get(&unit) == Some(&device.address)
        {
            self.attached.remove(&unit);
        }
    }
}

/// None where nothing tells it from others of its model.
fn unit(device: &Device) -> Option<Unit> {
    let serial = device.serial_number.as_deref().filter(|serial| !is_junk(serial))?;
    Some(Unit {
        vendor: device.descriptor.id_vendor,
        product: device.descriptor.id_product,
        serial: serial.to_owned(),
    })
}

fn serial_id(Unit { vendor, product, serial }: &Unit) -> String {
    let mut id = format!("{vendor:04x}:{product:04x}:");
    for byte in serial.bytes() {
        // RFC 3986's unreserved characters stand for themselves.
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            id.push(char::from(byte));
        } else {
            let _ = write!(id, "%{byte:02X}");
        }
    }
    id
}

fn port_id(device: &Device) -> String {
    let bus = match &device.bus_path {
        Some(path) => path.clone(),
        None => format!("usb{}", device.address.bus),
    };
    format!(
        "{:04x}:{:04x}@{bus}-{}",
        device.descriptor.id_vendor, device.descriptor.id_product, device.port_path
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{DeviceDescriptor, Functions, PortPath};

    fn device(address: u16, name: &str, serial: Option<&str>) -> Device {
        Device {
            address: Address { bus: 1, device: address },
            port_path: PortPath::parse(name).expect("a port path"),
            descriptor: DeviceDescriptor { id_vendor: 0x0403, id_product: 0x6001, ..Default::default() },
            manufacturer: None,
            product: None,
            serial_number: serial.map(str::to_owned),
            speed: None,
            interfaces: vec![],
            functions: Functions::default(),
            power: None,
            bus_path: Some("0000:00:14.0-usb2".into()),
            inode: None,
            partial: false,
        }
    }

    #[test]
    fn a_serial_number_names_the_unit_and_is_percent_encoded() {
        let named = SerialMemory::default().attach(&device(2, "1-1", Some("A/ü 1")));
        assert_eq!(named, StableId { id: "0403:6001:A%2F%C3%BC%201".into(), identity: Identity::Serial });
    }

    #[test]
    fn without_a_serial_number_the_port_names_it() {
        let named = SerialMemory::default().attach(&device(2, "1-4.2", None));
        assert_eq!(
            named,
            StableId { id: "0403:6001@0000:00:14.0-usb2-4.2".into(), identity: Identity::Port }
        );
    }

    #[test]
    fn a_serial_number_seen_on_two_devices_at_once_no_longer_identifies() {
        let mut memory = SerialMemory::default();
        let (first, second) = (device(2, "1-1", Some("X")), device(3, "1-2", Some("X")));
        assert_eq!(memory.attach(&first).identity, Identity::Serial);
        assert_eq!(memory.attach(&second).identity, Identity::Port);
        memory.detach(&first);
        memory.detach(&second);
        assert_eq!(memory.attach(&first).identity, Identity::Port);
    }

    #[test]
    fn a_serial_number_that_is_shared_is_found_out_once_and_is_known_to_whoever_is_told() {
        let shared = SharedSerials::default();
        let mut memory = SerialMemory::knowing(shared.clone());
        for at in [2, 3, 4] {
            memory.attach(&device(at, "1-1", Some("X")));
        }
        assert_eq!(memory.take_found().len(), 1);
        let mut later = SerialMemory::knowing(shared);
        assert_eq!(later.attach(&device(9, "1-1", Some("X"))).identity, Identity::Port);
        assert_eq!(later.attach(&device(9, "1-1", Some("Y"))).identity, Identity::Serial);
        assert_eq!(later.take_found(), [], "it was known");
    }

    #[test]
    fn a_serial_number_of_another_model_is_another_one() {
        let mut memory = SerialMemory::default();
        memory.attach(&device(2, "1-1", Some("X")));
        let mut other = device(3, "1-2", Some("X"));
        other.descriptor.id_product = 0x6002;
        assert_eq!(memory.attach(&other).identity, Identity::Serial);
    }

    #[test]
    fn a_serial_number_that_a_maker_has_left_in_does_not_identify() {
        let mut memory = SerialMemory::default();
        for junk in ["0123456789", "000000000000", ""] {
            let named = memory.attach(&device(2, "1-4.2", Some(junk)));
            assert_eq!(named.id, "0403:6001@0000:00:14.0-usb2-4.2", "{junk:?}");
        }
    }

    #[test]
    fn a_replug_keeps_the_name() {
        let mut memory = SerialMemory::default();
        let before = memory.attach(&device(2, "1-1", Some("X")));
        memory.detach(&device(2, "1-1", Some("X")));
        assert_eq!(memory.attach(&device(9, "1-3", Some("X"))), before);
    }
}
