//! An event that a program hands over, in the shape of the contract's `USBDeviceInfo`.

use std::sync::Arc;

use serde::Deserialize;

use crate::clock;
use crate::device::{
    Device, DeviceDescriptor, GivenLocation, Identity, InterfaceClass, SerialMemory, StableId,
};
use crate::error::{Code, Error};
use crate::event::{Action, Attachment, Backend, Event};

/// What there is to do for an event.
#[derive(Debug)]
pub(super) enum Wanted {
    /// It has an entry of its own, or soon will.
    Entry { event_id: String, timestamp_ms: u64 },
    /// It is to be published. Producer and number come when it is sent.
    Publish(Box<Event>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    vendor_id: u16,
    product_id: u16,
    #[serde(default)]
    device_descriptor: Option<DeviceDescriptor>,
    serial_number: Option<String>,
    manufacturer: Option<String>,
    product: Option<String>,
    location: GivenLocation,
    timestamp: Option<u64>,
    signature: Option<String>,
    attached_at: Option<u64>,
    event_id: Option<String>,
    stable_id: Option<String>,
    #[serde(default)]
    interfaces: Vec<InterfaceClass>,
    speed: Option<serde_json::Number>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    partial: bool,
}

/// Reads what a program gives.
///
/// # Errors
/// `ERR_USB_DEVICE` naming what is wrong.
pub(super) fn wanted(action: &str, json: &str) -> Result<Wanted, Error> {
    let bad = |message: String| Error::new(Code::Device, format!("bad device info: {message}"));
    let action = match action {
        "attach" => Action::Attach,
        "detach" => Action::Detach,
        other => return Err(bad(format!("action is {other:?}: expected \"attach\" or \"detach\""))),
    };
    // Read by name: a struct could also be read from a list of values.
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
    let info: Info =
        serde_json::from_value(serde_json::Value::Object(object)).map_err(|error| bad(error.to_string()))?;
    let timestamp_ms = info.timestamp.unwrap_or_else(clock::now_ms);
    if let Some(event_id) = info.event_id {
        return Ok(Wanted::Entry { event_id, timestamp_ms });
    }
    let port_path = info.location.port_path().map_err(bad)?;
    let device = Device {
        address: info.location.address(),
        port_path,
        descriptor: DeviceDescriptor {
            id_vendor: info.vendor_id,
            id_product: info.product_id,
            ..info.device_descriptor.unwrap_or_default()
        },
        manufacturer: info.manufacturer,
        product: info.product,
        serial_number: info.serial_number,
        speed: info.speed.map(|speed| speed.to_string()),
        interfaces: info.interfaces,
        bus_path: None,
        inode: None,
        partial: info.partial,
    };
    let stable_id = match info.stable_id {
        Some(id) => StableId { id, identity: Identity::Port },
        None => SerialMemory::default().attach(&device),
    };
    let signature = info.signature.unwrap_or_else(|| device.signature());
    let attached_at_ms = info.attached_at.unwrap_or(timestamp_ms);
    Ok(Wanted::Publish(Box::new(Event {
        producer: Arc::from(""),
        seq: 0,
        action,
        timestamp_ms,
        attachment: Arc::new(Attachment {
            device,
            signature,
            stable_id,
            attached_at_ms,
            tags: info.tags,
            instance: 0,
        }),
        backend: Backend::Injected,
        synthetic: None,
        libusb_alive: false,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = r#"{ "vendorId": 1133, "productId": 49271, "serialNumber": "A1",
        "location": { "busNumber": 1, "deviceAddress": 5, "portPath": "4.2" }, "timestamp": 17 }"#;

    #[test]
    fn what_the_specification_has_is_enough() {
        let Ok(Wanted::Publish(event)) = wanted("attach", INFO) else { panic!("no event ID, so it is new") };
        assert_eq!((event.action, event.timestamp_ms), (Action::Attach, 17));
        assert_eq!(event.attachment.signature, "0a6bf5b65ba74429");
        assert_eq!(event.attachment.stable_id.id, "046d:c077:A1");
        assert_eq!(event.attachment.device.port_path.to_string(), "4.2");
        assert_eq!(event.attachment.device.descriptor.id_vendor, 1133);
    }

    #[test]
    fn an_event_that_has_an_id_is_looked_for() {
        let with_id = INFO.replacen('{', r#"{ "eventId": "p:7", "#, 1);
        let found = wanted("detach", &with_id).expect("good");
        assert!(matches!(found, Wanted::Entry { event_id, timestamp_ms: 17 } if event_id == "p:7"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (action, info, expected) in [
            ("add", INFO.to_owned(), "action is \"add\": expected \"attach\" or \"detach\""),
            ("attach", "null".to_owned(), "expected a map"),
            ("attach", INFO.replace("1133", "70000"), "70000"),
            ("attach", INFO.replace("4.2", "four"), "portPath is \"four\""),
            ("attach", INFO.replace("location", "place"), "location"),
        ] {
            let error = wanted(action, &info).expect_err(expected);
            assert_eq!(error.code, Code::Device);
            assert!(error.message.contains(expected), "{error}");
        }
    }
}
