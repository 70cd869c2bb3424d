//! Reading one uevent: `add@/devices/…\0KEY=value\0…`.

use thiserror::Error;

use crate::device::{Address, PortPath};

/// What the kernel did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A device was added.
    Add,
    /// A device was removed.
    Remove,
}

/// `add` or `remove` of a `usb_device`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uevent {
    /// What happened.
    pub change: Change,
    /// Path below /sys.
    pub devpath: String,
    /// Bus and address.
    pub address: Address,
    /// Vendor ID, product ID and device release.
    pub product: (u16, u16, u16),
    /// Device class, subclass and protocol.
    pub class: (u8, u8, u8),
    /// The kernel's running number over all uevents of the machine.
    pub seqnum: u64,
}

/// Why a message that claims to be a `usb_device`'s is not taken.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum UeventError {
    /// A key that every `usb_device` has is absent.
    #[error("uevent without {0}")]
    Missing(&'static str),
    /// A key's value is not what the kernel writes.
    #[error("uevent with an unreadable {0}")]
    Malformed(&'static str),
}

impl Uevent {
    /// The device's name in sysfs: `1-4.2`, `usb1`.
    pub fn name(&self) -> &str {
        self.devpath.rsplit('/').next().unwrap_or_default()
    }

    /// Reads a message. None for anything but `add` and `remove` of a `usb_device`.
    ///
    /// # Errors
    /// Where the message is about a `usb_device` but lacks a key or has one that cannot be read.
    pub fn parse(message: &[u8]) -> Result<Option<Self>, UeventError> {
        let mut fields = Fields::default();
        // The first part repeats ACTION and DEVPATH; libudev's own messages have another header and end here.
        let mut parts = message.split(|&byte| byte == 0);
        if !parts.next().is_some_and(|header| header.contains(&b'@')) {
            return Ok(None);
        }
        for part in parts {
            if let Some(at) = part.iter().position(|&byte| byte == b'=') {
                fields.take(&part[..at], &part[at + 1..]);
            }
        }
        let change = match fields.action {
            b"add" => Change::Add,
            b"remove" => Change::Remove,
            _ => return Ok(None),
        };
        if fields.subsystem != b"usb" || fields.devtype != b"usb_device" {
            return Ok(None);
        }
        fields.finish(change).map(Some)
    }
}

#[derive(Default)]
struct Fields<'a> {
    action: &'a [u8],
    subsystem: &'a [u8],
    devtype: &'a [u8],
    devpath: &'a [u8],
    busnum: &'a [u8],
    devnum: &'a [u8],
    product: &'a [u8],
    class: &'a [u8],
    seqnum: &'a [u8],
}

impl<'a> Fields<'a> {
    fn take(&mut self, key: &[u8], value: &'a [u8]) {
        match key {
            b"ACTION" => self.action = value,
            b"SUBSYSTEM" => self.subsystem = value,
            b"DEVTYPE" => self.devtype = value,
            b"DEVPATH" => self.devpath = value,
            b"BUSNUM" => self.busnum = value,
            b"DEVNUM" => self.devnum = value,
            b"PRODUCT" => self.product = value,
            b"TYPE" => self.class = value,
            b"SEQNUM" => self.seqnum = value,
            _ => {}
        }
    }

    fn finish(&self, change: Change) -> Result<Uevent, UeventError> {
        let devpath = text(self.devpath, "DEVPATH")?;
        if PortPath::of_devpath(devpath).is_none() {
            return Err(UeventError::Malformed("DEVPATH"));
        }
        let [vendor, product, release] = numbers(self.product, 16, "PRODUCT")?;
        let [class, subclass, protocol] = numbers(self.class, 10, "TYPE")?;
        let [bus] = numbers(self.busnum, 10, "BUSNUM")?;
        let [device] = numbers(self.devnum, 10, "DEVNUM")?;
        Ok(Uevent {
            change,
            devpath: devpath.to_owned(),
            address: Address { bus, device },
            product: (vendor, product, release),
            class: (byte(class)?, byte(subclass)?, byte(protocol)?),
            seqnum: text(self.seqnum, "SEQNUM")?.parse().map_err(|_| UeventError::Malformed("SEQNUM"))?,
        })
    }
}

