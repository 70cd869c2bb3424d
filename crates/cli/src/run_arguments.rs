//! Options of a run, and the configuration that they make with the file: options over environment over file over defaults.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::FalseyValueParser;
use serde_json::{Map, Value, json};
use usb_daemon_core::{Code, Error};

use crate::class;
use crate::outbox_path;

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub(crate) struct RunArguments {
    /// Configuration file (JSON)
    #[arg(long, value_name = "FILE", env = "USB_DAEMON_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// Print every notice as one JSON object a line
    #[arg(long, env = "USB_DAEMON_JSON", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(crate) json: bool,
    /// Let simulated devices come and go
    #[arg(long, env = "USB_DAEMON_SIMULATE", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(crate) simulate: bool,
    /// Publish nothing
    #[arg(long, env = "USB_DAEMON_NO_REDIS", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub(crate) no_redis: bool,
    /// Where events are stored, or `:memory:` [default: usb-daemon/outbox.db where this system keeps state]
    #[arg(long, value_name = "FILE", env = "USB_DAEMON_OUTBOX", hide_env_values = true)]
    outbox: Option<PathBuf>,
    /// Do not run where the outbox cannot be used
    #[arg(long, env = "USB_DAEMON_OUTBOX_REQUIRED", hide_env_values = true, value_parser = FalseyValueParser::new())]
    outbox_required: bool,
    /// Wait for the disk at each commit, so that events survive a loss of power
    #[arg(long, env = "USB_DAEMON_OUTBOX_FSYNC", hide_env_values = true, value_parser = FalseyValueParser::new())]
    outbox_fsync: bool,
    /// redis://, rediss:// or redis+unix://; better given in the environment where it holds a password
    #[arg(long, value_name = "URL", env = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
    /// Host of the Redis server [default: localhost]
    #[arg(long, value_name = "HOST", env = "REDIS_HOST", hide_env_values = true)]
    redis_host: Option<String>,
    /// Port of the Redis server [default: 6379]
    #[arg(long, value_name = "PORT", env = "REDIS_PORT", hide_env_values = true)]
    redis_port: Option<u16>,
    /// Database of the Redis server [default: 0]
    #[arg(long, value_name = "NUMBER", env = "REDIS_DB", hide_env_values = true)]
    redis_db: Option<u32>,
    /// ACL user of the Redis server
    #[arg(long, value_name = "NAME", env = "REDIS_USERNAME", hide_env_values = true)]
    redis_username: Option<String>,
    /// Key of the stream [default: aw:hotplug]
    #[arg(long, value_name = "KEY", env = "REDIS_STREAM", hide_env_values = true)]
    redis_stream: Option<String>,
    /// Password of the Redis server; better given in the environment, where `ps` does not show it
    #[arg(long, value_name = "PASSWORD", env = "REDIS_PASSWORD", hide_env_values = true)]
    redis_password: Option<String>,
    /// Entries that the stream keeps [default: all of them]
    #[arg(long, value_name = "N", env = "REDIS_MAXLEN", hide_env_values = true)]
    redis_maxlen: Option<u64>,
    /// Events that are published in a second at most; 0: as many as come [default: 100]
    #[arg(long, value_name = "N", env = "USB_DAEMON_MAX_EVENTS_PER_SECOND", hide_env_values = true)]
    max_events_per_second: Option<u32>,
    /// Events that one publish carries at most [default: 10]
    #[arg(long, value_name = "N", env = "USB_DAEMON_BATCH_SIZE", hide_env_values = true)]
    batch_size: Option<u32>,
    /// Only devices of these vendors: IDs as in 046d,1d6b
    #[arg(
        long,
        value_name = "IDS",
        env = "USB_DAEMON_VENDOR_WHITELIST",
        hide_env_values = true,
        value_delimiter = ','
    )]
    vendor_whitelist: Option<Vec<String>>,
    /// No devices of these vendors
    #[arg(
        long,
        value_name = "IDS",
        env = "USB_DAEMON_VENDOR_BLACKLIST",
        hide_env_values = true,
        value_delimiter = ','
    )]
    vendor_blacklist: Option<Vec<String>>,
    /// Only devices of these classes, their own or an interface's: as in 08,hid
    #[arg(long, value_name = "CLASSES", env = "USB_DAEMON_CLASS_FILTER", hide_env_values = true, value_delimiter = ',', value_parser = class::parse)]
    class_filter: Option<Vec<u8>>,
    /// Address that the health endpoint listens on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", env = "USB_DAEMON_HTTP_HOST", hide_env_values = true)]
    http_host: Option<IpAddr>,
    /// Port of the health endpoint [default: 8080]
    #[arg(long, value_name = "PORT", env = "USB_DAEMON_HTTP_PORT", hide_env_values = true)]
    http_port: Option<u16>,
    /// No health endpoint
    #[arg(long, env = "USB_DAEMON_NO_HTTP", hide_env_values = true, value_parser = FalseyValueParser::new())]
    no_http: bool,
    /// Reconcile period in ms [default: 5000]
    #[arg(long, value_name = "MS", env = "USB_DAEMON_INTERVAL", hide_env_values = true)]
    interval: Option<u32>,
}

