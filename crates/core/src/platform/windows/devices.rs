//! What Windows says of a device beyond what nusb gives everywhere.

use std::iter::once;
use std::os::windows::ffi::OsStrExt as _;

use nusb::{DeviceInfo, MaybeFuture as _};
use windows_sys::Win32::Devices::DeviceAndDriverInstallation::{
    CM_Get_DevNode_PropertyW, CM_LOCATE_DEVNODE_NORMAL, CM_Locate_DevNodeW, CR_SUCCESS,
};
use windows_sys::Win32::Devices::Properties::{DEVPKEY_Device_LastArrivalDate, DEVPROP_TYPE_FILETIME};

/// Windows keeps the product's string and the serial number; the manufacturer's is read from the device.
pub(crate) const KEEPS_STRINGS_BACK: bool = true;

/// When the device has arrived, in tenths of a microsecond: another time for each replug, under a name that may stay the same.
pub(crate) fn instance(info: &DeviceInfo) -> Option<u64> {
    let name: Vec<u16> = info.instance_id().encode_wide().chain(once(0)).collect();
    let mut node = 0;
    // SAFETY: the name ends with a zero, and the place is ours to be written to.
    let located = unsafe { CM_Locate_DevNodeW(&raw mut node, name.as_ptr(), CM_LOCATE_DEVNODE_NORMAL) };
    if located != CR_SUCCESS {
        return None;
    }
    let key = DEVPKEY_Device_LastArrivalDate;
    let (mut kind, mut time, mut size) = (0, [0; 8], 8);
    // SAFETY: at most `size` bytes are written to where there are as many, and the other places are ours, too.
    let read = unsafe {
        CM_Get_DevNode_PropertyW(node, &raw const key, &raw mut kind, time.as_mut_ptr(), &raw mut size, 0)
    };
    (read == CR_SUCCESS && kind == DEVPROP_TYPE_FILETIME && size == 8).then(|| u64::from_le_bytes(time))
}

/// The service of the device as a whole.
pub(crate) fn driver(info: &DeviceInfo) -> Option<String> {
    info.driver().map(str::to_owned)
}

/// Bus and ports. A device without a location path hangs on a bus of its parent's name.
pub(crate) fn place(info: &DeviceInfo) -> (String, Vec<u8>) {
    if !info.bus_id().is_empty() {
        return (info.bus_id().to_owned(), info.port_chain().to_owned());
    }
    let port = u8::try_from(info.port_number()).unwrap_or(u8::MAX);
    (info.parent_instance_id().to_string_lossy().into_owned(), vec![port])
}

/// Buses have names only.
pub(crate) fn bus_number(_: &str) -> Option<u16> {
    None
}

/// The names of all buses, those without any device included.
pub(crate) fn bus_ids() -> Vec<String> {
    let buses = nusb::list_buses().wait();
    buses.map_or_else(|_| Vec::new(), |buses| buses.map(|bus| bus.bus_id().to_owned()).collect())
}