fn text<'a>(value: &'a [u8], key: &'static str) -> Result<&'a str, UeventError> {
    if value.is_empty() {
        return Err(UeventError::Missing(key));
    }
    std::str::from_utf8(value).map_err(|_| UeventError::Malformed(key))
}

/// Exactly N numbers joined by slashes.
fn numbers<const N: usize>(value: &[u8], radix: u32, key: &'static str) -> Result<[u16; N], UeventError> {
    let malformed = || UeventError::Malformed(key);
    let mut parts = text(value, key)?.split('/');
    let mut found = [0; N];
    for number in &mut found {
        let part = parts.next().ok_or_else(malformed)?;
        *number = u16::from_str_radix(part, radix).map_err(|_| malformed())?;
    }
    if parts.next().is_some() { Err(malformed()) } else { Ok(found) }
}

fn byte(number: u16) -> Result<u8, UeventError> {
    number.try_into().map_err(|_| UeventError::Malformed("TYPE"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(action: &str, extra: &str) -> Vec<u8> {
        format!(
            "{action}@/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2\nACTION={action}\n\
             DEVPATH=/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2\nSUBSYSTEM=usb\nMAJOR=189\nMINOR=4\n\
             DEVNAME=bus/usb/001/005\n{extra}PRODUCT=46d/c077/7200\nTYPE=0/0/0\nBUSNUM=001\nDEVNUM=005\nSEQNUM=2345\n"
        )
        .replace('\n', "\0")
        .into_bytes()
    }

    #[test]
    fn add_and_remove_of_a_device_are_read() {
        let read =
            Uevent::parse(&message("add", "DEVTYPE=usb_device\n")).expect("well-formed").expect("a device");
        assert_eq!(read.name(), "1-4.2");
        assert_eq!(read.address, Address { bus: 1, device: 5 });
        assert_eq!(read.product, (0x046d, 0xc077, 0x7200));
        assert_eq!((read.change, read.seqnum), (Change::Add, 2345));
        let read = Uevent::parse(&message("remove", "DEVTYPE=usb_device\n")).expect("well-formed");
        assert_eq!(read.expect("a device").change, Change::Remove);
    }

    #[test]
    fn other_messages_are_passed_over() {
        for (action, extra) in [
            ("bind", "DEVTYPE=usb_device\n"),
            ("change", "DEVTYPE=usb_device\n"),
            ("add", "DEVTYPE=usb_interface\n"),
        ] {
            assert_eq!(Uevent::parse(&message(action, extra)), Ok(None), "{action} {extra}");
        }
        assert_eq!(Uevent::parse(b""), Ok(None));
        assert_eq!(Uevent::parse(b"libudev\0\xfe\xed\xca\xfe"), Ok(None));
    }

    #[test]
    fn a_device_without_its_keys_is_refused_by_name() {
        let whole = String::from_utf8(message("add", "DEVTYPE=usb_device\n")).expect("text");
        for (from, to, expected) in [
            ("BUSNUM=001", "BUSNUM=", UeventError::Missing("BUSNUM")),
            ("DEVNUM=005", "DEVNUM=five", UeventError::Malformed("DEVNUM")),
            ("PRODUCT=46d/c077/7200", "PRODUCT=46d/c077", UeventError::Malformed("PRODUCT")),
            ("TYPE=0/0/0", "TYPE=0/0/300", UeventError::Malformed("TYPE")),
            ("SEQNUM=2345", "", UeventError::Missing("SEQNUM")),
            ("\0DEVPATH=/devices", "\0DEVPATH=/../etc", UeventError::Malformed("DEVPATH")),
            ("\0DEVPATH=/devices", "\0DEVPATH=/devices/../etc", UeventError::Malformed("DEVPATH")),
        ] {
            assert_eq!(Uevent::parse(whole.replace(from, to).as_bytes()), Err(expected), "{from} -> {to}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reading_panic(noise in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Uevent::parse(&noise);
        }

        #[test]
        fn no_damaged_message_makes_the_reading_panic(at in 0_usize..300, byte in any::<u8>(), cut in 0_usize..300) {
            let mut message = message("add", "DEVTYPE=usb_device\n");
            let length = message.len();
            message[at % length] = byte;
            message.truncate(cut);
            let _ = Uevent::parse(&message);
        }
    }
}
