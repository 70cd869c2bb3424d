//! Which sources hear here, and why not.

use std::sync::Arc;

use super::{Finding, Tell};
use crate::config::Config;
use crate::platform::bus::Listing;
use crate::source::libusb::LibusbSource;

const OFF: &str = "switched off by configuration";

pub(super) fn bus(config: &Config, tell: Tell<'_>) {
    let subject = "usb bus";
    if !config.sources.snapshot {
        let advice = "leave sources.snapshot on: without it, no device is found here";
        tell(Finding::warn(subject, "snapshots are switched off by configuration", advice));
    }
    match Listing::now() {
        Ok(listing) => tell(Finding::ok(subject, format!("{} devices", listing.devices.len()))),
        Err(error) => tell(Finding::fail(
            subject,
            error.message,
            "pull the device or hub that does not answer; the daemon goes on with the others when it does",
        )),
    }
}

/// It only confirms what the system lists.
pub(super) fn libusb(config: &Config, tell: Tell<'_>) {
    let subject = "libusb";
    if !config.sources.libusb {
        return tell(Finding::ok(subject, OFF));
    }
    match LibusbSource::start(&(Arc::new(|_, _| {}) as _)) {
        Ok(source) => {
            tell(Finding::ok(subject, "it starts, and takes hotplug callbacks"));
            drop(source);
        }
        Err(reason) => tell(Finding::ok(subject, format!("{reason}; the system itself is listened to"))),
    }
}
