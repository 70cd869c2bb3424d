//! What the kernel hands on: its own messages, and descriptors as a device has written them.

use std::collections::HashSet;

use crate::device::{
    Configurations, Device, DeviceDescriptor, Functions, InterfaceClass, PortPath, ReportUsages, Store,
    capabilities, configurations, interface_counts, interface_descriptors, report_usages, store,
};
use crate::source::netlink::{Change, Uevent};
use crate::stream_field;

/// Bytes of an interface's descriptor, and of a configuration's.
const SHORTEST: usize = 9;
/// As many as are taken of a device.
const MOST_CLASSES: usize = 4096;

/// A uevent. What says that it is about a device is taken or refused, and nothing else is.
///
/// # Panics
/// Where the reader breaks a law.
pub fn uevent(message: &[u8]) {
    let found = Uevent::parse(message);
    let uevent = match found {
        Ok(None) => return assert!(!is_of_device(message), "passed over"),
        Err(error) => {
            assert!(is_of_device(message) && super::is_presentable(&error.to_string()), "{error}");
            return;
        }
        Ok(Some(uevent)) => uevent,
    };
    assert!(is_of_device(message), "taken for a device's");
    assert_eq!(Uevent::parse(&written(&uevent)), Ok(Some(uevent.clone())));
    let Uevent { devpath, address, product, class, .. } = &uevent;
    // Whoever follows it stays below /sys/devices.
    assert!(devpath.starts_with("/devices/") && devpath.split('/').all(|part| part != ".."), "{devpath:?}");
    let device = Device::of_uevent(*address, uevent.name(), *product, *class, None);
    assert!(device.partial && PortPath::parse(uevent.name()).as_ref() == Some(&device.port_path));
    let record = serde_json::to_string(&device).expect("a record");
    assert_eq!(serde_json::from_str::<Device>(&record).expect("a device"), device);
}

/// The same question, asked of the text: of a key that comes again the last one counts.
fn is_of_device(message: &[u8]) -> bool {
    let Some((header, rest)) =
        message.split_at_checked(message.iter().position(|&byte| byte == 0).unwrap_or(message.len()))
    else {
        return false;
    };
    let last =
        |key: &[u8]| rest.split(|&byte| byte == 0).filter_map(|part| part.strip_prefix(key)).next_back();
    let is = |key: &[u8], values: &[&[u8]]| last(key).is_some_and(|value| values.contains(&value));
    header.contains(&b'@')
        && is(b"ACTION=", &[b"add", b"remove"])
        && is(b"SUBSYSTEM=", &[b"usb"])
        && is(b"DEVTYPE=", &[b"usb_device"])
}

/// As the kernel writes it.
fn written(uevent: &Uevent) -> Vec<u8> {
    let Uevent { change, devpath, address, product, class, seqnum } = uevent;
    let action = match change {
        Change::Add => "add",
        Change::Remove => "remove",
    };
    format!(
        "{action}@{devpath}\0ACTION={action}\0DEVPATH={devpath}\0SUBSYSTEM=usb\0DEVTYPE=usb_device\0\
         PRODUCT={:x}/{:x}/{:x}\0TYPE={}/{}/{}\0BUSNUM={:03}\0DEVNUM={:03}\0SEQNUM={seqnum}\0",
        product.0, product.1, product.2, class.0, class.1, class.2, address.bus, address.device
    )
    .into_bytes()
}

