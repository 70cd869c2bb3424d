//! Reading the configuration again while the daemon runs: filters and limits hold at once, all else after a restart.

use serde_json::Value;
use usb_daemon_core::{Config, Daemon, Reading};

use crate::run_arguments::RunArguments;
use crate::setting::is_at_or_within;
use crate::teller::Teller;

/// What holds at once, with all that is below it.
const AT_ONCE: [&str; 3] = ["filters", "performance.max_events_per_second", "performance.batch_size"];

/// Reads again, as at the start.
pub(crate) struct Reload<'a> {
    arguments: &'a RunArguments,
    started: Value,
    teller: Teller,
}

impl<'a> Reload<'a> {
    /// `started` is what the daemon has started with.
    pub(crate) fn new(arguments: &'a RunArguments, started: &Config, teller: Teller) -> Self {
        Self { arguments, started: as_json(started), teller }
    }

    /// Hands what is new to the daemon, and says what has become of it.
    pub(crate) fn reload(&self, daemon: &Daemon) {
        let layers = match self.arguments.layers() {
            Ok(layers) => layers,
            Err(error) => return self.teller.refused(&error),
        };
        let Reading { config, warnings } = match layers.read() {
            Ok(reading) => reading,
            Err(error) => return self.teller.refused(&error),
        };
        if let Err(error) = daemon.reload(&config) {
            return self.teller.refused(&error);
        }
        self.teller.warn(&warnings);
        let from = self.arguments.config.as_ref().map(|file| format!(" of {}", file.display()));
        let hidden = layers.hidden().into_iter().filter(|(path, _)| holds_at_once(path));
        let (keys, but): (Vec<_>, Vec<_>) =
            hidden.map(|(path, by)| (path.clone(), format!("{path}: {} goes before it", by.name()))).unzip();
        let but = if but.is_empty() { String::new() } else { format!(", but not {}", but.join(", ")) };
        let message = format!("filters and limits{} hold from now on{but}", from.unwrap_or_default());
        self.teller.config("reloaded", &message, &keys);
        let mut later = Vec::new();
        differences(&self.started, &as_json(&config), "", &mut later);
        if !later.is_empty() {
            let message = format!("changed, but only after a restart: {}", later.join(", "));
            self.teller.config("restart", &message, &later);
        }
    }
}

fn holds_at_once(path: &str) -> bool {
    AT_ONCE.iter().any(|key| is_at_or_within(path, key))
}

fn as_json(config: &Config) -> Value {
    // Numbers, texts and lists: nothing in it can fail to be written.
    serde_json::to_value(config).unwrap_or_default()
}

/// Paths at which the two differ, but for what holds at once.
fn differences(before: &Value, after: &Value, path: &str, found: &mut Vec<String>) {
    if AT_ONCE.contains(&path) || before == after {
        return;
    }
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return found.push(path.to_owned());
    };
    let added = after.keys().filter(|key| !before.contains_key(*key));
    for key in before.keys().chain(added) {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let value = |object: &serde_json::Map<String, Value>| object.get(key).cloned().unwrap_or_default();
        differences(&value(before), &value(after), &path, found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(before: &str, after: &str) -> Vec<String> {
        let read = |json| as_json(&Config::from_json(json).expect("valid"));
        let mut found = Vec::new();
        differences(&read(before), &read(after), "", &mut found);
        found
    }

    #[test]
    fn filters_and_limits_need_no_restart_and_all_else_is_named() {
        let at_once = r#"{ "filters": { "vendor_blacklist": [1] }, "performance": { "batch_size": 1, "max_events_per_second": 7 } }"#;
        assert_eq!(later("{}", at_once), [""; 0]);
        let else_where =
            r#"{ "performance": { "debounce_ms": 1 }, "redis": { "host": "h" }, "shutdown_ms": 1 }"#;
        assert_eq!(later("{}", else_where), ["performance.debounce_ms", "redis.host", "shutdown_ms"]);
        assert_eq!(later("{}", r#"{ "redis": false }"#), ["redis"]);
    }
}
