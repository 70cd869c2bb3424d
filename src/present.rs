//! What is connected now, without a daemon.

use napi_derive::napi;
use usb_daemon_core::{Code, PresentDevice, present_devices};

use crate::failure::{Result, failure};

/// What is connected now, as a JSON array of `USBDeviceInfo` (without `eventId`), hubs before what hangs on them.
///
/// # Errors
/// `ERR_USB_SYSTEM` where there is a USB bus and it cannot be listed.
#[napi(catch_unwind)]
pub fn list_devices() -> Result<String> {
    let devices = present_devices().map_err(failure)?;
    let infos: Vec<_> = devices.iter().map(PresentDevice::info).collect();
    serde_json::to_string(&infos)
        .map_err(|error| napi::Error::new(Code::System, format!("devices cannot be written: {error}")))
}
