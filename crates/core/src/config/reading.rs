//! Reading a configuration: checked against the schema first, so that all that is wrong is said at once.

use serde_json::{Map, Value};

use super::ioredis::{Foreign, take_foreign};
use super::schema::Described;
use super::{Config, check};
use crate::error::Error;

/// A configuration that has been read.
#[derive(Debug)]
pub struct Reading {
    /// The configuration.
    pub config: Config,
    /// What in it has no effect, one sentence each.
    pub warnings: Vec<String>,
}

impl Config {
    /// Reads a configuration from JSON.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` naming all that is wrong: where, what was found and what was expected.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        let Reading { config, warnings } = Self::read(json)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        Ok(config)
    }

    /// Reads a configuration from JSON, and leaves it to the caller to warn.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` naming all that is wrong.
    pub fn read(json: &str) -> Result<Reading, Error> {
        let mut root = parse(json)?;
        if let Value::Object(object) = &mut root {
            object.remove("$schema");
        }
        let Foreign { warnings, faults } = root.get_mut("redis").map(take_foreign).unwrap_or_default();
        let config: Self = check_and_read(root, "", faults)?;
        let faults = config.faults();
        if faults.is_empty() { Ok(Reading { config, warnings }) } else { Err(bad(&faults)) }
    }

    /// The defaults, as JSON.
    pub fn defaults() -> Value {
        // Numbers, texts and lists: nothing in it can fail to be written.
        without_nulls(serde_json::to_value(Self::default()).unwrap_or_default())
    }
}

/// Reads a part of a configuration, called `name`, from JSON.
///
/// # Errors
/// `ERR_USB_CONFIG` naming all that is wrong.
pub(crate) fn read_as<T: Described>(json: &str, name: &str) -> Result<T, Error> {
    let mut value = parse(json)?;
    let redis = if name == "redis" { Some(&mut value) } else { value.get_mut("redis") };
    let Foreign { warnings, faults } = redis.map(take_foreign).unwrap_or_default();
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    check_and_read(value, name, faults)
}

/// Reads a part of a configuration of which only what is to be changed is given: each key takes the place of the one in `before`.
///
/// # Errors
/// `ERR_USB_CONFIG` naming all that is wrong.
pub(crate) fn read_merged<T: Described>(json: &str, before: Value) -> Result<T, Error> {
    let given = parse(json)?;
    check_and_read(merged(before, given), "", Vec::new())
}

/// Objects become one, anything else is replaced.
fn merged(before: Value, given: Value) -> Value {
    match (before, given) {
        (Value::Object(mut before), Value::Object(given)) => {
            for (key, value) in given {
                let old = before.remove(&key).unwrap_or_default();
                before.insert(key, merged(old, value));
            }
            Value::Object(before)
        }
        (_, given) => given,
    }
}

fn parse(json: &str) -> Result<Value, Error> {
    serde_json::from_str(json).map_err(|error| bad(&[error.to_string()]))
}

/// `faults` are those that have been found before.
fn check_and_read<T: Described>(value: Value, name: &str, mut faults: Vec<String>) -> Result<T, Error> {
    faults.extend(check::faults(&T::schema(), &value, name));
    if !faults.is_empty() {
        return Err(bad(&faults));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        // A dot alone is the whole.
        let path: Vec<&str> =
            [name, &path].into_iter().filter(|part| !part.is_empty() && *part != ".").collect();
        bad(&[format!("{}: {}", path.join("."), error.into_inner())])
    })
}

fn bad(faults: &[String]) -> Error {
    Error::of_faults(faults.to_vec())
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Part {
        #[expect(dead_code, reason = "read only")]
        small: u8,
    }

    impl Described for Part {
        fn schema() -> Value {
            serde_json::json!({ "type": "object", "properties": { "small": { "type": "integer", "minimum": 0 } } })
        }
    }

    #[test]
    fn what_only_the_reader_finds_is_named_without_a_dot_too_many() {
        for (name, json, expected) in [
            ("", r#"{ "small": 256 }"#, "bad configuration: small: "),
            ("part", r#"{ "small": 256 }"#, "bad configuration: part.small: "),
        ] {
            let error = read_as::<Part>(json, name).expect_err(json);
            assert!(error.message.starts_with(expected), "{error}");
        }
    }
}
