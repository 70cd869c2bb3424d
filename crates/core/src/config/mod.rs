//! Configuration: one definition, from which defaults, validation, the JSON Schema and the documentation's table come.

mod check;
mod filters;
mod outbox;
mod reading;
mod redis;
mod schema;
mod sources;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use filters::{FiltersConfig, Id, MatchConfig, RuleAction, RuleConfig};
pub use outbox::{OutboxConfig, WhenFull};
pub use reading::Reading;
pub use redis::{Certificates, OnReset, RedisConfig, RedisSetting, TlsSetting};
pub use schema::schema;
pub use sources::SourcesConfig;

pub(crate) use reading::read_as;

/// Configuration of the USB daemon. Every key is optional.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Configuration of @autoweave/usb-daemon")]
pub struct Config {
    /// Where events are published; `false` publishes nothing.
    pub redis: RedisSetting,
    /// HTTP server and reconcile period.
    pub monitoring: MonitoringConfig,
    /// Which devices are told of.
    pub filters: FiltersConfig,
    /// Pacing and batching.
    pub performance: PerformanceConfig,
    /// Where events are stored, and bounds of what waits.
    pub outbox: OutboxConfig,
    /// Which sources listen: a list of names, or a switch or options for each.
    pub sources: SourcesConfig,
    /// What listens beside libusb.
    pub fallback: FallbackConfig,
    /// Time in ms that `stop()` gives to what still waits for Redis.
    pub shutdown_ms: ShutdownMs,
}

/// Time that a stop gives to what still waits, in ms.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct ShutdownMs(pub u32);

impl Default for ShutdownMs {
    fn default() -> Self {
        Self(2000)
    }
}

/// HTTP server and reconcile period.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MonitoringConfig {
    /// Whether the HTTP server runs.
    pub enabled: bool,
    /// Address that it listens on.
    #[schemars(schema_with = "schema::ip_address")]
    pub host: std::net::IpAddr,
    /// Port that it listens on; 0 takes a free one.
    pub healthcheck_port: u16,
    /// Reconcile period in ms, whether or not the server runs.
    #[schemars(range(min = 10, max = 86_400_000))]
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

/// Pacing and batching.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PerformanceConfig {
    /// Events that are published in a second at most; 0: as many as come. A burst of one second's worth goes at once. More are
    /// delayed, never dropped.
    #[schemars(range(min = 0, max = 10_000_000))]
    pub max_events_per_second: u32,
    /// Time in ms in which reports of several sources are taken for the same transition, beyond the least of 200. A device that
    /// comes again has a new address, and is never taken for the one before.
    #[schemars(range(min = 0, max = 60_000))]
    pub debounce_ms: u32,
    /// Events that one publish carries at most.
    #[schemars(range(min = 1, max = 10_000))]
    pub batch_size: usize,
}

impl Default for PerformanceConfig {
    fn default() -> Self {
        Self { max_events_per_second: 100, debounce_ms: 50, batch_size: 10 }
    }
}

/// What listens beside libusb.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FallbackConfig {
    /// Whether the kernel's uevents are listened to; without, libusb and comparisons with sysfs are left.
    pub enable_udev: bool,
    /// Where `usb-daemon udev install` puts the helper.
    #[schemars(length(min = 1))]
    pub udev_script_path: String,
}

impl Default for FallbackConfig {
    fn default() -> Self {
        Self { enable_udev: true, udev_script_path: "/usr/local/bin/autoweave-udev-notify".into() }
    }
}

