//! An entry of the stream as an event, whoever wrote it: this daemon, AutoWeave's former one, or its udev script.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::options::id;
use crate::device::InterfaceClass;
use crate::event::Action;
use crate::stream_reply::Entry;

/// `USBEvent` of the contract. Fields that nobody knows are left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamEvent {
    message_id: String,
    source: String,
    action: Action,
    vendor_id: u16,
    product_id: u16,
    device_signature: String,
    manufacturer: String,
    product: String,
    serial_number: String,
    timestamp: u64,
    device_descriptor: Option<Map<String, Value>>,
    location: Option<Location>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stable_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<f64>,
    interfaces: Vec<InterfaceClass>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    synthetic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    partial: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    bus_number: u16,
    device_address: u16,
    port_path: String,
}

/// An entry's fields by name; of two that share a name the last one stands.
struct Named<'a>(HashMap<Cow<'a, str>, Cow<'a, str>>);

impl<'a> Named<'a> {
    fn of(entry: &'a Entry) -> Self {
        let text = |bytes: &'a Vec<u8>| String::from_utf8_lossy(bytes);
        Self(entry.fields.iter().map(|(name, value)| (text(name), text(value))).collect())
    }

    /// A field that is there and not empty.
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(AsRef::as_ref).filter(|value| !value.is_empty())
    }

    fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    fn owned(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// A field that `read` has to understand where it is there.
    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| format!("{name} is {value:?}: expected {expected}"))
    }
}

impl StreamEvent {
    /// Reads an entry.
    ///
    /// # Errors
    /// A sentence that names the field, what it holds and what was expected.
    pub(super) fn of(entry: &Entry) -> Result<Self, String> {
        let fields = Named::of(entry);
        let (action, by_script) = match fields.get("action") {
            Some("attach") => (Action::Attach, false),
            Some("detach") => (Action::Detach, false),
            Some("add") => (Action::Attach, true),
            Some("remove") => (Action::Detach, true),
            Some(other) => {
                return Err(format!("action is {other:?}: expected attach, detach, add or remove"));
            }
            None => return Err("action is missing: expected attach, detach, add or remove".into()),
        };
        let hex = |name: &str| fields.read(name, "a hex number of 16 bits", hexadecimal);
        let (vendor_id, product_id) = (hex("vendor_id")?, hex("product_id")?);
        // The script cannot know them of a device that has left.
        if !by_script && (vendor_id.is_none() || product_id.is_none()) {
            return Err("vendor_id or product_id is missing".into());
        }
        let timestamp = fields.read("timestamp", "ms since 1970", decimal)?;
        let descriptor =
            fields.read("device_descriptor", "a JSON object", |json| serde_json::from_str(json).ok())?;
        Ok(Self {
            source: fields
                .owned("source")
                .unwrap_or_else(|| if by_script { "udev" } else { "node-usb" }.into()),
            action,
            vendor_id: vendor_id.unwrap_or(0),
            product_id: product_id.unwrap_or(0),
            device_signature: fields.text("device_signature"),
            manufacturer: fields.text("manufacturer"),
            product: fields.text("product"),
            serial_number: fields.text("serial_number"),
            // The server stamps an entry with the time at which it came.
            timestamp: timestamp.or_else(|| id(&entry.id).map(|(ms, _)| ms)).unwrap_or(0),
            device_descriptor: descriptor,
            location: location(&fields)?,
            event_id: fields.owned("event_id"),
            seq: fields.read("seq", "a number", decimal)?,
            host: fields.owned("host"),
            backend: fields.owned("backend"),
            stable_id: fields.owned("stable_id"),
            speed: fields
                .read("speed", "Mbit/s", |text| text.parse().ok().filter(|speed: &f64| speed.is_finite()))?,
            interfaces: fields
                .read("interfaces", "cc/ss/pp in hex, joined by commas", interfaces)?
                .unwrap_or_default(),
            tags: fields
                .get("tags")
                .map(|tags| tags.split(',').map(str::to_owned).collect())
                .unwrap_or_default(),
            synthetic: fields.owned("synthetic"),
            traceparent: fields.owned("traceparent"),
            partial: fields.get("partial") == Some("true") || vendor_id.is_none() || product_id.is_none(),
            message_id: entry.id.clone(),
        })
    }
}

