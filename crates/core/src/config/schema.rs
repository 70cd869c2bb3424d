//! The JSON Schema of the configuration: for editors, for validation, and for the documentation.
//!
//! What is embedded is the file that the package has. It is derived from the types, but not while the daemon runs: a test does it, and
//! fails where the file says something else.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Config, RedisConfig};

/// What can be read, and what it has to look like.
pub(crate) trait Described: DeserializeOwned {
    /// Its schema, without references to elsewhere.
    fn schema() -> Value;
}

/// The schema of a whole configuration file.
pub fn schema() -> Value {
    // A test reads it too.
    serde_json::from_str(include_str!("../../../../usb-daemon.schema.json")).unwrap_or_default()
}

impl Described for Config {
    fn schema() -> Value {
        let mut schema = schema();
        if let Some(properties) = schema["properties"].as_object_mut() {
            properties.remove("$schema");
        }
        schema
    }
}

impl Described for RedisConfig {
    fn schema() -> Value {
        part_of_config("/redis/anyOf/1")
    }
}

/// By its place among the keys.
pub(crate) fn part_of_config(place: &str) -> Value {
    schema().pointer_mut(&format!("/properties{place}")).map(Value::take).unwrap_or_default()
}

/// Of an object that has these keys, all of them, and no others.
pub(crate) fn of_object<const KEYS: usize>(properties: [(&str, Value); KEYS]) -> Value {
    let required: Vec<&str> = properties.iter().map(|(key, _)| *key).collect();
    let mut schema = json!({ "type": "object", "additionalProperties": false, "required": required });
    schema["properties"] = properties.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    schema
}

/// Whether a Host header can have this name.
pub(super) fn is_host_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

#[cfg(test)]
pub(crate) use derived::{derived, host_names, ip_address, is_in_file, says_what_is_derived};

#[cfg(test)]
mod derived {
    use schemars::generate::SchemaSettings;
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::*;

    /// The schema as the type has it.
    pub(crate) fn derived<T: JsonSchema>() -> Value {
        let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
        SchemaGenerator::new(settings).into_root_schema_for::<T>().into()
    }

    pub(crate) fn ip_address(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "ip-address" })
    }

    pub(crate) fn host_names(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": { "type": "string", "pattern": "^[A-Za-z0-9._-]+$", "format": "host-name" },
        })
    }

    /// Whether a file has it, by its path in this crate.
    pub(crate) fn is_in_file(schema: &Value, path: &str) {
        let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
        let text = format!("{schema:#}\n");
        if std::env::var_os("USB_DAEMON_WRITE_SCHEMA").is_some() {
            std::fs::write(&path, &text).expect("written");
        }
        let file = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            file == text,
            "{path}: write it again: USB_DAEMON_WRITE_SCHEMA=1 cargo test -p usb-daemon-core --lib schema"
        );
    }

    /// Whether what is checked against has all that follows from the type, but for words.
    pub(crate) fn says_what_is_derived<T: Described + JsonSchema>() {
        assert_eq!(without_words(T::schema()), without_words(derived::<T>()));
    }

    fn without_words(schema: Value) -> Value {
        match schema {
            Value::Object(object) => object
                .into_iter()
                // A key of the configuration may have such a name, but then it has a schema.
                .filter(|(key, value)| {
                    value.is_object() && key != "default"
                        || !matches!(key.as_str(), "$schema" | "title" | "description" | "default")
                })
                .map(|(key, value)| (key, without_words(value)))
                .collect(),
            Value::Array(values) => values.into_iter().map(without_words).collect(),
            other => other,
        }
    }

    #[test]
    fn the_file_says_what_the_types_do() {
        let mut schema = derived::<Config>();
        // A file may say by which schema an editor is to judge it.
        schema["properties"]["$schema"] = json!({ "type": "string" });
        is_in_file(&schema, "../../usb-daemon.schema.json");
    }

    #[test]
    fn parts_are_found_in_it() {
        says_what_is_derived::<Config>();
        says_what_is_derived::<RedisConfig>();
    }
}