impl Config {
    /// The reconcile period.
    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.monitoring.interval.into())
    }

    /// Time that a stop gives to what still waits.
    pub fn shutdown(&self) -> Duration {
        Duration::from_millis(self.shutdown_ms.0.into())
    }

    /// What no schema can say: faults of values that are good each by itself.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let RedisSetting::On(redis) = &self.redis {
            faults.extend(redis.fault());
        }
        faults.extend(self.outbox.fault());
        for (at, rule) in self.filters.rules.iter().enumerate() {
            if rule.action == RuleAction::Tag && rule.tags.is_empty() {
                faults.push(format!(
                    "filters.rules[{at}].tags is missing: a rule with action \"tag\" needs tags"
                ));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

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
            (r#"{ "redis": { "prot": 1 } }"#, "redis.prot is no key: did you mean \"port\"?"),
            (r#"{ "redis": true }"#, "redis is true or false: expected false or an object with"),
            (
                r#"{ "monitoring": { "interval": 0 } }"#,
                "monitoring.interval is 0: expected a whole number from 10 to 86400000",
            ),
            (
                r#"{ "monitoring": { "interval": "5" } }"#,
                "monitoring.interval is \"5\": expected a whole number from 10",
            ),
            (
                r#"{ "monitoring": { "host": "everywhere" } }"#,
                "monitoring.host is \"everywhere\": expected an IP address",
            ),
            (
                r#"{ "performance": { "batch_size": 1.5 } }"#,
                "performance.batch_size is 1.5: expected a whole number from 1 to 10000",
            ),
            (
                r#"{ "sources": ["netlnk"] }"#,
                "sources[0] is \"netlnk\": expected netlink, libusb, snapshot or simulated; did you mean \"netlink\"?",
            ),
            (
                r#"{ "sources": { "netlink": 5 } }"#,
                "sources.netlink is 5: expected true or false or an object with receive_buffer",
            ),
            (
                r#"{ "filters": { "vendor_whitelist": [1133, "46dg"] } }"#,
                "filters.vendor_whitelist[1] is \"46dg\": expected a whole number from 0 to 65535 or up to four hex digits",
            ),
            (
                r#"{ "filters": { "device_class_filter": [300] } }"#,
                "filters.device_class_filter[0] is 300: expected a whole number from 0 to 255",
            ),
            (
                r#"{ "filters": { "rules": [{ "match": {} }] } }"#,
                "filters.rules[0].action is missing: expected allow, deny or tag",
            ),
            (
                r#"{ "filters": { "rules": [{ "action": "deny", "match": { "vendor_id": -1 } }] } }"#,
                "filters.rules[0].match.vendor_id is -1: expected a whole number from 0 to 65535 or up to four hex digits",
            ),
            (r#"{ "filters": { "rules": [{ "action": "tag" }] } }"#, "filters.rules[0].tags is missing"),
            (
                r#"{ "outbox": { "when_full": "drop" } }"#,
                "outbox.when_full is \"drop\": expected drop-oldest or drop-newest",
            ),
            (r#"{ "outbox": { "required": true } }"#, "outbox.required is true"),
            (r#"{ "redis": { "tls": "yes" } }"#, "redis.tls is a text: expected true or false or an object"),
            (r#"{ "outbux": {} }"#, "outbux is no key: did you mean \"outbox\"?"),
            ("[]", "the configuration is a list: expected an object"),
            ("{", "EOF"),
        ] {
            let error = Config::from_json(json).expect_err(json);
            assert_eq!(error.code, Code::Config);
            assert!(error.message.contains(expected), "{json}: {error}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let json =
            r#"{ "redis": { "port": "x" }, "monitoring": { "interval": -1, "hots": 1 }, "nonsense": 0 }"#;
        let error = Config::from_json(json).expect_err(json);
        for part in
            ["4 faults", "redis.port is \"x\"", "monitoring.interval is -1", "monitoring.hots", "nonsense"]
        {
            assert!(error.message.contains(part), "{error}");
        }
    }

    #[test]
    fn options_of_ioredis_are_warned_of_and_nothing_else_is() {
        let Reading { warnings, .. } =
            Config::read(r#"{ "redis": { "maxRetriesPerRequest": null, "lazyConnect": true } }"#)
                .expect("valid");
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].starts_with("redis.lazyConnect is an option of ioredis"), "{warnings:?}");
        assert!(
            Config::read(r#"{ "$schema": "usb-daemon.schema.json" }"#).expect("valid").warnings.is_empty()
        );
    }

    #[test]
    fn the_defaults_are_a_configuration_that_changes_nothing() {
        let defaults = Config::defaults();
        let again = Config::from_json(&defaults.to_string()).expect("valid");
        assert_eq!(
            serde_json::to_value(&again).expect("JSON"),
            serde_json::to_value(Config::default()).expect("JSON")
        );
        assert_eq!(
            defaults["performance"],
            serde_json::json!({ "max_events_per_second": 100, "debounce_ms": 50, "batch_size": 10 })
        );
    }

    #[test]
    fn each_key_has_a_description_for_editors() {
        fn look(schema: &serde_json::Value, path: &str) {
            for (key, property) in schema["properties"].as_object().into_iter().flatten() {
                let path = format!("{path}.{key}");
                assert!(key == "$schema" || property["description"].is_string(), "{path} has no description");
                look(property, &path);
            }
        }
        look(schema().as_value(), "");
    }
}
