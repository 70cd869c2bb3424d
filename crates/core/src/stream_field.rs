//! What the stream's fields look like: their forms and bounds, for those who read entries and those who are asked to write one.
//!
//! The bounds are far beyond what a device or a daemon has, so that nothing real is refused.

use std::fmt;

use serde_json::{Map, Value};

use crate::device::{DeviceDescriptor, InterfaceClass, PortPath};
use crate::error::shown;

/// Bytes of a field: what Linux keeps of a device's descriptors, which `interfaces` is made of, is no longer.
pub(crate) const LONGEST_FIELD: usize = 1 << 16;
/// A string descriptor's length is one byte.
const LONGEST_TEXT: usize = 255;
/// A serial number of that length, with each byte of four written as `%XX`, and what stands before it.
const LONGEST_NAME: usize = 4096;
/// JavaScript's largest number that is exact.
const LARGEST: u64 = (1 << 53) - 1;
/// In Mbit/s, a tenfold of what USB has.
const FASTEST: f64 = 1_000_000.0;

pub(crate) const ID: &str = "a hex number of 16 bits";
pub(crate) const NUMBER: &str = "a whole number from 0 to 65535";
pub(crate) const SEQ: &str = "a whole number from 1 to 9007199254740991";
pub(crate) const TIME: &str = "ms since 1970, 9007199254740991 at most";
pub(crate) const TEXT: &str = "255 characters at most";
pub(crate) const WORD: &str = "255 characters at most, and no control characters";
pub(crate) const SIGNATURE: &str = "16 hex digits";
pub(crate) const PORTS: &str = "hub ports joined by dots, as in \"4.2\", or 0";
pub(crate) const SPEED: &str = "Mbit/s as a decimal number above 0, 1000000 at most";
pub(crate) const INTERFACES: &str = "cc/ss/pp in hex, joined by commas";
pub(crate) const TAGS: &str = "words joined by commas";
pub(crate) const EVENT_ID: &str = "<producer>:<seq>";
pub(crate) const STABLE_ID: &str = "vvvv:pppp:<serial> or vvvv:pppp@<bus>-<ports>";
pub(crate) const TRACEPARENT: &str = "W3C's version-trace-parent-flags in hex";
pub(crate) const FLAG: &str = "true or false";

/// A field's name, what it holds, and what was expected.
pub(crate) fn fault(name: &str, found: impl fmt::Display, expected: &str) -> String {
    format!("{name} is {}: expected {expected}", shown(&found.to_string()))
}

/// Digits only: `FromStr` would take a plus sign too.
pub(crate) fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

pub(crate) fn time(text: &str) -> Option<u64> {
    decimal(text).filter(|time| *time <= LARGEST)
}

pub(crate) fn seq(text: &str) -> Option<u64> {
    time(text).filter(|seq| *seq > 0)
}

pub(crate) fn hexadecimal(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    is_hex(digits).then(|| u16::from_str_radix(digits, 16).ok())?
}

/// A string of the device's own, which may hold anything.
pub(crate) fn text(text: &str) -> Option<String> {
    (text.chars().count() <= LONGEST_TEXT).then(|| text.to_owned())
}

/// A word of whoever wrote the entry.
pub(crate) fn word(word: &str) -> Option<String> {
    text(word).filter(|word| !word.contains(char::is_control))
}

pub(crate) fn signature(text: &str) -> Option<String> {
    (text.len() == 16 && is_hex(text)).then(|| text.to_owned())
}

pub(crate) fn ports(text: &str) -> Option<String> {
    (PortPath::under(1, text).is_some() && text.len() <= LONGEST_TEXT).then(|| text.to_owned())
}

pub(crate) fn speed(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_plain.then(|| text.parse().ok())?.filter(|speed| *speed > 0.0 && *speed <= FASTEST)
}

