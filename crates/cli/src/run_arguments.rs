//! Options of a run, each with its variable, and the keys of the configuration that they set.
//!
//! Numbers and the like are taken as they stand: the check of the configuration judges them, all at once.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use serde_json::{Map, Value, json};
use usb_daemon_core::Error;

use crate::class;
use crate::configuration_file::{read, variable_to_set};
use crate::layers::Layers;
use crate::origins::Origins;
use crate::secret;
use crate::setting::{self, Origin, Setting, number};
use crate::yes_or_no::yes_or_no;

/// The option of the token, by its name within clap.
pub(crate) const TOKEN: &str = "http_token";
/// That of the file which holds it.
pub(crate) const TOKEN_FILE: &str = "http_token_file";

#[derive(Args, Debug)]
pub(crate) struct RunArguments {
    /// Configuration file (JSON)
    #[arg(long, value_name = "FILE", env = "USB_DAEMON_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// Print every notice as one JSON object a line
    #[arg(long, env = "USB_DAEMON_JSON", hide_env_values = true, value_parser = yes_or_no)]
    pub(crate) json: bool,
    /// Let simulated devices come and go
    #[arg(
        long, env = "USB_DAEMON_SIMULATE", hide_env_values = true, value_parser = yes_or_no, action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "YES|NO"
    )]
    pub(crate) simulate: Option<bool>,
    /// Publish nothing
    #[arg(
        long, env = "USB_DAEMON_NO_REDIS", hide_env_values = true, value_parser = yes_or_no, action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "YES|NO"
    )]
    pub(crate) no_redis: Option<bool>,
    /// Where events are stored, or `:memory:` [default: usb-daemon/outbox.db where this system keeps state]
    #[arg(long, value_name = "FILE", env = "USB_DAEMON_OUTBOX", hide_env_values = true)]
    outbox: Option<PathBuf>,
    /// Do not run where the outbox cannot be used
    #[arg(
        long, env = "USB_DAEMON_OUTBOX_REQUIRED", hide_env_values = true, value_parser = yes_or_no, action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "YES|NO"
    )]
    outbox_required: Option<bool>,
    /// Wait for the disk at each commit, so that events survive a loss of power
    #[arg(
        long, env = "USB_DAEMON_OUTBOX_FSYNC", hide_env_values = true, value_parser = yes_or_no, action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "YES|NO"
    )]
    outbox_fsync: Option<bool>,
    /// redis://, rediss:// or redis+unix://; better given in the environment where it holds a password
    #[arg(long, value_name = "URL", env = "REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,
    /// Host of the Redis server [default: localhost]
    #[arg(long, value_name = "HOST", env = "REDIS_HOST", hide_env_values = true)]
    redis_host: Option<String>,
    /// Port of the Redis server [default: 6379]
    #[arg(long, value_name = "PORT", env = "REDIS_PORT", hide_env_values = true)]
    redis_port: Option<String>,
    /// Database of the Redis server [default: 0]
    #[arg(long, value_name = "NUMBER", env = "REDIS_DB", hide_env_values = true)]
    redis_db: Option<String>,
    /// ACL user of the Redis server
    #[arg(long, value_name = "NAME", env = "REDIS_USERNAME", hide_env_values = true)]
    redis_username: Option<String>,
    /// Key of the stream [default: aw:hotplug]
    #[arg(long, value_name = "KEY", env = "REDIS_STREAM", hide_env_values = true)]
    redis_stream: Option<String>,
    /// Password of the Redis server; better given in the environment, where `ps` does not show it
    #[arg(long, value_name = "PASSWORD", env = "REDIS_PASSWORD", hide_env_values = true)]
    redis_password: Option<String>,
    /// File that holds the password, as a container's secret or a credential of systemd's
    #[arg(long, value_name = "FILE", env = "REDIS_PASSWORD_FILE", hide_env_values = true)]
    redis_password_file: Option<PathBuf>,
    /// Entries that the stream keeps [default: all of them]
    #[arg(long, value_name = "N", env = "REDIS_MAXLEN", hide_env_values = true)]
    redis_maxlen: Option<String>,
    /// Events that are published in a second at most; 0: as many as come [default: 100]
    #[arg(long, value_name = "N", env = "USB_DAEMON_MAX_EVENTS_PER_SECOND", hide_env_values = true)]
    max_events_per_second: Option<String>,
    /// Events that one publish carries at most [default: 10]
    #[arg(long, value_name = "N", env = "USB_DAEMON_BATCH_SIZE", hide_env_values = true)]
    batch_size: Option<String>,
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
    #[arg(
        long,
        value_name = "CLASSES",
        env = "USB_DAEMON_CLASS_FILTER",
        hide_env_values = true,
        value_delimiter = ','
    )]
    class_filter: Option<Vec<String>>,
    /// Address that the health endpoint listens on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS", env = "USB_DAEMON_HTTP_HOST", hide_env_values = true)]
    http_host: Option<String>,
    /// Port of the health endpoint [default: 8080]
    #[arg(long, value_name = "PORT", env = "USB_DAEMON_HTTP_PORT", hide_env_values = true)]
    http_port: Option<String>,
    /// Token that a client has to show; better given in the environment, where `ps` does not show it
    #[arg(long, value_name = "TOKEN", env = "USB_DAEMON_HTTP_TOKEN", hide_env_values = true)]
    http_token: Option<String>,
    /// File that holds the token
    #[arg(long, value_name = "FILE", env = "USB_DAEMON_HTTP_TOKEN_FILE", hide_env_values = true)]
    http_token_file: Option<PathBuf>,
    /// Names by which a client may call the server, beyond localhost, IP addresses and this machine's own
    #[arg(
        long,
        value_name = "NAMES",
        env = "USB_DAEMON_HTTP_ALLOWED_HOSTS",
        hide_env_values = true,
        value_delimiter = ','
    )]
    http_allowed_hosts: Option<Vec<String>>,
    /// No health endpoint
    #[arg(
        long, env = "USB_DAEMON_NO_HTTP", hide_env_values = true, value_parser = yes_or_no, action = ArgAction::Set,
        num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "YES|NO"
    )]
    no_http: Option<bool>,
    /// Reconcile period in ms [default: 5000]
    #[arg(long, value_name = "MS", env = "USB_DAEMON_INTERVAL", hide_env_values = true)]
    interval: Option<String>,
    /// What events call this machine [default: its own name]; a container's own name says little
    #[arg(long, value_name = "NAME", env = "USB_DAEMON_HOST_NAME", hide_env_values = true)]
    host_name: Option<String>,
    /// Any key of the configuration, as in `redis.timeout_ms=500`: JSON, or else a text; goes before the option for the same
    /// key. May be repeated; in the variable, one a line
    #[arg(long, value_name = "PATH=VALUE", env = "USB_DAEMON_SET", hide_env_values = true)]
    set: Vec<String>,
    /// Where each option comes from, by its name within clap.
    #[arg(skip)]
    origins: Origins,
}