/// A key that an option, or its variable, sets.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The option, as clap knows it.
    pub(crate) option: &'static str,
    pub(crate) section: &'static str,
    pub(crate) key: &'static str,
    value: Value,
}

impl RunArguments {
    /// The configuration file with the arguments over it, as JSON.
    pub(crate) fn configuration(&self) -> Result<Value, Error> {
        Ok(self.over(self.file()?))
    }

    /// What the configuration file says.
    pub(crate) fn file(&self) -> Result<Map<String, Value>, Error> {
        self.config.as_deref().map_or_else(|| Ok(Map::new()), read)
    }

    /// The arguments over what the file says.
    pub(crate) fn over(&self, mut root: Map<String, Value>) -> Value {
        for Setting { section, key, value, .. } in self.settings() {
            let section = root.entry(section).or_insert_with(|| json!({}));
            if *section == Value::Bool(false) {
                *section = json!({});
            }
            // Anything else is refused, by name, when the configuration is read.
            if let Value::Object(keys) = section {
                keys.insert(key.to_owned(), value);
            }
        }
        // Whatever else is there is refused, by name, when the configuration is read.
        if let Value::Object(outbox) = root.entry("outbox").or_insert_with(|| json!({}))
            && !outbox.contains_key("path")
            && let Some(default) = outbox_path::default()
        {
            outbox.insert("path".into(), default.to_string_lossy().into());
        }
        if self.no_redis {
            root.insert("redis".into(), false.into());
        }
        if self.simulate {
            simulate(&mut root);
        }
        Value::Object(root)
    }

    /// The keys that the arguments set, but for what `--no-redis` and `--simulate` do to a whole section.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let mut settings = Vec::new();
        let mut set = |option, section, key, value: Option<Value>| {
            settings.extend(value.map(|value| Setting { option, section, key, value }));
        };
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let outbox = self.outbox.as_ref().map(|path| Value::from(path.to_string_lossy()));
        set("outbox", "outbox", "path", outbox);
        set("outbox_required", "outbox", "required", self.outbox_required.then_some(true.into()));
        set("outbox_fsync", "outbox", "fsync", self.outbox_fsync.then_some(true.into()));
        set("redis_url", "redis", "url", text(&self.redis_url));
        set("redis_username", "redis", "username", text(&self.redis_username));
        set("redis_stream", "redis", "stream", text(&self.redis_stream));
        set("redis_host", "redis", "host", text(&self.redis_host));
        set("redis_port", "redis", "port", self.redis_port.map(Value::from));
        set("redis_db", "redis", "db", self.redis_db.map(Value::from));
        set("redis_password", "redis", "password", text(&self.redis_password));
        set("redis_maxlen", "redis", "maxlen", self.redis_maxlen.map(Value::from));
        let performance = "performance";
        let most = self.max_events_per_second.map(Value::from);
        set("max_events_per_second", performance, "max_events_per_second", most);
        set("batch_size", performance, "batch_size", self.batch_size.map(Value::from));
        let list = |ids: &Option<Vec<String>>| ids.clone().map(Value::from);
        set("vendor_whitelist", "filters", "vendor_whitelist", list(&self.vendor_whitelist));
        set("vendor_blacklist", "filters", "vendor_blacklist", list(&self.vendor_blacklist));
        set("class_filter", "filters", "device_class_filter", self.class_filter.clone().map(Value::from));
        let address = self.http_host.map(|address| address.to_string().into());
        set("http_host", "monitoring", "host", address);
        set("http_port", "monitoring", "healthcheck_port", self.http_port.map(Value::from));
        set("no_http", "monitoring", "enabled", self.no_http.then_some(false.into()));
        set("interval", "monitoring", "interval", self.interval.map(Value::from));
        settings
    }
}

/// Adds the simulated source to whatever the file says about sources.
fn simulate(root: &mut Map<String, Value>) {
    match root.entry("sources").or_insert_with(|| json!({})) {
        Value::Array(names) => names.push("simulated".into()),
        Value::Object(switches) => {
            switches.insert("simulated".into(), true.into());
        }
        // Anything else is refused, by name, when the configuration is read.
        _ => {}
    }
}

pub(crate) fn read(path: &Path) -> Result<Map<String, Value>, Error> {
    let bad = |why: String| Error::new(Code::Config, format!("configuration file {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| bad(error.to_string()))
}
