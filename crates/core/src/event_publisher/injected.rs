//! An event that a program hands over, in the shape of the contract's `USBDeviceInfo`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::clock;
use crate::device::{
    Address, Device, DeviceDescriptor, Functions, Identity, InterfaceClass, PortPath, SerialMemory, StableId,
};
use crate::error::{Code, Error};
use crate::event::{Action, Attachment, Backend, Event};
use crate::stream_field::{self as field, LONGEST_FIELD};

const CLASSES: &str = "a list of class, subclass and protocol, 7281 at most";
/// As many as an entry may have.
const MOST_INTERFACES: usize = LONGEST_FIELD / "cc/ss/pp,".len();

/// What there is to do for an event.
#[derive(Debug)]
pub(super) enum Wanted {
    /// It has an entry of its own, or soon will.
    Entry { event_id: String, timestamp_ms: u64 },
    /// It is to be published. Producer and number come when it is sent.
    Publish(Box<Event>),
}

/// A program's object. What is null is missing, what nobody knows is passed over.
struct Given {
    object: Map<String, Value>,
    /// What stands before its names.
    path: &'static str,
}

impl Given {
    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.object.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
        let fault = || field::fault(&format!("{}{name}", self.path), value, expected);
        read(value).map(Some).ok_or_else(fault)
    }

    fn needed<T>(&self, name: &str, expected: &str, read: impl Fn(&Value) -> Option<T>) -> Result<T, String> {
        let found = self.read(name, expected, read)?;
        found.ok_or_else(|| format!("{}{name} is missing: expected {expected}", self.path))
    }

    /// In the form that it has in the stream. An empty one is as good as missing.
    fn text(
        &self,
        name: &str,
        expected: &str,
        form: fn(&str) -> Option<String>,
    ) -> Result<Option<String>, String> {
        let read = |value: &Value| match value.as_str()? {
            "" => Some(None),
            text => form(text).map(Some),
        };
        Ok(self.read(name, expected, read)?.flatten())
    }

    fn number(&self, name: &str) -> Result<u16, String> {
        self.needed(name, field::NUMBER, |value| value.as_u64()?.try_into().ok())
    }

    fn time(&self, name: &str) -> Result<Option<u64>, String> {
        self.read(name, field::TIME, |value| field::time(&value.as_u64()?.to_string()))
    }

    fn device(&self) -> Result<Device, String> {
        let (id_vendor, id_product) = (self.number("vendorId")?, self.number("productId")?);
        let descriptor = match self.read("deviceDescriptor", "an object", |value| Some(value.to_string()))? {
            Some(json) => field::descriptor("deviceDescriptor", &json, [id_vendor, id_product])?,
            None => DeviceDescriptor::default(),
        };
        let place = self.needed("location", "an object", |value| value.as_object().cloned())?;
        let place = Self { object: place, path: "location." };
        let address = Address { bus: place.number("busNumber")?, device: place.number("deviceAddress")? };
        let ports = place.text("portPath", field::PORTS, field::ports)?.unwrap_or_default();
        let text = |name: &str| self.text(name, field::TEXT, field::text);
        let classes = |value: &Value| {
            let classes = Vec::<InterfaceClass>::deserialize(value).ok();
            classes.filter(|classes| classes.len() <= MOST_INTERFACES)
        };
        let rate = |value: &Value| field::speed(&value.as_number()?.to_string()).map(|_| value.to_string());
        Ok(Device {
            address,
            // Its form has been looked at.
            port_path: PortPath::under(address.bus, &ports)
                .unwrap_or_else(|| PortPath::new(address.bus, Vec::new())),
            descriptor: DeviceDescriptor { id_vendor, id_product, ..descriptor },
            manufacturer: text("manufacturer")?,
            product: text("product")?,
            serial_number: text("serialNumber")?,
            speed: self.read("speed", field::SPEED, rate)?,
            interfaces: self.read("interfaces", CLASSES, classes)?.unwrap_or_default(),
            functions: Functions::default(),
            power: None,
            bus_path: None,
            inode: None,
            partial: self.read("partial", field::FLAG, Value::as_bool)?.unwrap_or(false),
        })
    }
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
    let object = serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
    publishable(&Given { object, path: "" }, action).map_err(bad)
}

