//! A site's own policy: a file in USBGuard's rule language, asked for each device.

use std::fs;
use std::io::Read as _;

use super::usbguard::{Decision, Policy, Subject, Verdict};
use crate::device::Device;
use crate::error::{Code, Error};
use crate::platform::bus;

/// More rules than any site has.
const LARGEST_FILE: u64 = 4 << 20;

/// A policy that has been read.
#[derive(Debug)]
pub(super) struct SitePolicy(Policy);

impl SitePolicy {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` where it cannot be read, and for each line that is at fault.
    pub(super) fn read(path: &str) -> Result<Self, Error> {
        let unreadable =
            |reason: String| Error::new(Code::Config, format!("filters.usbguard_rules: {path}: {reason}"));
        let failed = |error: std::io::Error| unreadable(error.to_string());
        // Before it is opened: to open a pipe is to wait for whoever writes to it.
        if !fs::metadata(path).map_err(failed)?.is_file() {
            return Err(unreadable("expected a file".to_owned()));
        }
        let mut text = String::new();
        let file = fs::File::open(path).map_err(failed)?;
        file.take(LARGEST_FILE + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > LARGEST_FILE {
            return Err(unreadable(format!("expected {LARGEST_FILE} bytes at most")));
        }
        Policy::parse(&text).map(Self).map_err(|faults| {
            Error::of_faults(
                faults.into_iter().map(|fault| format!("filters.usbguard_rules: {path}: {fault}")).collect(),
            )
        })
    }

    /// # Errors
    /// Where the device is held back: the path in the configuration, with the line of the rule that does it.
    pub(super) fn admit<'a>(&self, device: &'a Device, hub: Option<&Device>) -> Result<(), String> {
        let hardware = bus::hardware(device, hub);
        // What a partial device lacks is unknown, what another lacks is absent.
        let text = |text: &'a Option<String>| text.as_deref().or((!device.partial).then_some(""));
        // Of a device of the system's that is no longer there, the list is known without what is in it more than once.
        let is_given = device.inode.is_none() && !device.partial;
        let told = is_given.then_some(&*device.interfaces);
        let subject = Subject {
            vendor_id: device.descriptor.id_vendor,
            product_id: device.descriptor.id_product,
            serial: text(&device.serial_number),
            name: text(&device.product),
            port: &device.port_path.name(),
            interfaces: hardware.interfaces.as_deref().or(told),
            hash: hardware.hash.as_deref(),
            parent_hash: hardware.parent_hash.as_deref(),
            connect_type: hardware.connect_type.as_deref(),
        };
        match self.0.decide(&subject) {
            Verdict::Decided { decision: Decision::Allow, .. } => Ok(()),
            Verdict::Decided { line, .. } => Err(format!("filters.usbguard_rules, line {line}")),
            // USBGuard's own default: what no rule allows is blocked.
            Verdict::Undecided => Err("filters.usbguard_rules, in which no rule matches".to_owned()),
        }
    }
}
