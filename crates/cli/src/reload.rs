//! Reading the configuration again while the daemon runs: filters and limits hold at once, all else after a restart.

use serde_json::Value;
use usb_daemon_core::{Config, Daemon, Error};

use crate::run_arguments::RunArguments;
use crate::status;

/// What holds at once, with all that is below it.
const AT_ONCE: [&str; 3] = ["filters", "performance.max_events_per_second", "performance.batch_size"];

/// Reads again, as at the start.
pub(crate) struct Reload<'a> {
    arguments: &'a RunArguments,
    started: Value,
}

impl<'a> Reload<'a> {
    /// `started` is what the daemon has started with.
    pub(crate) fn new(arguments: &'a RunArguments, started: &Config) -> Self {
        Self { arguments, started: as_json(started) }
    }

    /// Hands what is new to the daemon, and says what has become of it.
    pub(crate) fn reload(&self, daemon: &Daemon) {
        let config = match self.read() {
            Ok(config) => config,
            Err(error) => {
                let code = error.code.as_str();
                return say("refused", &format!("{error} [{code}]; nothing has changed"));
            }
        };
        daemon.reload(&config);
        let from = self.arguments.config.as_ref().map(|file| format!(" of {}", file.display()));
        say("reloaded", &format!("filters and limits{} hold from now on", from.unwrap_or_default()));
        let mut later = Vec::new();
        differences(&self.started, &as_json(&config), "", &mut later);
        if !later.is_empty() {
            say("restart", &format!("changed, but only after a restart: {}", later.join(", ")));
        }
    }

    fn read(&self) -> Result<Config, Error> {
        Config::from_json(&self.arguments.configuration()?.to_string())
    }
}

fn say(state: &str, text: &str) {
    status(&format!("{:<9} {state:<12} {text}", "config"));
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