fn publishable(info: &Given, action: Action) -> Result<Wanted, String> {
    let timestamp_ms = info.time("timestamp")?.unwrap_or_else(clock::now_ms);
    if let Some(event_id) = info.text("eventId", field::EVENT_ID, field::event_id)? {
        return Ok(Wanted::Entry { event_id, timestamp_ms });
    }
    let device = info.device()?;
    let stable_id = match info.text("stableId", field::STABLE_ID, field::stable_id)? {
        Some(id) => StableId { id, identity: Identity::Port },
        None => SerialMemory::default().attach(&device),
    };
    let signature =
        info.text("signature", field::SIGNATURE, field::signature)?.unwrap_or_else(|| device.signature());
    let attached_at_ms = info.time("attachedAt")?.unwrap_or(timestamp_ms);
    let tags = info.read("tags", "a list of words without commas", labels)?.unwrap_or_default();
    Ok(Wanted::Publish(Box::new(Event {
        producer: Arc::from(""),
        seq: 0,
        action,
        timestamp_ms,
        attachment: Arc::new(Attachment { device, signature, stable_id, attached_at_ms, tags, instance: 0 }),
        backend: Backend::Injected,
        synthetic: None,
        libusb_alive: false,
        journey: crate::journey::Journey::default(),
    })))
}

/// Words that are the same ones when they are read from the stream.
fn labels(value: &Value) -> Option<Vec<String>> {
    let tags = Vec::<String>::deserialize(value).ok()?;
    let joined = tags.join(",");
    let is_read_back = tags.is_empty() || field::tags(&joined).is_some_and(|read| read == tags);
    (is_read_back && joined.len() <= LONGEST_FIELD).then_some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = r#"{ "vendorId": 1133, "productId": 49271, "serialNumber": "A1",
        "location": { "busNumber": 1, "deviceAddress": 5, "portPath": "4.2" }, "timestamp": 17 }"#;

    fn with(field: &str) -> String {
        INFO.replacen('{', &format!("{{ {field}, "), 1)
    }

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
            ("attach", INFO.replace("location", "place"), "location is missing"),
            ("attach", INFO.replace("1133", "-1"), "vendorId is -1: expected a whole number from 0 to 65535"),
            ("attach", INFO.replace("49271", "1.5"), "productId is 1.5"),
            (
                "attach",
                INFO.replace("\"busNumber\": 1", "\"busNumber\": \"1\""),
                "location.busNumber is \"1\"",
            ),
            ("attach", INFO.replace("A1", &"x".repeat(256)), "serialNumber is \"xxx"),
            ("attach", with(r#""deviceDescriptor": { "bLength": 256 }"#), "deviceDescriptor.bLength is 256"),
            ("attach", with(r#""deviceDescriptor": 7"#), "deviceDescriptor is \"7\""),
            ("attach", with(r#""speed": 1e300"#), "speed is 1e"),
            ("attach", with(r#""interfaces": [{ "class": 300 }]"#), "interfaces is [{"),
            ("attach", with(r#""tags": ["a,b"]"#), "tags is [\"a,b\"]: expected a list of words"),
            ("attach", with(r#""eventId": "nonsense""#), "eventId is \"nonsense\""),
            ("attach", with(r#""signature": "not-hex""#), "signature is \"not-hex\": expected 16 hex digits"),
            ("attach", with(r#""stableId": "{}""#), "stableId is \"{}\""),
        ] {
            let error = wanted(action, &info).expect_err(expected);
            assert_eq!(error.code, Code::Device);
            assert!(error.message.contains(expected), "{error}");
        }
    }
}