fn location(fields: &Named<'_>) -> Result<Option<Location>, String> {
    let number = |name: &str| fields.read(name, "a number of 16 bits", decimal::<u16>);
    Ok(match (number("bus_number")?, number("device_address")?) {
        (Some(bus_number), Some(device_address)) => {
            Some(Location { bus_number, device_address, port_path: fields.text("port_path") })
        }
        _ => None,
    })
}

/// Digits only: `FromStr` would take a plus sign too.
fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn hexadecimal(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

fn interfaces(text: &str) -> Option<Vec<InterfaceClass>> {
    let byte = |text: Option<&str>| {
        let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        u8::from_str_radix(text, 16).ok()
    };
    text.split(',')
        .map(|triple| {
            let mut parts = triple.split('/');
            let class = InterfaceClass {
                class: byte(parts.next())?,
                subclass: byte(parts.next())?,
                protocol: byte(parts.next())?,
            };
            parts.next().is_none().then_some(class)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publisher::entry;
    use crate::test_support::event;

    fn read(fields: &[(&str, &str)]) -> Result<StreamEvent, String> {
        let fields = fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        StreamEvent::of(&Entry { id: "1700000000123-4".into(), fields: fields.collect() })
    }

    #[test]
    fn our_own_entries_come_back_whole() {
        let written = event(7, Action::Detach, 7);
        let fields = entry(&written, "box");
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let found = read(&fields).expect("our own entry");
        assert_eq!((found.action, found.vendor_id, found.seq), (Action::Detach, 0x046d, Some(7)));
        assert_eq!(found.event_id.as_deref(), Some("test:7"));
        assert_eq!(found.location.map(|location| location.port_path).as_deref(), Some("4.2"));
        assert_eq!(found.timestamp, written.timestamp_ms);
        assert_eq!(found.device_descriptor.expect("a descriptor")["idVendor"], 0x046d);
        assert!(!found.partial);
    }

    #[test]
    fn the_udev_scripts_words_mean_what_ours_do() {
        let script =
            [("source", "udev"), ("action", "remove"), ("device", "/dev/bus/usb/001/005"), ("vendor_id", "")];
        let found = read(&script).expect("a script's entry");
        assert_eq!((found.action, found.source.as_str(), found.partial), (Action::Detach, "udev", true));
        assert_eq!(found.timestamp, 1_700_000_000_123, "the server's own");
        let added = read(&[("action", "add"), ("vendor_id", "046D"), ("product_id", "c077")]).expect("added");
        assert_eq!((added.action, added.vendor_id, added.partial), (Action::Attach, 0x046d, false));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let ids = [("vendor_id", "46d"), ("product_id", "77"), ("action", "attach")];
        for (field, value, expected) in [
            ("action", "change", "action is \"change\""),
            ("action", "", "action is missing"),
            ("vendor_id", "", "vendor_id or product_id is missing"),
            ("vendor_id", "12345", "vendor_id is \"12345\": expected a hex number"),
            ("timestamp", "soon", "timestamp is \"soon\""),
            ("device_descriptor", "[1]", "expected a JSON object"),
            ("interfaces", "03/01", "interfaces is \"03/01\""),
            ("speed", "inf", "speed"),
        ] {
            let mut fields = ids.to_vec();
            fields.push((field, value));
            let error = read(&fields).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
        assert!(
            read(&[&ids[..], &[("colour", "blue")]].concat()).is_ok(),
            "foreign fields are nobody's fault"
        );
    }
}
