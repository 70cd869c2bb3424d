//! The JSON Schema of the configuration: for editors, for validation, and for the documentation.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::Config;

/// The schema of a whole configuration file.
pub fn schema() -> Schema {
    let mut schema = of::<Config>();
    // A file may say by which schema an editor is to judge it.
    if let Some(properties) = schema.get_mut("properties").and_then(|value| value.as_object_mut()) {
        properties.insert("$schema".into(), serde_json::json!({ "type": "string" }));
    }
    schema
}

/// The schema of a part of it, without references to elsewhere.
pub(super) fn of<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    SchemaGenerator::new(settings).into_root_schema_for::<T>()
}

pub(super) fn ip_address(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "ip-address" })
}

pub(super) fn host_names(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": { "type": "string", "pattern": "^[A-Za-z0-9._-]+$", "format": "host-name" },
    })
}

/// Whether a Host header can have this name.
pub(super) fn is_host_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}
