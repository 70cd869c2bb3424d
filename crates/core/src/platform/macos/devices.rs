//! What macOS says of a device beyond what nusb gives everywhere.

use nusb::DeviceInfo;

/// The registry has all strings: reading them asks no device.
pub(crate) const KEEPS_STRINGS_BACK: bool = false;

/// The entry in the registry of `IOKit`, whose number none has again before the next boot.
#[expect(clippy::unnecessary_wraps, reason = "Windows does not always know")]
pub(crate) fn instance(info: &DeviceInfo) -> Option<u64> {
    Some(info.registry_entry_id())
}

/// macOS has drivers for interfaces, and nusb does not tell which.
pub(crate) fn driver(_: &DeviceInfo) -> Option<String> {
    None
}

/// Bus and ports, from the location ID.
pub(crate) fn place(info: &DeviceInfo) -> (String, Vec<u8>) {
    (info.bus_id().to_owned(), info.port_chain().to_owned())
}

/// The uppermost byte of location IDs, as libusb has it, too.
pub(crate) fn bus_number(id: &str) -> Option<u16> {
    u16::from_str_radix(id, 16).ok()
}

/// Buses have numbers.
pub(crate) fn bus_ids() -> Vec<String> {
    Vec::new()
}
