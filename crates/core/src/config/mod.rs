//! Configuration: the contract's keys, each with its default and its bounds.
//!
//! Keys that no part of the daemon honours yet are refused like misspelt ones: a setting is never ignored silently.

mod outbox;
mod redis;

use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::error::{Code, Error};
use crate::source::name;
pub use outbox::{OutboxConfig, WhenFull};
pub use redis::{Certificates, OnReset, RedisConfig, RedisSetting, TlsSetting};

/// The whole configuration. Every key is optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where events are published; `false` publishes nothing.
    pub redis: RedisSetting,
    /// HTTP server and reconcile period.
    pub monitoring: MonitoringConfig,
    /// Batching.
    pub performance: PerformanceConfig,
    /// Where events are stored, and bounds of what waits.
    pub outbox: OutboxConfig,
    /// Which sources listen.
    pub sources: SourcesConfig,
    /// Time in ms that `stop()` gives to what still waits for Redis.
    pub shutdown_ms: ShutdownMs,
}

/// Time that a stop gives to what still waits, in ms.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub struct ShutdownMs(pub u32);

impl Default for ShutdownMs {
    fn default() -> Self {
        Self(2000)
    }
}

/// HTTP server and reconcile period.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitoringConfig {
    /// Whether the HTTP server runs.
    pub enabled: bool,
    /// Address that it listens on.
    pub host: std::net::IpAddr,
    /// Port that it listens on; 0 takes a free one.
    pub healthcheck_port: u16,
    /// Reconcile period in ms, whether or not the server runs.
    pub interval: u32,
}

impl Default for MonitoringConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            host: std::net::Ipv4Addr::LOCALHOST.into(),
            healthcheck_port: 8080,
            interval: 5000,
        }
    }
}

/// Batching.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerformanceConfig {
    /// Events that one publish carries at most.
    pub batch_size: usize,
}

impl Default for PerformanceConfig {
    fn default() -> Self {
        Self { batch_size: 10 }
    }
}

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

impl Config {
    /// Reads a configuration from JSON.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` naming what is wrong.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        let bad = |message: String| Error::new(Code::Config, format!("bad configuration: {message}"));
        // Read by name: a struct could also be read from a list of values.
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
        let config =
            Self::deserialize(serde_json::Value::Object(object)).map_err(|error| bad(error.to_string()))?;
        config.check().map_err(bad)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if let RedisSetting::On(redis) = &self.redis {
            redis.check()?;
        }
        within("monitoring.interval", u64::from(self.monitoring.interval), 10, 86_400_000)?;
        within("performance.batch_size", self.performance.batch_size as u64, 1, 10_000)?;
        self.outbox.check()?;
        if let Some(bytes) = self.sources.receive_buffer {
            within("sources.netlink.receive_buffer", bytes as u64, 1, 1 << 30)?;
        }
        Ok(())
    }

    /// The reconcile period.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.monitoring.interval.into())
    }

    /// Time that a stop gives to what still waits.
    pub fn shutdown(&self) -> Duration {
        Duration::from_millis(self.shutdown_ms.0.into())
    }
}

pub(crate) fn within(path: &str, found: u64, least: u64, most: u64) -> Result<(), String> {
    if (least..=most).contains(&found) {
        Ok(())
    } else {
        Err(format!("{path} is {found}: expected {least} to {most}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_object_is_the_defaults() {
        let config = Config::from_json("{}").expect("valid");
        assert_eq!((config.monitoring.interval, config.shutdown_ms.0), (5000, 2000));
        let RedisSetting::On(redis) = config.redis else { panic!("publishing is the default") };
        assert_eq!(
            (redis.host.as_str(), redis.port, redis.stream.as_str()),
            ("localhost", 6379, "aw:hotplug")
        );
        assert!(config.sources.netlink && config.sources.libusb && config.sources.snapshot);
    }

    #[test]
    fn sources_are_a_list_or_switches() {
        let sources = |json| Config::from_json(json).expect("valid").sources;
        let none = sources(r#"{ "sources": [] }"#);
        assert!(!none.netlink && !none.libusb && !none.snapshot && !none.simulated);
        let small = sources(r#"{ "sources": { "netlink": { "receive_buffer": 4096 }, "libusb": false } }"#);
        assert_eq!((small.receive_buffer, small.libusb, small.snapshot), (Some(4096), false, true));
        assert!(!sources(r#"{ "sources": { "netlink": false } }"#).netlink);
        assert!(sources(r#"{ "sources": ["simulated"] }"#).simulated);
    }

    #[test]
    fn bad_values_are_named() {
        for (json, expected) in [
            (r#"{ "redis": { "prot": 1 } }"#, "prot"),
            (r#"{ "redis": true }"#, "redis: expected an object"),
            (r#"{ "monitoring": { "interval": 0 } }"#, "monitoring.interval is 0: expected 10 to 86400000"),
            (r#"{ "monitoring": { "host": "everywhere" } }"#, "IP address"),
            (r#"{ "performance": { "batch_size": 0 } }"#, "performance.batch_size"),
            (r#"{ "sources": ["udev"] }"#, "unknown source \"udev\""),
            (r#"{ "sources": { "netlink": 5 } }"#, "netlink: expected true, false"),
            (r#"{ "filters": {} }"#, "filters"),
            ("[]", "sequence"),
        ] {
            let error = Config::from_json(json).expect_err(json);
            assert_eq!(error.code, Code::Config);
            assert!(error.message.contains(expected), "{json}: {error}");
        }
    }
}
