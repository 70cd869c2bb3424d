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
    /// The kernel's log, where it may be read, for strings that sysfs keeps back.
    pub kernel_log: bool,
    /// libusb hotplug.
    pub libusb: bool,
    /// Comparison with sysfs.
    pub snapshot: bool,
    /// Simulated devices may be plugged in.
    pub simulated: bool,
}

impl Default for SourcesConfig {
    fn default() -> Self {
        Self {
            netlink: true,
            receive_buffer: None,
            kernel_log: true,
            libusb: true,
            snapshot: true,
            simulated: false,
        }
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
        let SourcesConfig { libusb, snapshot, simulated, .. } = SourcesConfig::default();
        Self { netlink: NetlinkSetting::Options(NetlinkOptions::default()), libusb, snapshot, simulated }
    }
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "netlink: expected true, false or { receive_buffer: <bytes>, kernel_log: true|false }"
)]
enum NetlinkSetting {
    Switch(bool),
    Options(NetlinkOptions),
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NetlinkOptions {
    receive_buffer: Option<usize>,
    kernel_log: bool,
}

impl Default for NetlinkOptions {
    fn default() -> Self {
        let SourcesConfig { receive_buffer, kernel_log, .. } = SourcesConfig::default();
        Self { receive_buffer, kernel_log }
    }
}

impl<'de> Deserialize<'de> for SourcesConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        if value.is_array() {
            let names: Vec<String> = serde_json::from_value(value).map_err(D::Error::custom)?;
            return Self::from_names(&names).map_err(D::Error::custom);
        }
        let switches: SourceSwitches = serde_json::from_value(value).map_err(D::Error::custom)?;
        let (netlink, NetlinkOptions { receive_buffer, kernel_log }) = match switches.netlink {
            NetlinkSetting::Switch(netlink) => (netlink, NetlinkOptions::default()),
            NetlinkSetting::Options(options) => (true, options),
        };
        Ok(Self {
            netlink,
            receive_buffer,
            kernel_log,
            libusb: switches.libusb,
            snapshot: switches.snapshot,
            simulated: switches.simulated,
        })
    }
}

impl SourcesConfig {
    fn from_names(names: &[String]) -> Result<Self, String> {
        let mut sources =
            Self { netlink: false, libusb: false, snapshot: false, simulated: false, ..Self::default() };
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
        let mut options = serde_json::json!({ "kernel_log": self.kernel_log });
        if let Some(bytes) = self.receive_buffer {
            options["receive_buffer"] = bytes.into();
        }
        if self.netlink && (self.receive_buffer.is_some() || !self.kernel_log) {
            map.serialize_entry(name::NETLINK, &options)?;
        } else {
            map.serialize_entry(name::NETLINK, &self.netlink)?;
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
                                        "kernel_log": {
                                            "description": "A device's strings are read from the kernel's log, where this \
                                                            process may read that: sysfs keeps them back until drivers \
                                                            have been asked.",
                                            "type": "boolean",
                                            "default": true,
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