pub(crate) fn interfaces(text: &str) -> Option<Vec<InterfaceClass>> {
    let byte = |text: Option<&str>| {
        let text = text.filter(|text| text.len() <= 2 && is_hex(text))?;
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

pub(crate) fn tags(text: &str) -> Option<Vec<String>> {
    text.split(',').map(|tag| (!tag.is_empty()).then(|| tag.to_owned())).collect()
}

pub(crate) fn event_id(text: &str) -> Option<String> {
    let (producer, number) = text.rsplit_once(':')?;
    seq(number)?;
    (!producer.is_empty() && is_graphic(text)).then(|| word(text))?
}

pub(crate) fn stable_id(text: &str) -> Option<String> {
    let (ids, rest) = text.split_at_checked(9)?;
    let (vendor, product) = ids.split_once(':')?;
    let are_ids = [vendor, product].iter().all(|id| id.len() == 4 && is_hex(id));
    let is_unit = rest.len() > 1 && rest.starts_with([':', '@']) && is_graphic(rest);
    (are_ids && is_unit && text.len() <= LONGEST_NAME).then(|| text.to_owned())
}

/// A later version may have more behind the flags.
pub(crate) fn traceparent(text: &str) -> Option<String> {
    let mut parts = text.split('-');
    let are_hex = [2, 32, 16, 2]
        .iter()
        .all(|length| parts.next().is_some_and(|part| part.len() == *length && is_hex(part)));
    (are_hex && is_graphic(text)).then(|| word(text))?
}

pub(crate) fn flag(text: &str) -> Option<bool> {
    text.parse().ok()
}

/// A device descriptor's JSON: what it lacks is 0, but for the IDs, and what is none of USB's fields is left out.
///
/// # Errors
/// A sentence that names the field, what it holds and what was expected.
pub(crate) fn descriptor(
    name: &str,
    json: &str,
    [vendor_id, product_id]: [u16; 2],
) -> Result<DeviceDescriptor, String> {
    let bad = || fault(name, format_args!("{json:?}"), "a JSON object of USB's descriptor fields");
    let mut object: Map<String, Value> = serde_json::from_str(json).map_err(|_| bad())?;
    for (field, id) in [("idVendor", vendor_id), ("idProduct", product_id)] {
        object.entry(field).or_insert(id.into());
    }
    for (field, value) in &object {
        let most = match field.as_str() {
            "bcdUSB" | "bcdDevice" | "idVendor" | "idProduct" => u16::MAX,
            "bLength" | "bDescriptorType" | "bDeviceClass" | "bDeviceSubClass" | "bDeviceProtocol"
            | "bMaxPacketSize0" | "iManufacturer" | "iProduct" | "iSerialNumber" | "bNumConfigurations" => {
                u8::MAX.into()
            }
            _ => continue,
        };
        if value.as_u64().is_none_or(|value| value > most.into()) {
            return Err(fault(
                &format!("{name}.{field}"),
                value,
                &format!("a whole number from 0 to {most}"),
            ));
        }
    }
    serde_json::from_value(Value::Object(object)).map_err(|_| bad())
}

/// Digits, as many as there may be.
fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Nothing that is no letter, digit or sign of ASCII's.
fn is_graphic(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_form() {
        for (id, is_one) in [
            ("0a6bf5b65ba74429:7", true),
            ("somebody:1", true),
            ("a:b:9007199254740991", true),
            ("a:9007199254740992", false),
            ("a:0", false),
            (":1", false),
            ("a b:1", false),
            ("nonsense", false),
        ] {
            assert_eq!(event_id(id).is_some(), is_one, "{id}");
        }
        for (id, is_one) in [
            ("046d:c077:A%2F1", true),
            ("046d:c077@0000:00:14.0-usb2-4.2", true),
            ("046d:c077:", false),
            ("046d:c077", false),
            ("46d:c077:A1", false),
            ("046d:c077 A1", false),
            ("046d:c07é:A1", false),
            ("{}", false),
        ] {
            assert_eq!(stable_id(id).is_some(), is_one, "{id}");
        }
        assert!(stable_id(&format!("046d:c077:{}", "%E2".repeat(255 * 4))).is_some());
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert!(traceparent(trace).is_some() && traceparent(&format!("{trace}-more")).is_some());
        assert!(traceparent(&format!("{trace}\n")).is_none() && traceparent(&trace[1..]).is_none());
    }

    #[test]
    fn numbers_have_their_bounds() {
        let numbers = ["9007199254740991", "9007199254740992", "-1", "1.5", "+1", "1e3"];
        assert_eq!(numbers.map(|text| time(text).is_some()), [true, false, false, false, false, false]);
        let speeds = ["1.5", "480", "80000", "1000000", "1000001", "0", "-5", "1e300", "inf", ".", ""];
        let expected = [true, true, true, true, false, false, false, false, false, false, false];
        assert_eq!(speeds.map(|text| speed(text).is_some()), expected);
        let paths = ["0", "4.2", "1.2.3.4.5.6.7", "../../etc/passwd", "4.", "256", "4.2\n"];
        assert_eq!(paths.map(|text| ports(text).is_some()), [true, true, true, false, false, false, false]);
    }

    #[test]
    fn a_descriptor_is_usbs_fields_within_their_ranges() {
        let read = |json: &str| descriptor("d", json, [1, 2]);
        let found = read(r#"{ "bcdUSB": 512, "__proto__": { "x": 1 }, "later": [] }"#).expect("a descriptor");
        assert_eq!((found.bcd_usb, found.id_vendor, found.id_product, found.b_length), (512, 1, 2, 0));
        for (json, expected) in [
            (r#"{ "idVendor": "evil" }"#, "d.idVendor is \"evil\": expected a whole number from 0 to 65535"),
            (r#"{ "bLength": 256 }"#, "d.bLength is 256: expected a whole number from 0 to 255"),
            (r#"{ "bLength": 18.5 }"#, "d.bLength is 18.5"),
            (r#"{ "bcdUSB": null }"#, "d.bcdUSB is null"),
            ("[18, 1]", "d is \"[18, 1]\": expected a JSON object"),
            (r#"{ "bcdUSB": 1e400 }"#, "d is \"{"),
            (&r#"{"a":"#.repeat(1000), "d is \"{"),
        ] {
            let error = read(json).expect_err(json);
            assert!(error.contains(expected), "{error}");
        }
    }
}
