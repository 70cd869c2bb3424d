//! What nusb says on Linux, where nothing but tests asks it.

use nusb::DeviceInfo;

/// Strings are in sysfs.
pub(crate) const KEEPS_STRINGS_BACK: bool = false;

pub(crate) fn instance(_: &DeviceInfo) -> Option<u64> {
    None
}

pub(crate) fn driver(_: &DeviceInfo) -> Option<String> {
    None
}

/// Bus and ports.
pub(crate) fn place(info: &DeviceInfo) -> (String, Vec<u8>) {
    (info.bus_id().to_owned(), info.port_chain().to_owned())
}

pub(crate) fn bus_number(id: &str) -> Option<u16> {
    id.parse().ok()
}

pub(crate) fn bus_ids() -> Vec<String> {
    Vec::new()
}
