//! Events for unit tests.

use std::sync::Arc;

use crate::device::{Address, Device, DeviceDescriptor, Functions, Identity, PortPath, StableId};
use crate::event::{Action, Attachment, Backend, Event};

/// A mouse.
pub(crate) fn device() -> Device {
    Device {
        address: Address { bus: 1, device: 5 },
        port_path: PortPath::parse("1-4.2").expect("a port path"),
        descriptor: DeviceDescriptor {
            b_length: 18,
            b_descriptor_type: 1,
            id_vendor: 0x046d,
            id_product: 0x0077,
            ..Default::default()
        },
        manufacturer: Some("Logitech".into()),
        product: None,
        serial_number: None,
        speed: Some("1.5".into()),
        interfaces: vec![],
        functions: Functions::default(),
        power: None,
        bus_path: None,
        inode: None,
        partial: false,
    }
}

/// An event with this number, of the attachment called `instance`.
pub(crate) fn event(seq: u64, action: Action, instance: u64) -> Arc<Event> {
    let device = device();
    let attachment = Attachment {
        signature: device.signature(),
        device,
        stable_id: StableId { id: "046d:0077@usb1-4.2".into(), identity: Identity::Port },
        attached_at_ms: 1_000,
        tags: vec![],
        instance,
    };
    Arc::new(Event {
        producer: "test".into(),
        seq,
        action,
        timestamp_ms: 1_000 + seq,
        attachment: Arc::new(attachment),
        backend: Backend::Netlink,
        synthetic: None,
        libusb_alive: true,
        journey: crate::journey::Journey::default(),
    })
}

/// The bytes that these hex digits are; what is none of them is passed over.
pub(crate) fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex"))
        .collect()
}
