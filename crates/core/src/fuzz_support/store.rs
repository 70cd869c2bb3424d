//! What is read back from a disk: the outbox's records and its state, and what the helper of udev has left in the spool.

use std::fmt::Write as _;

use crate::device::{Device, PortPath};
use crate::outbox::record::Reader;
use crate::publisher::Entries;
use crate::spool::{Claims, Record, Settled};
use crate::stream_reply::Entry;

/// Claims that are remembered.
const MOST_CLAIMS: usize = 128;
/// Bytes of a record that is looked at.
const LARGEST_RECORD: usize = 16 << 10;
/// Characters of a device's string.
const LONGEST_STRING: usize = 1024;

/// A record of the outbox: an event that comes back is the one that is stored again, and is told to everybody in bounds.
///
/// # Panics
/// Where the reader breaks a law.
pub fn outbox_record(record: &[u8]) {
    let Ok(text) = std::str::from_utf8(record) else { return };
    let mut reader = Reader::default();
    let Ok(event) = reader.event(text) else { return };
    let again = serde_json::to_string(&event).expect("a record");
    // What it remembers of the record before changes nothing.
    for mut reader in [reader, Reader::default()] {
        assert_eq!(reader.event(&again).expect("an event"), event);
    }
    let told = serde_json::to_string(&event.info()).expect("JSON");
    assert!(told.len() <= 16 * record.len() + 4096, "{} bytes of {}", told.len(), record.len());
    let mut fields = Vec::new();
    Entries::new("box", None).give(&event, |name, value| {
        fields.push((name.as_bytes().to_vec(), value.as_bytes().to_vec()));
    });
    let read = super::stream::read(&Entry { id: "1-0".into(), fields });
    if let Some(read) = read {
        assert_eq!(read.event_id(), Some(&*event.event_id()), "another event");
    }
}

/// What the outbox remembers of the spool: a set of numbers, and claims.
///
/// # Panics
/// Where a reader breaks a law.
pub fn outbox_state(state: &[u8]) {
    let Ok(text) = std::str::from_utf8(state) else { return };
    let settled = Settled::parse(text);
    assert_eq!(Settled::parse(&settled.to_string()), settled);
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        if let (Ok(first), Ok(last)) = (first.parse(), last.parse())
            && first <= last
        {
            assert!(settled.contains(first) && settled.contains(last), "{range} is forgotten");
        }
    }
    let claims = Claims::parse(text);
    let written = claims.to_string();
    assert!(written.split(',').count() <= MOST_CLAIMS, "unbounded");
    assert_eq!(Claims::parse(&written), claims);
}

/// A record of the spool, in a file whose name has the number that is in it.
///
/// # Panics
/// Where the reader breaks a law.
pub fn spool_record(bytes: &[u8]) {
    if bytes.len() > LARGEST_RECORD {
        return;
    }
    let number = |text: &str| text.lines().find_map(|line| line.strip_prefix("SEQNUM=")?.parse().ok());
    let seqnum = std::str::from_utf8(bytes).ok().and_then(number).unwrap_or(4711);
    let record = match Record::parse(seqnum, bytes) {
        Ok(record) => record,
        Err(error) => return assert!(super::is_presentable(&error.to_string()), "{error}"),
    };
    assert!(record.devpath.starts_with("/devices/") && record.devpath.split('/').all(|part| part != ".."));
    assert!(PortPath::parse(record.name()).is_some_and(|path| path.bus() == record.address.bus));
    let device = record.device(None);
    let strings = [&device.manufacturer, &device.product, &device.serial_number];
    assert!(strings.into_iter().flatten().all(|text| text.chars().count() <= LONGEST_STRING));
    assert!(device.interfaces.len() <= bytes.len() / 7 + 1, "more interfaces than there are");
    // A line may end with a carriage return, which is no part of it.
    if !record.boot_id.ends_with('\r') {
        assert_eq!(Record::parse(seqnum, written(&record, &device).as_bytes()), Ok(record));
    }
}

/// As the helper writes it.
fn written(record: &Record, device: &Device) -> String {
    let Record { action, boot_id, seqnum, timestamp_ms, devpath, address, .. } = record;
    let descriptor = &device.descriptor;
    let class = descriptor.class();
    let mut text = format!(
        "VERSION=1\nACTION={}\nBOOT_ID={boot_id}\nSEQNUM={seqnum}\nTIMESTAMP={timestamp_ms}\nDEVPATH={devpath}\n\
         BUSNUM={:03}\nDEVNUM={:03}\nPRODUCT={:x}/{:x}/{:x}\nTYPE={}/{}/{}\nID_USB_INTERFACES=:",
        action.as_str(),
        address.bus,
        address.device,
        descriptor.id_vendor,
        descriptor.id_product,
        descriptor.bcd_device,
        class.class,
        class.subclass,
        class.protocol
    );
    for interface in &device.interfaces {
        text += &interface.to_string().replace('/', "");
        text.push(':');
    }
    let strings = [
        ("ID_VENDOR_ENC", &device.manufacturer),
        ("ID_MODEL_ENC", &device.product),
        ("ID_SERIAL_SHORT", &device.serial_number),
    ];
    for (key, string) in strings {
        let _ = write!(text, "\n{key}=");
        for byte in string.iter().flat_map(|string| string.bytes()) {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}
