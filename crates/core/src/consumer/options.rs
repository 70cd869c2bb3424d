//! What a consumer is told at its start.

use std::time::Duration;

#[cfg(test)]
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::{Described, RedisConfig, of_object, read_as};
use crate::error::{Code, Error};

/// Where to read, as whom, and how.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ConsumerConfig {
    /// Where the stream is.
    pub(super) redis: RedisConfig,
    /// The consumer group.
    #[serde(rename = "groupName")]
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub(super) group: String,
    /// Our name within the group: what a consumer of this name has left is ours.
    #[serde(rename = "consumerName")]
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub(super) consumer: String,
    /// How to go about it.
    pub(super) options: ConsumerOptions,
}

/// How a consumer goes about its work.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ConsumerOptions {
    /// Where a group that does not exist yet begins: `$` (what comes from now on), `0` (everything), or an entry's ID.
    pub(super) start_at: String,
    /// Handlers in flight at most; with one, events are handled in their order.
    #[cfg_attr(test, schemars(range(min = 1, max = 1000)))]
    pub(super) concurrency: usize,
    /// Entries read ahead at most.
    #[cfg_attr(test, schemars(range(min = 1, max = 10_000)))]
    pub(super) batch_size: usize,
    /// How often an event is given to the handler before it is a dead letter.
    #[cfg_attr(test, schemars(range(min = 1, max = 1_000_000)))]
    pub(super) max_attempts: u32,
    /// Pause after the first failure in ms; it doubles with each further one.
    #[cfg_attr(test, schemars(range(min = 1, max = 3_600_000)))]
    pub(super) retry_ms: u64,
    /// The longest such pause in ms; ten seconds, or the first one if that is longer, where absent.
    #[cfg_attr(test, schemars(range(min = 1, max = 86_400_000)))]
    pub(super) retry_max_ms: Option<u64>,
    /// Entries that another consumer of the group has held for so many ms without a sign of life are taken over; 0: never.
    #[cfg_attr(test, schemars(schema_with = "claim_idle"))]
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
        let config: Self = read_as(json, "")?;
        match config.fault() {
            Some(fault) => Err(Error::new(Code::Config, format!("bad configuration: {fault}"))),
            None => Ok(config),
        }
    }

    fn fault(&self) -> Option<String> {
        let ConsumerOptions { start_at, retry_ms, retry_max_ms, .. } = &self.options;
        if start_at != "$" && id(start_at).is_none() {
            return Some(format!("options.start_at is {start_at:?}: expected \"$\", \"0\" or an entry's ID"));
        }
        if let Some(longest) = retry_max_ms.filter(|longest| longest < retry_ms) {
            return Some(format!(
                "options.retry_max_ms is {longest}: expected at least retry_ms, {retry_ms}"
            ));
        }
        self.redis.fault()
    }

    pub(super) fn patience(&self) -> Duration {
        Duration::from_millis(self.redis.timeout_ms.into())
    }
}

impl Described for ConsumerConfig {
    fn schema() -> Value {
        let name = json!({ "type": "string", "minLength": 1 });
        of_object([
            ("redis", RedisConfig::schema()),
            ("groupName", name.clone()),
            ("consumerName", name),
            // A test reads it too.
            ("options", serde_json::from_str(include_str!("options.schema.json")).unwrap_or_default()),
        ])
    }
}

/// Less than a second, and a member that has to wait for a processor is robbed.
#[cfg(test)]
fn claim_idle(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [{ "const": 0 }, { "type": "integer", "minimum": 1000, "maximum": 86_400_000 }],
    })
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
    use crate::config::{derived, is_in_file, says_what_is_derived};

    #[test]
    fn the_schema_says_what_the_types_do() {
        is_in_file(&derived::<ConsumerOptions>(), "src/consumer/options.schema.json");
        says_what_is_derived::<ConsumerConfig>();
    }

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
            (r#"{ "start_at": "now" }"#, "options.start_at is \"now\""),
            (r#"{ "start_at": "+1" }"#, "start_at"),
            (r#"{ "concurrency": 0 }"#, "options.concurrency is 0: expected a whole number from 1 to 1000"),
            (
                r#"{ "retry_ms": 500, "retry_max_ms": 100 }"#,
                "options.retry_max_ms is 100: expected at least retry_ms, 500",
            ),
            (r#"{ "max_attempt": 5 }"#, "options.max_attempt is no key: did you mean \"max_attempts\"?"),
            (
                r#"{ "claim_idle_ms": 300 }"#,
                "options.claim_idle_ms is 300: expected 0 or a whole number from 1000 to 86400000",
            ),
            (r#"["0", 4]"#, "options is a list: expected an object"),
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
                "redis is a list: expected an object",
            ),
        ] {
            let error = ConsumerConfig::from_json(json).expect_err(json);
            assert!(error.message.contains(expected), "{error}");
        }
    }
}