/// The speed in the first byte, then sysfs's `descriptors`.
///
/// # Panics
/// Where the reader breaks a law.
pub fn descriptors(input: &[u8]) {
    let Some((speed, raw)) = input.split_first() else { return };
    let Configurations { interfaces, functions, power, fault } = configurations(raw, speed % 2 == 1);
    let repeated = interface_descriptors(raw);
    assert!(interfaces.len() <= MOST_CLASSES && repeated.len() <= raw.len() / SHORTEST, "unbounded");
    let distinct: HashSet<InterfaceClass> = interfaces.iter().copied().collect();
    assert_eq!(distinct.len(), interfaces.len(), "a class twice");
    assert!(repeated.iter().all(|class| distinct.contains(class)) || interfaces.len() == MOST_CLASSES);
    let counted: usize = interface_counts(raw).into_iter().sum();
    assert!(counted <= repeated.len(), "{counted} interfaces of {} descriptors", repeated.len());
    let are_all_told = tiles(raw);
    assert!(fault.is_some() || are_all_told, "refused in silence");
    if let Some(fault) = fault {
        assert!(super::is_presentable(&fault), "{fault}");
    }
    // What comes later changes nothing of what came before.
    let half = configurations(&raw[..raw.len() / 2], speed % 2 == 1);
    assert!(interfaces.starts_with(&half.interfaces) && (half.power.is_none() || half.power == power));

    let descriptor = DeviceDescriptor::parse(raw).unwrap_or_default();
    assert!(functions.len() <= MOST_CLASSES, "unbounded");
    let most = interfaces.len().max(functions.len()).max(1);
    let words =
        capabilities(&descriptor, &interfaces, &Functions { classes: functions, platforms: Vec::new() });
    assert!(words.len() <= most && words.iter().all(|word| word.contains(':')));
    if !interfaces.is_empty() {
        let field = interfaces.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        assert!(field.len() <= stream_field::LONGEST_FIELD, "no reader of the stream would take it");
        assert_eq!(stream_field::interfaces(&field).as_ref(), Some(&interfaces));
    }
    let json = serde_json::to_string(&descriptor).expect("JSON");
    assert_eq!(serde_json::from_str::<DeviceDescriptor>(&json).expect("a descriptor"), descriptor);
}

/// Whether lengths lead from the device descriptor to the very end, and each interface and configuration is long enough.
fn tiles(raw: &[u8]) -> bool {
    let mut rest = raw.get(18..).unwrap_or_default();
    while let Some(&length) = rest.first() {
        let length = usize::from(length);
        if length < 2 || length > rest.len() || (matches!(rest[1], 2 | 4) && length < SHORTEST) {
            return false;
        }
        rest = &rest[length..];
    }
    true
}

/// A HID report descriptor.
///
/// # Panics
/// Where the reader breaks a law.
pub fn report_descriptor(raw: &[u8]) {
    let ReportUsages { words, fault } = report_usages(raw);
    let distinct: HashSet<_> = words.iter().collect();
    assert!(distinct.len() == words.len() && words.iter().all(|word| word.starts_with("hid:")), "{words:?}");
    match fault {
        Some(fault) => assert!(super::is_presentable(&fault), "{fault}"),
        None => assert!(are_items(raw), "refused in silence"),
    }
    // What comes later changes nothing of what came before.
    assert!(words.starts_with(&report_usages(&raw[..raw.len() / 2]).words));
}

/// Whether lengths lead from item to item to the very end.
fn are_items(mut rest: &[u8]) -> bool {
    while let Some(&prefix) = rest.first() {
        let length = match prefix {
            0xfe => rest.get(1).map_or(usize::MAX, |size| 3 + usize::from(*size)),
            _ => 1 + [0, 1, 2, 4][usize::from(prefix % 4)],
        };
        let Some(further) = rest.get(length..) else { return false };
        rest = further;
    }
    true
}

/// A binary device object store.
///
/// # Panics
/// Where the reader breaks a law.
pub fn object_store(raw: &[u8]) {
    let Store { platforms, fault } = store(raw);
    let words: HashSet<_> = platforms.iter().map(|platform| format!("{platform:?}")).collect();
    assert_eq!(words.len(), platforms.len(), "{platforms:?}");
    if let Some(fault) = fault {
        assert!(super::is_presentable(&fault), "{fault}");
        return;
    }
    let (length, total) = (usize::from(raw[0]), usize::from(u16::from_le_bytes([raw[2], raw[3]])));
    assert!(5 <= length && (length..=raw.len()).contains(&total), "{length} of {total} in silence");
}