impl RunArguments {
    /// Notes which options were given, and which come from a variable.
    pub(crate) fn learn(&mut self, origins: Origins) {
        self.origins = origins;
    }

    /// The configuration file, with the environment over it, with the options over that.
    pub(crate) fn layers(&self) -> Result<Layers, Error> {
        self.layers_with(&[])
    }

    /// The same, with these variables over the others: each one's name, and the key that it sets.
    pub(crate) fn layers_with(&self, variables: &[(&str, &str)]) -> Result<Layers, Error> {
        let file = self.config.as_deref().map_or_else(|| Ok(Map::new()), read)?;
        let name = self.config.as_ref().map(|path| path.display().to_string());
        let (mut settings, faults) = self.settings();
        for (variable, path) in variables {
            let text = std::env::var(variable).ok().filter(|text| !text.is_empty());
            let value = text.map(|text| if *path == "redis.port" { number(&text) } else { text.into() });
            let origin = Origin::Environment((*variable).to_owned());
            settings.extend(value.map(|value| Setting { path: (*path).to_owned(), value, origin }));
        }
        Ok(Layers::new(file, name, settings, faults))
    }

    /// Whether simulated devices come and go.
    pub(crate) fn simulates(&self) -> bool {
        self.simulate == Some(true)
    }

    /// Keys that options and variables set, and what is wrong with them already.
    fn settings(&self) -> (Vec<Setting>, Vec<String>) {
        let (mut settings, mut faults) = (Vec::new(), Vec::new());
        let mut set = |option, path: &str, value: Option<Value>| {
            let origin = self.origins.of(option);
            settings.extend(value.map(|value| Setting { path: path.to_owned(), value, origin }));
        };
        let text = |text: &Option<String>| text.as_deref().map(Value::from);
        let number = |text: &Option<String>| text.as_deref().map(number);
        let list = |ids: &Option<Vec<String>>| ids.clone().map(Value::from);
        // First it is on, so that the others find it.
        set("no_redis", "redis", (self.no_redis == Some(false)).then(|| json!({})));
        set("outbox", "outbox.path", self.outbox.as_ref().map(|path| path.to_string_lossy().into()));
        set("outbox_required", "outbox.required", self.outbox_required.map(Value::from));
        set("outbox_fsync", "outbox.fsync", self.outbox_fsync.map(Value::from));
        set("redis_url", "redis.url", text(&self.redis_url));
        set("redis_username", "redis.username", text(&self.redis_username));
        set("redis_stream", "redis.stream", text(&self.redis_stream));
        set("redis_host", "redis.host", text(&self.redis_host));
        set("redis_port", "redis.port", number(&self.redis_port));
        set("redis_db", "redis.db", number(&self.redis_db));
        set("redis_password", "redis.password", text(&self.redis_password));
        set("redis_maxlen", "redis.maxlen", number(&self.redis_maxlen));
        set(
            "max_events_per_second",
            "performance.max_events_per_second",
            number(&self.max_events_per_second),
        );
        set("batch_size", "performance.batch_size", number(&self.batch_size));
        set("vendor_whitelist", "filters.vendor_whitelist", list(&self.vendor_whitelist));
        set("vendor_blacklist", "filters.vendor_blacklist", list(&self.vendor_blacklist));
        set("http_host", "monitoring.host", text(&self.http_host));
        set("http_port", "monitoring.healthcheck_port", number(&self.http_port));
        match self.http_token.as_deref() {
            Some("") => faults.push(no_token(&self.origins.of(TOKEN))),
            _ => set(TOKEN, "monitoring.token", text(&self.http_token)),
        }
        set("http_allowed_hosts", "monitoring.allowed_hosts", list(&self.http_allowed_hosts));
        set("no_http", "monitoring.enabled", self.no_http.map(|is_off| (!is_off).into()));
        set("interval", "monitoring.interval", number(&self.interval));
        set("host_name", "host_name", text(&self.host_name));
        set("simulate", "sources.simulated", self.simulate.map(Value::from));
        match self.class_filter.as_deref().map(classes) {
            Some(Ok(classes)) => set("class_filter", "filters.device_class_filter", Some(classes)),
            Some(Err(why)) => {
                let origin = self.origins.of("class_filter");
                faults.push(format!("filters.device_class_filter ({}) {why}", origin.name()));
            }
            None => {}
        }
        for secret in self.secrets_in_files() {
            match secret {
                Ok(secret) => settings.push(secret),
                Err(fault) => faults.push(fault),
            }
        }
        for (origin, text) in self.texts_to_set() {
            match setting::parse(&text, &origin) {
                Ok(parsed) => settings.extend(parsed),
                Err(fault) => faults.push(fault),
            }
        }
        // Last, so that it is off whatever else is said.
        let origin = self.origins.of("no_redis");
        let off = (self.no_redis == Some(true)).then(|| false.into());
        settings.extend(off.map(|value| Setting { path: "redis".into(), value, origin }));
        (settings, faults)
    }

