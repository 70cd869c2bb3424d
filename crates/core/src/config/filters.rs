//! The key `filters`: which devices are told of.

#[cfg(test)]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
#[cfg(test)]
use std::borrow::Cow;

use super::pattern::{Glob, PortGlob};

/// Which devices are told of. The lists come before the rules; an empty list holds nothing back.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct FiltersConfig {
    /// Only devices of these vendors.
    pub vendor_whitelist: Vec<Id>,
    /// No devices of these vendors.
    pub vendor_blacklist: Vec<Id>,
    /// Only devices of these classes, their own or that of an interface.
    pub device_class_filter: Vec<u8>,
    /// File in USBGuard's rule language, such as `/etc/usbguard/rules.conf`: only devices that it allows, after the lists and before
    /// the rules. What no rule of it matches is blocked. Read at the start, and again when the configuration is; conditions that an event
    /// cannot decide, such as `localtime`, are refused by line. USBGuard keeps its file from all but root: a service needs a copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usbguard_rules: Option<String>,
    /// Looked at in order: the first that matches and says `allow` or `deny` decides, `tag` goes on to the next. What no rule
    /// decides is allowed.
    pub rules: Vec<RuleConfig>,
}

impl FiltersConfig {
    /// What no schema can say.
    pub(crate) fn faults(&self) -> Vec<String> {
        let lacks_tags = |rule: &RuleConfig| rule.action == RuleAction::Tag && rule.tags.is_empty();
        let rules = self.rules.iter().enumerate().filter(|(_, rule)| lacks_tags(rule));
        rules
            .map(|(at, _)| {
                format!("filters.rules[{at}].tags is missing: a rule with action \"tag\" needs tags")
            })
            .collect()
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RuleConfig {
    /// Which devices it is about; all of them where empty. In patterns `*` is any text, `?` any character, `[AB]` or `[0-9]` one
    /// of these, `[!AB]` any other one, and `[*]`, `[?]` and `[[]` are these themselves.
    #[serde(default, rename = "match")]
    pub condition: MatchConfig,
    /// What becomes of them.
    pub action: RuleAction,
    /// What they are called from then on, in `tags`. Without commas, which separate them in the stream.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(schema_with = "tags"))]
    pub tags: Vec<String>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RuleAction {
    /// They are told of, whatever comes after.
    Allow,
    /// They are not told of, whatever comes after.
    Deny,
    /// They get tags, and the next rule is looked at.
    Tag,
}

/// Which devices a rule is about: those of which all that is given holds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct MatchConfig {
    /// Vendor ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor_id: Option<Id>,
    /// Product ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_id: Option<Id>,
    /// Serial number, a pattern; a device without one has an empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<Glob>,
    /// Manufacturer, a pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manufacturer: Option<Glob>,
    /// Product, a pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<Glob>,
    /// Class, of the device or of one of its interfaces; with subclass and protocol, of the same one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<u8>,
    /// Subclass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subclass: Option<u8>,
    /// Protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<u8>,
    /// What one of its interfaces is for, a pattern: `serial:*`, `hid:keyboard`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<Glob>,
    /// Hub ports joined by dots, a pattern: `4.*` is all that hangs on port 4, `1-4.*` of bus 1 alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_path: Option<PortGlob>,
    /// Bus number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus_number: Option<u16>,
    /// Mbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
}

/// A vendor or product ID: a number, or hex digits in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Id(pub u16);

impl Id {
    /// Reads up to four hex digits, with or without `0x`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        hex(text, 4).and_then(|number| number.try_into().ok()).map(Self)
    }
}

/// Reads hex digits, with or without `0x`. Digits only: `from_str_radix` would take a sign too.
pub fn hex(text: &str, most_digits: usize) -> Option<u32> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    if digits.len() > most_digits || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
fn tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": { "type": "string", "pattern": "^[^,]*[^,\\s][^,]*$", "format": "tag" },
    })
}

/// Whether the stream can tell this tag from others.
pub(super) fn is_tag(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(',')
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u16),
            Text(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(number) => Ok(Self(number)),
            Either::Text(text) => Self::parse(&text).ok_or_else(|| D::Error::custom("expected hex digits")),
        }
    }
}

#[cfg(test)]
impl JsonSchema for Id {
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 0, "maximum": 65535 },
                { "type": "string", "pattern": "^(0[xX])?[0-9a-fA-F]{1,4}$", "format": "usb-id" },
            ],
        })
    }
}
