//! The kernel's uevent messages, as text between NULs.

use serde::{Deserialize, Serialize};

use crate::attachment::Attachment;

/// What a uevent says has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Add,
    Remove,
    Change,
    Move,
    Online,
    Offline,
    Bind,
    Unbind,
}

impl Action {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Change => "change",
            Self::Move => "move",
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Bind => "bind",
            Self::Unbind => "unbind",
        }
    }

    /// Whether a device has its driver when this is sent.
    fn is_bound(self) -> bool {
        matches!(self, Self::Bind | Self::Change)
    }
}

/// A uevent before the kernel adds SEQNUM.
#[derive(Clone, Debug)]
pub(crate) struct Uevent {
    pub(crate) action: Action,
    pub(crate) devpath: String,
    pub(crate) subsystem: &'static str,
    pub(crate) keys: Vec<(&'static str, String)>,
}

impl Uevent {
    pub(crate) fn of_device(attachment: &Attachment, action: Action) -> Self {
        Self {
            action,
            devpath: attachment.devpath.clone(),
            subsystem: "usb",
            keys: attachment.keys(action.is_bound()),
        }
    }

    pub(crate) fn of_interface(attachment: &Attachment, number: usize, action: Action) -> Self {
        Self {
            action,
            devpath: attachment.interface_devpath(number),
            subsystem: "usb",
            keys: attachment.interface_keys(number, action.is_bound()),
        }
    }

    /// The `index`th of an endless row of uevents from elsewhere in the kernel, some of them close to USB.
    pub(crate) fn of_another_subsystem(index: u32) -> Self {
        let (devpath, subsystem, keys) = match index % 6 {
            0 => (
                format!("/devices/virtual/net/veth{index}"),
                "net",
                vec![("INTERFACE", format!("veth{index}"))],
            ),
            1 => ("/devices/virtual/block/loop0".to_owned(), "block", vec![("DEVTYPE", "disk".to_owned())]),
            2 => {
                let devpath = "/devices/pci0000:00/0000:00:01.0/usb1/1-1/1-1:1.0/usbmisc/hiddev0".to_owned();
                (devpath, "usbmisc", vec![("DEVNAME", "usb/hiddev0".to_owned())])
            }
            3 => ("/devices/virtual/tty/tty9".to_owned(), "tty", vec![("DEVNAME", "tty9".to_owned())]),
            4 => (format!("/module/fake{index}"), "module", vec![]),
            _ => {
                let devpath = "/devices/pci0000:00/0000:00:01.0/usb1/1-1/power_supply/cell".to_owned();
                (devpath, "power_supply", vec![("POWER_SUPPLY_NAME", "usb_device".to_owned())])
            }
        };
        Self { action: Action::Change, devpath, subsystem, keys }
    }

    /// The message without SEQNUM.
    pub(crate) fn payload(&self) -> Vec<u8> {
        let word = self.action.word();
        let mut text = format!(
            "{word}@{}\0ACTION={word}\0DEVPATH={}\0SUBSYSTEM={}\0",
            self.devpath, self.devpath, self.subsystem
        );
        for (key, value) in &self.keys {
            text.push_str(key);
            text.push('=');
            text.push_str(value);
            text.push('\0');
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Action, Uevent};
    use crate::attachment::Attachment;
    use crate::device::{Device, DeviceFields};

    fn mouse() -> Attachment {
        let fields: DeviceFields = serde_json::from_str(
            r#"{"vendor_id":"046d","product_id":"c077","bcd_device":"7200","interfaces":["03/01/02"]}"#,
        )
        .unwrap();
        Attachment::new("1-4".parse().unwrap(), 5, Arc::new(Device::try_from(&fields).unwrap()))
    }

    #[test]
    fn a_device_uevent_reads_as_the_kernels() {
        let text = String::from_utf8(Uevent::of_device(&mouse(), Action::Add).payload()).unwrap();
        assert_eq!(
            text.replace('\0', " "),
            "add@/devices/pci0000:00/0000:00:01.0/usb1/1-4 ACTION=add \
             DEVPATH=/devices/pci0000:00/0000:00:01.0/usb1/1-4 SUBSYSTEM=usb MAJOR=189 MINOR=4 \
             DEVNAME=bus/usb/001/005 DEVTYPE=usb_device PRODUCT=46d/c077/7200 TYPE=0/0/0 BUSNUM=001 DEVNUM=005 "
        );
    }

    #[test]
    fn a_bound_interface_names_its_driver() {
        let text = String::from_utf8(Uevent::of_interface(&mouse(), 0, Action::Bind).payload()).unwrap();
        assert_eq!(
            text.replace('\0', " "),
            "bind@/devices/pci0000:00/0000:00:01.0/usb1/1-4/1-4:1.0 ACTION=bind \
             DEVPATH=/devices/pci0000:00/0000:00:01.0/usb1/1-4/1-4:1.0 SUBSYSTEM=usb DEVTYPE=usb_interface \
             DRIVER=usbhid PRODUCT=46d/c077/7200 TYPE=0/0/0 INTERFACE=3/1/2 \
             MODALIAS=usb:v046DpC077d7200dc00dsc00dp00ic03isc01ip02in00 "
        );
    }
}
