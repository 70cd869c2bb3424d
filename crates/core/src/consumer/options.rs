//! What a consumer is told at its start.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::{RedisConfig, within};
use crate::error::{Code, Error};

/// Where to read, as whom, and how.
#[derive(Clone, Debug)]
pub struct ConsumerConfig {
    /// Where the stream is.
    pub(super) redis: RedisConfig,
    /// The consumer group.
    pub(super) group: String,
    /// Our name within the group: what a consumer of this name has left is ours.
    pub(super) consumer: String,
    /// How to go about it.
    pub(super) options: ConsumerOptions,
}

/// How a consumer goes about its work.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConsumerOptions {
    /// Where a group that does not exist yet begins: `$` (what comes from now on), `0` (everything), or an entry's ID.
    pub(super) start_at: String,
    /// Handlers in flight at most; with one, events are handled in their order.
    pub(super) concurrency: usize,
    /// Entries read ahead at most.
    pub(super) batch_size: usize,
    /// How often an event is given to the handler before it is a dead letter.
    pub(super) max_attempts: u32,
    /// Pause after the first failure in ms; it doubles with each further one.
    pub(super) retry_ms: u64,
    /// The longest such pause in ms; ten seconds, or the first one if that is longer, where absent.
    pub(super) retry_max_ms: Option<u64>,
    /// Entries that another consumer of the group has held for so many ms without a sign of life are taken over; 0: never.
    pub(super) claim_idle_ms: u64,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            start_at: "$".into(),
            concurrency: 1,
            batch_size: 10,
            max_attempts: 5,
            retry_ms: 100,
            retry_max_ms: None,
            claim_idle_ms: 60_000,
        }
    }
}

impl ConsumerOptions {
    pub(super) fn longest_pause_ms(&self) -> u64 {
        self.retry_max_ms.unwrap_or_else(|| self.retry_ms.max(10_000))
    }
}

impl ConsumerConfig {
    /// Reads it from JSON.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` naming what is wrong.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        let bad = |message: String| Error::new(Code::Config, format!("bad configuration: {message}"));
        let mut given: Map<String, Value> =
            serde_json::from_str(json).map_err(|error| bad(error.to_string()))?;
        let mut take = |key: &str| given.remove(key).unwrap_or_default();
        let (redis, options) = (take("redis"), take("options"));
        let mut name = |key: &str| match take(key) {
            Value::String(name) if !name.is_empty() => Ok(name),
            other => Err(bad(format!("{key} is {other}: expected a name"))),
        };
        let (group, consumer) = (name("groupName")?, name("consumerName")?);
        if !options.is_object() {
            return Err(bad(format!("options is {options}: expected an object")));
        }
        let options =
            ConsumerOptions::deserialize(options).map_err(|error| bad(format!("options: {error}")))?;
        let config = Self { redis: RedisConfig::from_value(redis).map_err(bad)?, group, consumer, options };
        config.check().map_err(bad)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        self.redis.check()?;
        let options = &self.options;
        if options.start_at != "$" && id(&options.start_at).is_none() {
            return Err(format!(
                "start_at is {:?}: expected \"$\", \"0\" or an entry's ID",
                options.start_at
            ));
        }
        within("concurrency", options.concurrency as u64, 1, 1000)?;
        within("batch_size", options.batch_size as u64, 1, 10_000)?;
        within("max_attempts", options.max_attempts.into(), 1, 1_000_000)?;
        within("retry_ms", options.retry_ms, 1, 3_600_000)?;
        within("retry_max_ms", options.longest_pause_ms(), options.retry_ms, 86_400_000)?;
        match options.claim_idle_ms {
            0 => Ok(()),
            // Less than that, and a member that has to wait for a processor is robbed.
            idle => within("claim_idle_ms", idle, 1000, 86_400_000).map_err(|error| format!("{error}, or 0")),
        }
    }

    pub(super) fn patience(&self) -> Duration {
        Duration::from_millis(self.redis.timeout_ms.into())
    }
}

/// The two numbers of an entry's ID; the second may be missing.
pub(super) fn id(text: &str) -> Option<(u64, u64)> {
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    match text.split_once('-') {
        Some((ms, seq)) => Some((number(ms)?, number(seq)?)),
        None => Some((number(text)?, 0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_values_are_named() {
        let with = |options: &str| {
            ConsumerConfig::from_json(&format!(
                r#"{{ "redis": {{}}, "groupName": "g", "consumerName": "c", "options": {options} }}"#
            ))
        };
        assert!(with(r#"{ "start_at": "0" }"#).is_ok() && with(r#"{ "start_at": "17-1" }"#).is_ok());
        assert!(with(r#"{ "retry_ms": 20000 }"#).is_ok() && with(r#"{ "claim_idle_ms": 0 }"#).is_ok());
        for (options, expected) in [
            (r#"{ "start_at": "now" }"#, "start_at is \"now\""),
            (r#"{ "start_at": "+1" }"#, "start_at"),
            (r#"{ "concurrency": 0 }"#, "concurrency is 0: expected 1 to 1000"),
            (r#"{ "retry_ms": 500, "retry_max_ms": 100 }"#, "retry_max_ms is 100: expected 500"),
            (r#"{ "claim_ms": 5 }"#, "claim_ms"),
            (r#"{ "claim_idle_ms": 300 }"#, "claim_idle_ms is 300: expected 1000 to 86400000, or 0"),
            (r#"["0", 4]"#, "options is [\"0\",4]: expected an object"),
        ] {
            let error = with(options).expect_err(options);
            assert_eq!(error.code, Code::Config);
            assert!(error.message.contains(expected), "{options}: {error}");
        }
        for (json, expected) in [
            (r#"{ "redis": {}, "groupName": "", "consumerName": "c", "options": {} }"#, "groupName is \"\""),
            (r#"{ "redis": {}, "groupName": "g", "consumerName": 7, "options": {} }"#, "consumerName is 7"),
            (
                r#"{ "redis": ["h"], "groupName": "g", "consumerName": "c", "options": {} }"#,
                "redis: expected",
            ),
        ] {
            let error = ConsumerConfig::from_json(json).expect_err(json);
            assert!(error.message.contains(expected), "{error}");
        }
    }
}
