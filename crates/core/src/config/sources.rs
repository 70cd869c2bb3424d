//! The key `sources`: which sources listen.

#[cfg(test)]
use std::borrow::Cow;

#[cfg(test)]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::source::name;

/// Which sources listen: a list of names, or an object with a switch or options for each.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "one switch for each source")]
pub struct SourcesConfig {
    /// The kernel's uevents.
    pub netlink: bool,
    /// Receive buffer of the uevent socket in bytes; as large as allowed where absent.
    pub receive_buffer: Option<usize>,
    /// libusb hotplug.
    pub libusb: bool,
    /// Comparison with sysfs.
    pub snapshot: bool,
    /// Simulated devices may be plugged in.
    pub simulated: bool,
}

impl Default for SourcesConfig {
    fn default() -> Self {
        Self { netlink: true, receive_buffer: None, libusb: true, snapshot: true, simulated: false }
    }
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SourceSwitches {
    netlink: NetlinkSetting,
    libusb: bool,
    snapshot: bool,
    simulated: bool,
}

impl Default for SourceSwitches {
    fn default() -> Self {
        let NetlinkOptions { receive_buffer } = NetlinkOptions::default();
        let SourcesConfig { libusb, snapshot, simulated, .. } = SourcesConfig::default();
        Self {
            netlink: NetlinkSetting::Options(NetlinkOptions { receive_buffer }),
            libusb,
            snapshot,
            simulated,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "netlink: expected true, false or { receive_buffer: <bytes> }")]
enum NetlinkSetting {
    Switch(bool),
    Options(NetlinkOptions),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NetlinkOptions {
    receive_buffer: Option<usize>,
}

impl<'de> Deserialize<'de> for SourcesConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        if value.is_array() {
            let names: Vec<String> = serde_json::from_value(value).map_err(D::Error::custom)?;
            return Self::from_names(&names).map_err(D::Error::custom);
        }
        let switches: SourceSwitches = serde_json::from_value(value).map_err(D::Error::custom)?;
        let (netlink, receive_buffer) = match switches.netlink {
            NetlinkSetting::Switch(netlink) => (netlink, None),
            NetlinkSetting::Options(options) => (true, options.receive_buffer),
        };
        Ok(Self {
            netlink,
            receive_buffer,
            libusb: switches.libusb,
            snapshot: switches.snapshot,
            simulated: switches.simulated,
        })
    }
}

impl SourcesConfig {
    fn from_names(names: &[String]) -> Result<Self, String> {
        let mut sources =
            Self { netlink: false, receive_buffer: None, libusb: false, snapshot: false, simulated: false };
        for source in names {
            match source.as_str() {
                name::NETLINK => sources.netlink = true,
                name::LIBUSB => sources.libusb = true,
                name::SNAPSHOT => sources.snapshot = true,
                name::SIMULATED => sources.simulated = true,
                other => {
                    return Err(format!(
                        "unknown source {other:?}: expected netlink, libusb, snapshot or simulated"
                    ));
                }
            }
        }
        Ok(sources)
    }
}

impl Serialize for SourcesConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self.receive_buffer {
            Some(bytes) if self.netlink => {
                map.serialize_entry(name::NETLINK, &serde_json::json!({ "receive_buffer": bytes }))?;
            }
            _ => map.serialize_entry(name::NETLINK, &self.netlink)?,
        }
        map.serialize_entry(name::LIBUSB, &self.libusb)?;
        map.serialize_entry(name::SNAPSHOT, &self.snapshot)?;
        map.serialize_entry(name::SIMULATED, &self.simulated)?;
        map.end()
    }
}

#[cfg(test)]
impl JsonSchema for SourcesConfig {
    fn schema_name() -> Cow<'static, str> {
        "SourcesConfig".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let switch = |what: &str| json_schema!({ "type": "boolean", "description": what });
        json_schema!({
            "anyOf": [
                {
                    "type": "array",
                    "items": { "enum": [name::NETLINK, name::LIBUSB, name::SNAPSHOT, name::SIMULATED] },
                },
                {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "netlink": {
                            "description": "The kernel's uevents.",
                            "anyOf": [
                                { "type": "boolean" },
                                {
                                    "type": "object",
                                    "additionalProperties": false,
                                    "properties": {
                                        "receive_buffer": {
                                            "description": "Receive buffer of the uevent socket in bytes; as large as \
                                                            allowed where absent.",
                                            "type": ["integer", "null"],
                                            "minimum": 1,
                                            "maximum": 1_073_741_824,
                                        },
                                    },
                                },
                            ],
                        },
                        "libusb": switch("libusb's hotplug callbacks."),
                        "snapshot": switch("Comparison with sysfs."),
                        "simulated": switch("Simulated devices may be plugged in."),
                    },
                },
            ],
        })
    }
}
