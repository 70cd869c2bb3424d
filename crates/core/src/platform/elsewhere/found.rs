//! A device as a listing shows it, with what has to be asked of the device itself left out.

use std::fmt;
use std::sync::Arc;

use crate::device::Device;
use crate::platform::Entry;

/// The strings of a device. An error where one could not be read, and nothing where there is none.
#[derive(Clone, Debug)]
pub(crate) struct Strings {
    pub(crate) manufacturer: Result<Option<String>, Unread>,
    pub(crate) product: Result<Option<String>, Unread>,
    pub(crate) serial_number: Result<Option<String>, Unread>,
}

/// A string that is there and could not be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unread;

/// Reads strings, and may take long.
pub(crate) type Read = Arc<dyn Fn() -> Strings + Send + Sync>;

/// A device that is there.
#[derive(Clone)]
pub(crate) struct Found {
    /// What is known without asking it.
    pub(crate) device: Device,
    /// Tells it from its successor in the same place.
    pub(crate) mark: u64,
    pub(crate) driver: Option<String>,
    /// Where the system does not know all of its strings.
    pub(crate) read: Option<Read>,
}

impl Found {
    /// Where it is.
    pub(crate) fn name(&self) -> String {
        self.device.port_path.name()
    }

    pub(crate) fn entry(&self) -> Entry {
        Entry { name: self.name(), mark: self.mark, address: Some(self.device.address) }
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Found")
            .field("name", &self.name())
            .field("mark", &self.mark)
            .finish_non_exhaustive()
    }
}

/// A device whose strings are still to be read.
#[derive(Clone)]
pub(crate) struct StringsToRead {
    pub(super) device: Device,
    pub(super) read: Read,
}

impl StringsToRead {
    /// The device with what the system knows of its strings: a partial one.
    pub(crate) fn without(&self) -> Device {
        Device { partial: true, ..self.device.clone() }
    }

    /// Reads the strings. Waits for as long as the device takes.
    pub(crate) fn read(self) -> Device {
        let Self { mut device, read } = self;
        let Strings { manufacturer, product, serial_number } = read();
        device.partial = manufacturer.is_err() || product.is_err() || serial_number.is_err();
        // What the system knows stands.
        device.manufacturer = manufacturer.unwrap_or(device.manufacturer);
        device.product = product.unwrap_or(device.product);
        device.serial_number = serial_number.unwrap_or(device.serial_number);
        device
    }
}

impl fmt::Debug for StringsToRead {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("StringsToRead").field("name", &self.device.port_path.name()).finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::device::{Address, PortPath};

    /// A device in this place, told from others by `mark`.
    pub(in crate::platform::elsewhere) fn found(name: &str, address: u16, mark: u64) -> Found {
        let port_path = PortPath::parse(name).expect("a place");
        let address = Address { bus: port_path.bus(), device: address };
        let device = Device { address, port_path, product: None, ..crate::test_support::device() };
        Found { device, mark, driver: None, read: None }
    }

    #[test]
    fn a_string_that_cannot_be_read_leaves_what_is_known_and_makes_the_device_partial() {
        let known =
            Device { manufacturer: None, serial_number: Some("S1".into()), ..found("1-1", 2, 1).device };
        let read = |strings: Strings| {
            StringsToRead { device: known.clone(), read: Arc::new(move || strings.clone()) }.read()
        };
        let all = |serial_number| Strings {
            manufacturer: Ok(Some("Maker".into())),
            product: Ok(None),
            serial_number,
        };
        let whole = read(all(Ok(Some("S1".into()))));
        assert_eq!(
            (whole.manufacturer.as_deref(), whole.product, whole.partial),
            (Some("Maker"), None, false)
        );
        let partial = read(all(Err(Unread)));
        assert_eq!((partial.serial_number.as_deref(), partial.partial), (Some("S1"), true));
    }
}
