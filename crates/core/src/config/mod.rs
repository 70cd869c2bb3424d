//! Configuration: one definition, from which defaults, validation, the JSON Schema and the documentation's table come.

mod check;
mod drivers;
mod filters;
mod ioredis;
mod outbox;
mod pattern;
mod reading;
mod redis;
mod schema;
mod sources;
mod token;

use std::path::{Path, PathBuf};
use std::time::Duration;

#[cfg(test)]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[cfg(target_os = "linux")]
pub use drivers::DriverRuleConfig;
pub use drivers::DriversConfig;
pub use filters::{FiltersConfig, Id, MatchConfig, RuleAction, RuleConfig, hex};
pub use outbox::{OutboxConfig, WhenFull};
pub use pattern::Glob;
pub use reading::Reading;
pub use redis::{Certificates, OnReset, RedisConfig, RedisSetting, TlsSetting};
pub use schema::schema;
pub use sources::SourcesConfig;
pub use token::Token;

#[cfg(target_os = "linux")]
pub(crate) use drivers::is_kernel_name;
pub(crate) use reading::{read_as, read_merged};
pub(crate) use schema::{Described, of_object, part_of_config};
#[cfg(test)]
pub(crate) use schema::{derived, is_in_file, says_what_is_derived};

/// Configuration of the USB daemon. Every key is optional.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(test, schemars(title = "Configuration of @autoweave/usb-daemon"))]
pub struct Config {
    /// Where events are published; `false` publishes nothing.
    pub redis: RedisSetting,
    /// HTTP server and reconcile period.
    pub monitoring: MonitoringConfig,
    /// Which devices are told of.
    pub filters: FiltersConfig,
    /// What is done for a device whose interface has no driver.
    pub drivers: DriversConfig,
    /// Pacing and batching.
    pub performance: PerformanceConfig,
    /// Where events are stored, and bounds of what waits.
    pub outbox: OutboxConfig,
    /// Which sources listen: a list of names, or a switch or options for each.
    pub sources: SourcesConfig,
    /// What listens beside libusb.
    pub fallback: FallbackConfig,
    /// When devices may be used, and what stands in the way.
    pub ready: ReadyOptions,
    /// What events call this machine; its own name where absent. In a container that is the container's.
    #[cfg_attr(test, schemars(length(min = 1, max = 253)))]
    pub host_name: Option<String>,
    /// Time in ms that `stop()` gives to what still waits for Redis. A listener that is behind and goes on reading gets its own.
    pub shutdown_ms: ShutdownMs,
}

/// Time that a stop gives to what still waits, in ms.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(transparent)]
pub struct ShutdownMs(#[cfg_attr(test, schemars(range(min = 0, max = 86_400_000)))] pub u32);

impl Default for ShutdownMs {
    fn default() -> Self {
        Self(2000)
    }
}

/// HTTP server and reconcile period.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct MonitoringConfig {
    /// Whether the HTTP server runs.
    pub enabled: bool,
    /// Address that it listens on.
    #[cfg_attr(test, schemars(schema_with = "schema::ip_address"))]
    pub host: std::net::IpAddr,
    /// Port that it listens on; 0 takes a free one.
    pub healthcheck_port: u16,
    /// Reconcile period in ms, whether or not the server runs.
    #[cfg_attr(test, schemars(range(min = 10, max = 86_400_000)))]
    pub interval: u32,
    /// What a client has to show, as `Authorization: Bearer …`, for all but `/live`, `/ready` and the page itself; without a
    /// token nothing can be changed over HTTP. Never printed.
    pub token: Option<Token>,
    /// Names by which a client may call this server, beyond `localhost`, IP addresses and this machine's own name: without
    /// scheme and port.
    #[cfg_attr(test, schemars(schema_with = "schema::host_names"))]
    pub allowed_hosts: Vec<String>,
}

impl Default for MonitoringConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            host: std::net::Ipv4Addr::LOCALHOST.into(),
            healthcheck_port: 8080,
            interval: 5000,
            token: None,
            allowed_hosts: Vec::new(),
        }
    }
}

/// Pacing and batching.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PerformanceConfig {
    /// Events that are published in a second at most; 0: as many as come. A burst of one second's worth goes at once. More are
    /// delayed, never dropped.
    #[cfg_attr(test, schemars(range(min = 0, max = 10_000_000)))]
    pub max_events_per_second: u32,
    /// Time in ms in which reports of several sources are taken for the same transition, beyond the least of 200. A device that
    /// comes again has a new address, and is never taken for the one before.
    #[cfg_attr(test, schemars(range(min = 0, max = 60_000)))]
    pub debounce_ms: u32,
    /// Events that one publish carries at most.
    #[cfg_attr(test, schemars(range(min = 1, max = 10_000)))]
    pub batch_size: usize,
}

impl Default for PerformanceConfig {
    fn default() -> Self {
        Self { max_events_per_second: 100, debounce_ms: 50, batch_size: 10 }
    }
}

/// When devices may be used, and what stands in the way: Linux tells that, other systems do not.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ReadyOptions {
    /// Whether `device:ready` is told.
    pub enabled: bool,
    /// Time in ms after which it is told of a device that is not ready, with what stands in the way.
    #[cfg_attr(test, schemars(range(min = 1, max = 600_000)))]
    pub timeout_ms: u32,
}

impl Default for ReadyOptions {
    fn default() -> Self {
        Self { enabled: true, timeout_ms: 10_000 }
    }
}

impl ReadyOptions {
    /// When it is told of a device that is not ready.
    pub(crate) fn timeout(self) -> Duration {
        Duration::from_millis(self.timeout_ms.into())
    }
}

/// What listens beside libusb.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct FallbackConfig {
    /// Whether the kernel's uevents are listened to; without, libusb and comparisons with sysfs are left.
    pub enable_udev: bool,
    /// Where `usb-daemon udev install` puts the helper that udev calls: an absolute path without blanks.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub udev_script_path: String,
    /// Folder in which that helper writes down what comes and goes: a daemon whose outbox is a file tells from there what it has
    /// missed, and removes it. `null`: nowhere. The command line has `/run/autoweave-usb/spool` by default.
    pub spool_path: Option<PathBuf>,
}

impl Default for FallbackConfig {
    fn default() -> Self {
        Self {
            enable_udev: cfg!(target_os = "linux"),
            udev_script_path: "/usr/local/bin/autoweave-udev-notify".into(),
            spool_path: None,
        }
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

    /// What this machine is called in events.
    pub fn host(&self) -> String {
        self.host_name.clone().unwrap_or_else(crate::platform::machine::host_name)
    }

    /// Where the helper of udev writes down what comes and goes, if that is to be looked at.
    pub fn spool(&self) -> Option<&Path> {
        self.fallback.spool_path.as_deref().filter(|_| self.fallback.enable_udev)
    }

    /// Whether the kernel's uevents are listened to: two keys may say no.
    pub fn hears_uevents(&self) -> bool {
        self.sources.netlink && self.fallback.enable_udev
    }

    /// What no schema can say: faults of values that are good each by itself.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let RedisSetting::On(redis) = &self.redis {
            faults.extend(redis.fault());
        }
        faults.extend(self.outbox.fault());
        faults.extend(self.filters.faults());
        faults.extend(self.drivers.faults());
        faults
    }
}

#[cfg(test)]
mod tests;
