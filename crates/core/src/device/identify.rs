//! Which unit an event is about, what that rests on, and whether it still holds.

use serde::Serialize;
use serde_json::{Map, Value};

use super::serial::is_junk;
use super::{Identity, SharedSerials, Unit};
use crate::error::{Code, Error};
use crate::stream_field as field;

/// Why a stable ID says as much as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Its serial number is one unit's own.
    Serial,
    /// It has no serial number.
    NoSerial,
    /// Nobody could read whether it has one.
    UnreadSerial,
    /// Its serial number is one that a maker has left in.
    JunkSerial,
    /// Its serial number has been seen on two devices at once.
    SharedSerial,
}

/// Which unit it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identified {
    /// As the event has it.
    pub stable_id: String,
    /// What that rests on.
    pub identity: Identity,
    /// Whether it names one unit and no other, as far as is known now.
    pub certain: bool,
    /// Why.
    pub reason: Reason,
}

impl Identified {
    /// Looks at a `USBDeviceInfo` or a `USBEvent`, as JSON.
    ///
    /// # Errors
    /// `ERR_USB_DEVICE`, with a sentence that names the field, what it holds and what was expected.
    pub fn of(info: &str, shared: &SharedSerials) -> Result<Self, Error> {
        let bad = |message: String| Error::new(Code::Device, format!("bad device info: {message}"));
        let object: Map<String, Value> =
            serde_json::from_str(info).map_err(|error| bad(error.to_string()))?;
        Self::of_object(&object, shared).map_err(bad)
    }

    fn of_object(info: &Map<String, Value>, shared: &SharedSerials) -> Result<Self, String> {
        let given = |name: &str| info.get(name).filter(|value| !value.is_null());
        let stable_id = given("stableId").ok_or_else(|| missing("stableId", field::STABLE_ID))?;
        let stable_id = stable_id
            .as_str()
            .and_then(field::stable_id)
            .ok_or_else(|| field::fault("stableId", stable_id, field::STABLE_ID))?;
        let number = |name: &str| {
            let value = given(name).ok_or_else(|| missing(name, field::NUMBER))?;
            let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
            number.ok_or_else(|| field::fault(name, value, field::NUMBER))
        };
        let (vendor, product) = (number("vendorId")?, number("productId")?);
        let serial = match given("serialNumber") {
            None => None,
            Some(value) => {
                let text = value.as_str().and_then(field::text);
                Some(text.ok_or_else(|| field::fault("serialNumber", value, field::TEXT))?)
            }
        };
        let is_partial = given("partial").and_then(Value::as_bool) == Some(true);
        // The stream has an empty text where there is none.
        let serial = serial.filter(|serial| !serial.is_empty());
        let identity =
            if stable_id.as_bytes().get(IDS) == Some(&b'@') { Identity::Port } else { Identity::Serial };
        let reason = match (serial, identity) {
            (None, _) if is_partial => Reason::UnreadSerial,
            (None, _) => Reason::NoSerial,
            (Some(serial), _) if is_junk(&serial) => Reason::JunkSerial,
            // One that is named by its port had a twin when it came, be that forgotten or not.
            (Some(_), Identity::Port) => Reason::SharedSerial,
            (Some(serial), Identity::Serial) => {
                // What has been found out since holds as well.
                let is_shared = shared.contains(&Unit { vendor, product, serial });
                if is_shared { Reason::SharedSerial } else { Reason::Serial }
            }
        };
        Ok(Self { stable_id, identity, certain: reason == Reason::Serial, reason })
    }
}

/// So long is `vvvv:pppp`.
const IDS: usize = 9;

fn missing(name: &str, expected: &str) -> String {
    format!("{name} is missing: expected {expected}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shared() -> SharedSerials {
        SharedSerials::of([Unit { vendor: 0x0403, product: 0x6001, serial: "TWIN".into() }])
    }

    #[test]
    fn it_says_what_a_name_rests_on_and_why() {
        let by_port = "0403:6001@usb1-4.2";
        for (stable_id, serial, partial, expected) in [
            ("0403:6001:A1", json!("A1"), false, ("serial", true, "serial")),
            (by_port, Value::Null, false, ("port", false, "no-serial")),
            (by_port, json!(""), false, ("port", false, "no-serial")),
            (by_port, json!(""), true, ("port", false, "unread-serial")),
            (by_port, json!("0123456789"), false, ("port", false, "junk-serial")),
            (by_port, json!("TWIN"), false, ("port", false, "shared-serial")),
            (by_port, json!("FORGOTTEN"), false, ("port", false, "shared-serial")),
            ("0403:6001:TWIN", json!("TWIN"), false, ("serial", false, "shared-serial")),
        ] {
            let info = json!({
                "vendorId": 0x0403, "productId": 0x6001, "serialNumber": serial, "stableId": stable_id, "partial": partial,
            });
            let found = Identified::of(&info.to_string(), &shared()).expect("good");
            let (identity, certain, reason) = expected;
            let expected =
                json!({ "stableId": stable_id, "identity": identity, "certain": certain, "reason": reason });
            assert_eq!(serde_json::to_value(found).expect("JSON"), expected, "{info}");
        }
    }

    #[test]
    fn a_serial_number_is_shared_within_one_model() {
        let info = json!({ "vendorId": 0x0403, "productId": 0x6002, "serialNumber": "TWIN", "stableId": "0403:6002:TWIN" });
        assert!(Identified::of(&info.to_string(), &shared()).expect("good").certain);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = json!({ "vendorId": 1, "productId": 2, "serialNumber": "A", "stableId": "0001:0002:A" });
        for (field, value, expected) in [
            ("stableId", Value::Null, "stableId is missing: expected vvvv:pppp:<serial>"),
            ("stableId", json!("A"), "stableId is \"A\": expected vvvv:pppp:<serial>"),
            ("stableId", json!(7), "stableId is 7"),
            ("vendorId", json!(70000), "vendorId is 70000: expected a whole number from 0 to 65535"),
            ("productId", Value::Null, "productId is missing"),
            ("serialNumber", json!("x".repeat(256)), "serialNumber is \"xxx"),
        ] {
            let mut info = good.clone();
            info[field] = value;
            let error = Identified::of(&info.to_string(), &SharedSerials::default()).expect_err(expected);
            assert_eq!(error.code, Code::Device);
            assert!(error.message.contains(expected), "{error}");
        }
        for none in ["null", "[]", "\"A\"", "{"] {
            assert!(Identified::of(none, &SharedSerials::default()).is_err(), "{none}");
        }
    }
}
