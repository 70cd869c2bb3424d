//! One record of the helper that udev calls: `KEY=VALUE` lines, read strictly. Whoever is in the group may have written it.

use thiserror::Error;

use crate::device::{Address, Device, InterfaceClass, PortPath};
use crate::escapes::unescaped;
use crate::event::Action;

/// Larger than any record: the kernel gives a string of a device 126 characters, of which each takes 12 bytes at most.
pub const LARGEST: usize = 16 << 10;
const VERSION: &str = "1";
/// A string of a device has no more characters than these.
const LONGEST_STRING: usize = 1024;

/// A transition that the helper has written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What happened.
    pub action: Action,
    /// The kernel's run in which it did.
    pub boot_id: String,
    /// The number of the kernel's uevent.
    pub seqnum: u64,
    /// When the helper wrote it, in ms since 1970.
    pub timestamp_ms: u64,
    /// Path below /sys.
    pub devpath: String,
    /// Bus and address.
    pub address: Address,
    product: (u16, u16, u16),
    class: (u8, u8, u8),
    manufacturer: Option<String>,
    model: Option<String>,
    serial_number: Option<String>,
    interfaces: Vec<InterfaceClass>,
}

/// Why a file is no record.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    /// No text in UTF-8.
    #[error("it is no text")]
    NoText,
    /// Of another version of the helper.
    #[error(
        "it has VERSION={0}, this daemon reads 1: install the helper anew with `usb-daemon udev install`"
    )]
    Version(String),
    /// A key that every record has is absent.
    #[error("it lacks {0}")]
    Missing(&'static str),
    /// A key's value is not what the helper writes.
    #[error("its {0} cannot be read")]
    Malformed(&'static str),
    /// A key comes twice.
    #[error("it has {0} twice")]
    Twice(&'static str),
    /// The number in it is not the one in its name.
    #[error("its SEQNUM is not that of its name")]
    OtherName,
}

const KEYS: [&str; 13] = [
    "VERSION",
    "ACTION",
    "BOOT_ID",
    "SEQNUM",
    "TIMESTAMP",
    "DEVPATH",
    "BUSNUM",
    "DEVNUM",
    "PRODUCT",
    "TYPE",
    "ID_VENDOR_ENC",
    "ID_MODEL_ENC",
    "ID_SERIAL_SHORT",
];
const INTERFACES: &str = "ID_USB_INTERFACES";

/// Values by the place of their key.
struct Fields<'a> {
    values: [Option<&'a str>; KEYS.len()],
    interfaces: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Result<Self, RecordError> {
        let mut fields = Self { values: [None; KEYS.len()], interfaces: None };
        for (key, value) in text.lines().filter_map(|line| line.split_once('=')) {
            let (name, slot) = match KEYS.iter().position(|known| *known == key) {
                Some(at) => (KEYS[at], &mut fields.values[at]),
                None if key == INTERFACES => (INTERFACES, &mut fields.interfaces),
                // A later helper may know more.
                None => continue,
            };
            if slot.replace(value).is_some() {
                return Err(RecordError::Twice(name));
            }
        }
        Ok(fields)
    }

    /// Empty counts as absent: so the helper writes what udev does not know.
    fn get(&self, key: &'static str) -> Option<&'a str> {
        let at = KEYS.iter().position(|known| *known == key)?;
        self.values[at].filter(|value| !value.is_empty())
    }

    fn need(&self, key: &'static str) -> Result<&'a str, RecordError> {
        self.get(key).ok_or(RecordError::Missing(key))
    }

    fn number<T: std::str::FromStr>(&self, key: &'static str) -> Result<T, RecordError> {
        let text = self.need(key)?;
        // `FromStr` would take a plus sign too.
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_number).ok_or(RecordError::Malformed(key))
    }

    /// Exactly three numbers joined by slashes.
    fn three<T: Copy + Default>(
        &self,
        key: &'static str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<[T; 3], RecordError> {
        let mut parts = self.need(key)?.split('/');
        let mut numbers = [T::default(); 3];
        for number in &mut numbers {
            *number = parts.next().and_then(&read).ok_or(RecordError::Malformed(key))?;
        }
        if parts.next().is_some() { Err(RecordError::Malformed(key)) } else { Ok(numbers) }
    }

    fn string(&self, key: &'static str) -> Result<Option<String>, RecordError> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let decoded = decode(text).ok_or(RecordError::Malformed(key))?;
        if decoded.chars().count() > LONGEST_STRING {
            Err(RecordError::Malformed(key))
        } else {
            Ok(Some(decoded))
        }
    }
}

impl Record {
    /// Reads a record from the file whose name says `seqnum`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(seqnum: u64, bytes: &[u8]) -> Result<Self, RecordError> {
        let text = std::str::from_utf8(bytes).map_err(|_| RecordError::NoText)?;
        let fields = Fields::read(text)?;
        let version = fields.need("VERSION")?;
        if version != VERSION {
            return Err(RecordError::Version(crate::error::shown(version)));
        }
        let action = match fields.need("ACTION")? {
            "attach" => Action::Attach,
            "detach" => Action::Detach,
            _ => return Err(RecordError::Malformed("ACTION")),
        };
        if fields.number::<u64>("SEQNUM")? != seqnum {
            return Err(RecordError::OtherName);
        }
        let devpath = fields.need("DEVPATH")?;
        let port_path = PortPath::of_devpath(devpath).ok_or(RecordError::Malformed("DEVPATH"))?;
        let address = Address { bus: fields.number("BUSNUM")?, device: fields.number("DEVNUM")? };
        if port_path.bus() != address.bus {
            return Err(RecordError::Malformed("BUSNUM"));
        }
        let hex = |text: &str| u16::from_str_radix(text, 16).ok().filter(|_| !text.starts_with('+'));
        let [vendor, product, release] = fields.three("PRODUCT", hex)?;
        let [class, subclass, protocol] = fields.three("TYPE", |text| text.parse().ok())?;
        Ok(Self {
            action,
            boot_id: fields.get("BOOT_ID").unwrap_or_default().to_owned(),
            seqnum,
            timestamp_ms: fields.number("TIMESTAMP")?,
            devpath: devpath.to_owned(),
            address,
            product: (vendor, product, release),
            class: (class, subclass, protocol),
            manufacturer: fields.string("ID_VENDOR_ENC")?,
            model: fields.string("ID_MODEL_ENC")?,
            serial_number: fields.string("ID_SERIAL_SHORT")?,
            interfaces: interfaces(fields.interfaces.unwrap_or_default())?,
        })
    }

    /// The device's name in sysfs: `1-4.2`, `usb1`.
    pub fn name(&self) -> &str {
        self.devpath.rsplit('/').next().unwrap_or_default()
    }

    /// What the record says of a device that cannot be looked at any more.
    pub fn device(&self, bus_path: Option<String>) -> Device {
        Device {
            manufacturer: self.manufacturer.clone(),
            product: self.model.clone(),
            serial_number: self.serial_number.clone(),
            interfaces: self.interfaces.clone(),
            ..Device::of_uevent(self.address, self.name(), self.product, self.class, bus_path)
        }
    }
}

/// `:030101:080650:`, six hex digits an interface.
fn interfaces(text: &str) -> Result<Vec<InterfaceClass>, RecordError> {
    let mut found = Vec::new();
    for part in text.split(':').filter(|part| !part.is_empty()) {
        let byte = |at: usize| part.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let (6, Some(class), Some(subclass), Some(protocol)) = (part.len(), byte(0), byte(2), byte(4)) else {
            return Err(RecordError::Malformed(INTERFACES));
        };
        let class = InterfaceClass { class, subclass, protocol };
        if !found.contains(&class) {
            found.push(class);
        }
    }
    Ok(found)
}

/// Undoes what udev does to a string that may hold anything: `\x20` is a byte. Blanks that udev leaves at the end are the
/// device's own. None where an escape is cut short.
fn decode(text: &str) -> Option<String> {
    unescaped(text.as_bytes()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in crate::spool) const TEXT: &str = "VERSION=1\nACTION=attach\nBOOT_ID=boot\nSEQNUM=4711\nTIMESTAMP=1700000000000\n\
        DEVPATH=/devices/pci0000:00/0000:00:14.0/usb1/1-4/1-4.2\nBUSNUM=001\nDEVNUM=005\nPRODUCT=46d/c077/7200\n\
        TYPE=0/0/0\nID_VENDOR_ENC=Logi\\x20tech\nID_MODEL_ENC=M\\xc3\\xa4use\nID_SERIAL_SHORT=A1\n\
        ID_USB_INTERFACES=:030102:080650:030102:\nLATER=anything\n";

    #[test]
    fn a_record_says_all_that_udev_knew() {
        let record = Record::parse(4711, TEXT.as_bytes()).expect("a record");
        assert_eq!(
            (record.action, record.name(), record.timestamp_ms),
            (Action::Attach, "1-4.2", 1_700_000_000_000)
        );
        let device = record.device(Some("0000:00:14.0-usb2".into()));
        assert_eq!((device.descriptor.id_vendor, device.descriptor.bcd_device), (0x046d, 0x7200));
        assert_eq!(
            (device.manufacturer.as_deref(), device.product.as_deref()),
            (Some("Logi tech"), Some("Mäuse"))
        );
        assert_eq!(device.serial_number.as_deref(), Some("A1"));
        let interfaces: Vec<String> = device.interfaces.iter().map(ToString::to_string).collect();
        assert_eq!((interfaces.join(" ").as_str(), device.partial), ("03/01/02 08/06/50", true));
    }

    #[test]
    fn a_record_that_says_less_or_something_else_is_refused_by_the_key() {
        for (from, to, expected) in [
            ("VERSION=1", "VERSION=2", RecordError::Version("2".into())),
            ("VERSION=1\n", "", RecordError::Missing("VERSION")),
            ("ACTION=attach", "ACTION=add", RecordError::Malformed("ACTION")),
            ("SEQNUM=4711", "SEQNUM=4712", RecordError::OtherName),
            ("SEQNUM=4711", "SEQNUM=+4711", RecordError::Malformed("SEQNUM")),
            ("TIMESTAMP=1700000000000", "TIMESTAMP=-1", RecordError::Malformed("TIMESTAMP")),
            ("DEVPATH=/devices/", "DEVPATH=/devices/../", RecordError::Malformed("DEVPATH")),
            ("1-4.2\n", "1-4.2:1.0\n", RecordError::Malformed("DEVPATH")),
            ("BUSNUM=001", "BUSNUM=002", RecordError::Malformed("BUSNUM")),
            ("DEVNUM=005", "DEVNUM=", RecordError::Missing("DEVNUM")),
            ("PRODUCT=46d/c077", "PRODUCT=46d/c077/1", RecordError::Malformed("PRODUCT")),
            ("TYPE=0/0/0", "TYPE=0/0/256", RecordError::Malformed("TYPE")),
            ("Logi\\x20tech", "Logi\\x2", RecordError::Malformed("ID_VENDOR_ENC")),
            (":030102:", ":0301:", RecordError::Malformed("ID_USB_INTERFACES")),
            ("LATER=anything", "DEVNUM=6", RecordError::Twice("DEVNUM")),
        ] {
            let text = TEXT.replacen(from, to, 1);
            assert_eq!(Record::parse(4711, text.as_bytes()), Err(expected), "{from} -> {to}");
        }
        assert_eq!(Record::parse(1, b"VERSION=1\xff"), Err(RecordError::NoText));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reading_panic(noise in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = Record::parse(4711, &noise);
        }

        #[test]
        fn no_damaged_record_makes_the_reading_panic(at in 0..400_usize, byte in any::<u8>(), cut in 0..400_usize) {
            let mut bytes = TEXT.as_bytes().to_vec();
            let length = bytes.len();
            bytes[at % length] = byte;
            bytes.truncate(cut);
            let _ = Record::parse(4711, &bytes);
        }
    }
}
