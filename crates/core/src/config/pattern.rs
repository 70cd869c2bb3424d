//! Patterns of the filters: for texts, and for ports.

#[cfg(test)]
use std::borrow::Cow;

#[cfg(test)]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::device::PortPath;

/// A text with `*`, `?` and `[…]`; a `[` that means itself is `[[]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Glob(glob::Pattern);

impl Glob {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut text = text.to_owned();
        // Two of them mean folders in paths, and a text has none.
        while text.contains("**") {
            text = text.replace("**", "*");
        }
        glob::Pattern::new(&text).ok().map(Self)
    }

    /// Whether the whole text fits.
    pub fn matches(&self, text: &str) -> bool {
        self.0.matches(text)
    }
}

/// Hub ports joined by dots, on any bus (`4.*`) or with its bus (`1-4.*`), or a root hub (`usb1`).
#[derive(Clone, Debug, PartialEq)]
pub struct PortGlob {
    glob: Glob,
    has_bus: bool,
}

impl PortGlob {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let plain = without_sets(text);
        let is_of = |part: &str, more: &str| {
            !part.is_empty()
                && part.bytes().all(|byte| b"0123456789*?".contains(&byte) || more.as_bytes().contains(&byte))
        };
        let has_bus = match (plain.strip_prefix("usb"), plain.split_once('-')) {
            (Some(bus), _) => is_of(bus, "").then_some(true),
            (None, Some((bus, ports))) => (is_of(bus, "") && is_of(ports, ".")).then_some(true),
            (None, None) => is_of(&plain, ".").then_some(false),
        }?;
        Some(Self { glob: Glob::parse(text)?, has_bus })
    }

    /// Whether a device hangs there.
    pub fn matches(&self, port: &PortPath) -> bool {
        self.glob.matches(&if self.has_bus { port.name() } else { port.to_string() })
    }
}

/// With a `?` for each `[…]`, whose hyphens are none between bus and ports.
fn without_sets(pattern: &str) -> String {
    let mut plain = String::new();
    let mut rest = pattern;
    while let Some((before, set)) = rest.split_once('[') {
        let Some((_, after)) = set.split_once(']') else { break };
        plain.push_str(before);
        plain.push('?');
        rest = after;
    }
    plain + rest
}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("expected a pattern in which each [ is closed"))
    }
}

#[cfg(test)]
impl JsonSchema for Glob {
    fn schema_name() -> Cow<'static, str> {
        "Glob".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "glob" })
    }
}

impl Serialize for PortGlob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.glob.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PortGlob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("expected hub ports joined by dots"))
    }
}

#[cfg(test)]
impl JsonSchema for PortGlob {
    fn schema_name() -> Cow<'static, str> {
        "PortGlob".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "port-glob" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_for_ports_is_one_that_some_port_can_fit() {
        for (text, fits) in [
            ("4.*", Some((true, true))),
            ("1-4.*", Some((true, false))),
            ("[1-3]-4.2", Some((true, true))),
            ("[1-3].*", Some((false, false))),
            ("usb1", Some((false, false))),
            ("", None),
            ("-4", None),
            ("1-", None),
            ("1-2-3", None),
            ("left", None),
            ("4.[2", None),
        ] {
            let [one, two] = ["1-4.2", "2-4.2"].map(|name| PortPath::parse(name).expect("a port"));
            let found = PortGlob::parse(text).map(|glob| (glob.matches(&one), glob.matches(&two)));
            assert_eq!(found, fits, "{text}");
        }
        let hub = PortPath::parse("usb1").expect("a root hub");
        assert!(PortGlob::parse("usb?").is_some_and(|glob| glob.matches(&hub)));
    }
}
