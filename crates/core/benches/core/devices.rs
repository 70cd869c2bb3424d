//! The device that every benchmark is about.

use usb_daemon_core::{
    Action, Address, Attachment, Backend, Device, DeviceDescriptor, Event, Functions, Identity,
    InterfaceClass, Journey, PortPath, StableId,
};

pub const NAME: &str = "1-4.2";

/// A mouse with strings.
pub fn device() -> Device {
    Device {
        address: Address { bus: 1, device: 5 },
        port_path: PortPath::parse(NAME).unwrap(),
        descriptor: DeviceDescriptor {
            b_length: 18,
            b_descriptor_type: 1,
            id_vendor: 0x046d,
            id_product: 0xc077,
            ..DeviceDescriptor::default()
        },
        manufacturer: Some("Logitech".into()),
        product: Some("USB Optical Mouse".into()),
        serial_number: None,
        speed: Some("1.5".into()),
        interfaces: vec![InterfaceClass { class: 3, subclass: 1, protocol: 2 }],
        functions: Functions::default(),
        power: None,
        bus_path: Some("0000:00:14.0-usb2".into()),
        inode: Some(4711),
        partial: false,
    }
}

/// Its attach.
pub fn event() -> Event {
    let device = device();
    let attachment = Attachment {
        signature: device.signature(),
        stable_id: StableId { id: "046d:c077@0000:00:14.0-usb2-4.2".into(), identity: Identity::Port },
        device,
        attached_at_ms: 1_764_000_000_000,
        tags: vec![],
        instance: 1,
    };
    Event {
        producer: "0198a7c2-6f0e-7d11-9c3a-5b1f4f0c9a21".into(),
        seq: 1,
        action: Action::Attach,
        timestamp_ms: 1_764_000_000_000,
        attachment: attachment.into(),
        backend: Backend::Netlink,
        synthetic: None,
        libusb_alive: true,
        journey: Journey::default(),
    }
}