    /// Secrets whose files are named. The secret itself may be given beside that in another layer only.
    fn secrets_in_files(&self) -> impl Iterator<Item = Result<Setting, String>> {
        let named = [
            (
                "redis_password_file",
                &self.redis_password_file,
                "redis.password",
                "redis_password",
                self.redis_password.is_some(),
            ),
            (TOKEN_FILE, &self.http_token_file, "monitoring.token", TOKEN, self.http_token.is_some()),
        ];
        named.into_iter().filter_map(|(option, file, path, direct, is_given)| {
            let (origin, other) = (self.origins.of(option), self.origins.of(direct));
            let file = file.as_deref()?;
            Some(if is_given && other.is_option() == origin.is_option() {
                Err(given_twice(path, &origin, &other))
            } else {
                let path = path.to_owned();
                secret::read(file, &path, &origin).map(|text| Setting { path, value: text.into(), origin })
            })
        })
    }

    /// Those of the variable too where there are options: clap takes one or the other.
    fn texts_to_set(&self) -> Vec<(Origin, String)> {
        let mut texts = variable_to_set();
        let origin = self.origins.of("set");
        if origin.is_option() {
            texts.extend(self.set.iter().map(|text| (origin.clone(), text.clone())));
        }
        texts
    }
}

/// What is wrong with a secret that is said and lies in a file as well.
pub(crate) fn given_twice(path: &str, file: &Origin, other: &Origin) -> String {
    format!("{path} is given twice, by {} and by {}: leave one out", file.name(), other.name())
}

/// What is wrong with a token that is empty, as that of a file that is not there: nothing at all would be asked of anybody.
pub(crate) fn no_token(origin: &Origin) -> String {
    let name = origin.name();
    format!("monitoring.token ({name}) is empty: give {name} the token, or leave it out to have none")
}

fn classes(texts: &[String]) -> Result<Value, String> {
    let class = |text: &String| class::parse(text).map_err(|expected| format!("has {text:?}: {expected}"));
    texts.iter().map(class).collect::<Result<Vec<u8>, _>>().map(Value::from)
}
