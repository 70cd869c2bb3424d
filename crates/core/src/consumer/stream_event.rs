//! An entry of the stream as an event, whoever wrote it: this daemon, AutoWeave's former one, or its udev script.

use serde::Serialize;

use super::fields::Fields;
use super::options::id;
use crate::device::{DeviceDescriptor, Functions, InterfaceClass, capabilities};
use crate::event::Action;
use crate::stream_field as field;
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
    device_descriptor: Option<DeviceDescriptor>,
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
    /// The entry does not say it: it follows from the interfaces.
    capabilities: Vec<&'static str>,
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

impl StreamEvent {
    /// `<producer>:<seq>`, where the entry says.
    pub(crate) fn event_id(&self) -> Option<&str> {
        self.event_id.as_deref()
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// A sentence that names the field, what it holds and what was expected.
    pub(crate) fn of(entry: &Entry) -> Result<Self, String> {
        let fields = Fields::of(entry);
        let text = |name: &str| fields.read(name, field::TEXT, field::text);
        let word = |name: &str| fields.read(name, field::WORD, field::word);
        let (action, by_script) = action(&fields)?;
        let hex = |name: &str| fields.read(name, field::ID, field::hexadecimal);
        let (vendor_id, product_id) = (hex("vendor_id")?, hex("product_id")?);
        let ids_are_known = vendor_id.is_some() && product_id.is_some();
        // The script cannot know them of a device that has left.
        if !by_script && !ids_are_known {
            return Err("vendor_id or product_id is missing".into());
        }
        let (vendor_id, product_id) = (vendor_id.unwrap_or(0), product_id.unwrap_or(0));
        let descriptor = fields.get("device_descriptor")?;
        let descriptor = descriptor
            .map(|json| field::descriptor("device_descriptor", json, [vendor_id, product_id]))
            .transpose()?;
        let interfaces = fields.read("interfaces", field::INTERFACES, field::interfaces)?.unwrap_or_default();
        Ok(Self {
            capabilities: capabilities(
                descriptor.as_ref().unwrap_or(&DeviceDescriptor::default()),
                &interfaces,
                &Functions::default(),
            ),
            source: word("source")?.unwrap_or_else(|| if by_script { "udev" } else { "node-usb" }.into()),
            action,
            vendor_id,
            product_id,
            device_signature: fields
                .read("device_signature", field::SIGNATURE, field::signature)?
                .unwrap_or_default(),
            manufacturer: text("manufacturer")?.unwrap_or_default(),
            product: text("product")?.unwrap_or_default(),
            serial_number: text("serial_number")?.unwrap_or_default(),
            timestamp: timestamp(&fields, &entry.id)?,
            device_descriptor: descriptor,
            location: location(&fields)?,
            event_id: fields.read("event_id", field::EVENT_ID, field::event_id)?,
            seq: fields.read("seq", field::SEQ, field::seq)?,
            host: word("host")?,
            backend: word("backend")?,
            stable_id: fields.read("stable_id", field::STABLE_ID, field::stable_id)?,
            speed: fields.read("speed", field::SPEED, field::speed)?,
            interfaces,
            tags: fields.read("tags", field::TAGS, field::tags)?.unwrap_or_default(),
            synthetic: word("synthetic")?,
            traceparent: fields.read("traceparent", field::TRACEPARENT, field::traceparent)?,
            partial: fields.read("partial", field::FLAG, field::flag)? == Some(true) || !ids_are_known,
            message_id: entry.id.clone(),
        })
    }
}

/// What happened, and whether it is one of the udev script's words.
fn action(fields: &Fields<'_>) -> Result<(Action, bool), String> {
    let expected = "attach, detach, add or remove";
    match fields.get("action")? {
        Some("attach") => Ok((Action::Attach, false)),
        Some("detach") => Ok((Action::Detach, false)),
        Some("add") => Ok((Action::Attach, true)),
        Some("remove") => Ok((Action::Detach, true)),
        Some(other) => Err(field::fault("action", format_args!("{other:?}"), expected)),
        None => Err(format!("action is missing: expected {expected}")),
    }
}

/// The server stamps an entry with the time at which it came, unless its writer did.
fn timestamp(fields: &Fields<'_>, entry_id: &str) -> Result<u64, String> {
    if let Some(time) = fields.read("timestamp", field::TIME, field::time)? {
        return Ok(time);
    }
    let stamp = id(entry_id).and_then(|(ms, _)| field::time(&ms.to_string()));
    stamp.ok_or_else(|| "timestamp is missing, and the entry's own ID tells none".into())
}

fn location(fields: &Fields<'_>) -> Result<Option<Location>, String> {
    let number = |name: &str| fields.read(name, field::NUMBER, field::decimal::<u16>);
    let port_path = fields.read("port_path", field::PORTS, field::ports)?.unwrap_or_default();
    Ok(match (number("bus_number")?, number("device_address")?) {
        (Some(bus_number), Some(device_address)) => Some(Location { bus_number, device_address, port_path }),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publisher::Entries;
    use crate::test_support::event;

    fn read(fields: &[(&str, &str)]) -> Result<StreamEvent, String> {
        let fields = fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
        StreamEvent::of(&Entry { id: "1700000000123-4".into(), fields: fields.collect() })
    }

    #[test]
    fn our_own_entries_come_back_whole() {
        let written = event(7, Action::Detach, 7);
        let mut fields = Vec::new();
        Entries::new("box", None).give(&written, |name, value| fields.push((name, value.to_owned())));
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let found = read(&fields).expect("our own entry");
        assert_eq!((found.action, found.vendor_id, found.seq), (Action::Detach, 0x046d, Some(7)));
        assert_eq!(found.event_id.as_deref(), Some("test:7"));
        assert_eq!(found.location.map(|location| location.port_path).as_deref(), Some("4.2"));
        assert_eq!(found.timestamp, written.timestamp_ms);
        assert_eq!(found.device_descriptor.expect("a descriptor").id_vendor, 0x046d);
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
            ("speed", "-5", "speed is \"-5\": expected Mbit/s"),
            ("seq", "18446744073709551615", "seq is \"18446744073709551615\""),
            ("device_descriptor", r#"{"idVendor":"evil"}"#, "device_descriptor.idVendor is \"evil\""),
            ("port_path", "../../etc/passwd", "port_path is \"../../etc/passwd\": expected hub ports"),
            ("partial", "maybe", "partial is \"maybe\": expected true or false"),
            ("tags", ",,", "tags is \",,\""),
            ("traceparent", "a\nb", "traceparent is \"a\\nb\""),
        ] {
            let mut fields = ids.to_vec();
            fields.retain(|(name, _)| *name != field);
            fields.push((field, value));
            let error = read(&fields).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
        assert!(
            read(&[&ids[..], &[("colour", "blue")]].concat()).is_ok(),
            "foreign fields are nobody's fault"
        );
    }

    #[test]
    fn a_reason_is_short_whatever_was_found() {
        let long = "x".repeat(1 << 20);
        for field in ["action", "product", "stable_id", "device_descriptor", "interfaces"] {
            let mut fields = vec![("vendor_id", "46d"), ("product_id", "77"), ("action", "attach")];
            fields.retain(|(name, _)| *name != field);
            for value in [&long, &long[..60_000]] {
                fields.push((field, value));
                let error = read(&fields).expect_err(field);
                assert!(error.starts_with(field) && error.chars().count() < 200, "{error}");
                fields.pop();
            }
        }
    }

    #[test]
    fn what_is_there_twice_says_nothing() {
        let twice = [("action", "attach"), ("vendor_id", "46d"), ("product_id", "77"), ("vendor_id", "46d")];
        assert_eq!(read(&twice).expect_err("which one?"), "vendor_id is there more than once");
        let foreign = [("action", "remove"), ("colour", "blue"), ("colour", "red")];
        assert!(read(&foreign).is_ok(), "foreign fields are nobody's fault");
    }

    #[test]
    fn a_stamp_that_is_no_time_is_no_timestamp() {
        let fields = [("action", "remove")].map(|(name, value)| (name.into(), value.into())).to_vec();
        let entry = Entry { id: format!("{}-1", u64::MAX), fields };
        assert!(StreamEvent::of(&entry).expect_err("no time").starts_with("timestamp is missing"));
    }
}
