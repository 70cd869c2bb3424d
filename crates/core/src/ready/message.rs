//! Messages about what hangs below USB devices: the kernel's uevents, and what udev says once it has applied its rules.

use crate::device::PortPath;
pub(crate) use crate::source::netlink::multicast::Sender;

/// Bytes of udev's header that are read here: prefix, magic number, and where the properties are.
const HEADER: usize = 24;
const PREFIX: &[u8] = b"libudev\0";
const MAGIC: u32 = 0xfeed_cafe;

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Who says so.
    pub(crate) from: Sender,
    /// What the kernel did.
    pub(crate) action: Action,
    /// With what: a path below /sys.
    pub(crate) devpath: String,
    /// The kernel's number of it, which udev repeats.
    pub(crate) seqnum: u64,
}

/// What the kernel did, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// A driver has taken it, and has finished with its probing.
    Bind,
    /// Its driver has let go of it.
    Unbind,
    /// It has gone.
    Remove,
    /// It came, changed, was renamed.
    Other,
}

impl Heard {
    /// Reads a uevent of the kernel's. None of what is not about USB, or is none.
    pub(crate) fn of_kernel(message: &[u8]) -> Option<Self> {
        let header = message.iter().position(|&byte| byte == 0)?;
        if !message[..header].contains(&b'@') {
            return None;
        }
        Self::of_properties(Sender::Kernel, &message[header + 1..])
    }

    /// Reads a message of udev's, whose form it is. Numbers in its header are in this machine's order, but for the magic one.
    pub(crate) fn of_udev(message: &[u8]) -> Option<Self> {
        let header = message.get(..HEADER)?;
        let (prefix, numbers) = header.split_at(PREFIX.len());
        let number = |at: usize| numbers.get(at * 4..at * 4 + 4)?.try_into().ok();
        if prefix != PREFIX || u32::from_be_bytes(number(0)?) != MAGIC {
            return None;
        }
        let [start, length] = [number(2)?, number(3)?].map(|bytes| u32::from_ne_bytes(bytes) as usize);
        if start < HEADER {
            return None;
        }
        Self::of_properties(Sender::Udev, message.get(start..start.checked_add(length)?)?)
    }

    fn of_properties(from: Sender, properties: &[u8]) -> Option<Self> {
        let (mut action, mut devpath, mut seqnum) = (None, None, None);
        for property in properties.split(|&byte| byte == 0) {
            let Some(at) = property.iter().position(|&byte| byte == b'=') else { continue };
            let value = std::str::from_utf8(&property[at + 1..]).ok();
            match &property[..at] {
                b"ACTION" => action = value,
                b"DEVPATH" => devpath = value,
                b"SEQNUM" => seqnum = value,
                _ => {}
            }
        }
        let devpath = devpath.filter(|path| path.starts_with("/devices/") && path.contains("/usb"))?;
        let action = match action? {
            "bind" => Action::Bind,
            "unbind" => Action::Unbind,
            "remove" => Action::Remove,
            _ => Action::Other,
        };
        Some(Self { from, action, devpath: devpath.to_owned(), seqnum: seqnum?.parse().ok()? })
    }

    /// The name of what it is about: `1-4`, `1-4:1.0`, `ttyUSB0`.
    pub(crate) fn name(&self) -> &str {
        self.devpath.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it is about the device at this path, or about something that is a part of it: what hangs on a hub's ports is not.
    pub(crate) fn is_within(&self, devpath: &str) -> bool {
        let Some(rest) = self.devpath.strip_prefix(devpath) else { return false };
        let Some(below) = rest.strip_prefix('/') else { return rest.is_empty() };
        below.split('/').next().is_none_or(|name| PortPath::parse(name).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PATH: &str = "/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4:1.0/ttyUSB0";

    fn properties(action: &str) -> String {
        format!("ACTION={action}\0DEVPATH={PATH}\0SUBSYSTEM=usb-serial\0SEQNUM=4711\0")
    }

    /// As udev writes it: a header of forty bytes, then the properties.
    fn of_udev(magic: u32, properties: &str) -> Vec<u8> {
        let numbers = [40, 40, u32::try_from(properties.len()).expect("short"), 0, 0, 0, 0];
        let mut message = [PREFIX, &magic.to_be_bytes()].concat();
        message.extend(numbers.iter().take(7).flat_map(|number: &u32| number.to_ne_bytes()));
        message.extend_from_slice(properties.as_bytes());
        message
    }

    #[test]
    fn the_kernels_and_udevs_words_about_one_thing_have_one_number() {
        let kernel = Heard::of_kernel(format!("bind@{PATH}\0{}", properties("bind")).as_bytes());
        let kernel = kernel.expect("a uevent");
        assert_eq!((kernel.from, kernel.action, kernel.seqnum), (Sender::Kernel, Action::Bind, 4711));
        let udev = Heard::of_udev(&of_udev(MAGIC, &properties("bind"))).expect("a message");
        assert_eq!(udev, Heard { from: Sender::Udev, ..kernel });
    }

    #[test]
    fn what_has_not_the_form_or_is_not_about_usb_is_passed_over() {
        let good = of_udev(MAGIC, &properties("add"));
        assert!(Heard::of_udev(&good).is_some());
        assert_eq!(Heard::of_udev(&of_udev(0xcafe_feed, &properties("add"))), None, "another magic number");
        assert_eq!(Heard::of_udev(&good[..good.len() - 1]), None, "cut off");
        assert_eq!(Heard::of_udev(format!("add@{PATH}\0{}", properties("add")).as_bytes()), None);
        assert_eq!(Heard::of_kernel(&good), None);
        let other = properties("add").replace("/usb1/", "/ata1/");
        assert_eq!(Heard::of_kernel(format!("add@{PATH}\0{other}").as_bytes()), None);
    }

    #[test]
    fn what_is_below_a_device_is_not_what_begins_like_it() {
        let heard = Heard { from: Sender::Kernel, action: Action::Other, devpath: PATH.into(), seqnum: 1 };
        assert!(heard.is_within("/devices/pci0000:00/0000:00:14.0/usb1/1-4"));
        assert!(heard.is_within(PATH));
        assert!(!heard.is_within("/devices/pci0000:00/0000:00:14.0/usb1/1-"));
        assert!(
            !heard.is_within("/devices/pci0000:00/0000:00:14.0/usb1"),
            "the hub's devices are not the hub"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reading_panic(noise in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..120, byte in any::<u8>()) {
            let _ = (Heard::of_kernel(&noise), Heard::of_udev(&noise));
            let mut message = of_udev(MAGIC, &properties("add"));
            let length = message.len();
            message[at % length] = byte;
            let _ = Heard::of_udev(&message);
        }
    }
}
