//! Checks values against the schema, and says of all that is wrong at once where it is, what it is and what was expected.
//!
//! It knows what our own schema uses of JSON Schema. A general validator would be half a megabyte of the addon, and would not
//! say which key was meant.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::drivers::is_kernel_name;
use super::filters::{Id, is_tag};
use super::pattern::{Glob, PortGlob};
use super::schema::is_host_name;
use super::token::is_token;
use crate::error::shown;

/// The most of a word that is compared with what is known: the effort grows with its square.
const COMPARED: usize = 40;

/// A fault: where, what, and what was expected.
pub(super) fn faults(schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut check = Check { faults: Vec::new() };
    check.value(schema, value, path, false);
    check.faults
}

struct Check {
    faults: Vec<String>,
}

impl Check {
    fn value(&mut self, schema: &Value, value: &Value, path: &str, is_secret: bool) {
        let is_secret = is_secret || schema["writeOnly"] == true;
        if let Some(variants) = variants(schema) {
            return self.variants(schema, &variants, value, path, is_secret);
        }
        if let Some(constant) = schema.get("const") {
            if constant != value {
                self.unexpected(schema, value, path, is_secret);
            }
            return;
        }
        if let Some(words) = schema["enum"].as_array() {
            if !words.contains(value) {
                self.unexpected(schema, value, path, is_secret);
            }
            return;
        }
        if !has_type(schema, value) {
            return self.unexpected(schema, value, path, is_secret);
        }
        match value {
            Value::Object(object) => {
                self.object(schema, object, path, is_secret && schema.get("properties").is_none());
            }
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.value(&schema["items"], item, &format!("{path}[{at}]"), is_secret);
                }
            }
            Value::Number(_) | Value::String(_) if !is_within(schema, value) => {
                self.unexpected(schema, value, path, is_secret);
            }
            _ => {}
        }
    }

    /// Of several the one that is of the value's type, so that what is wrong inside it can be named.
    fn variants(&mut self, schema: &Value, variants: &[&Value], value: &Value, path: &str, is_secret: bool) {
        let of_type = |variant: &&&Value| match (variant.get("const"), variant["enum"].as_array()) {
            (Some(constant), _) => constant == value,
            (None, Some(words)) => words.contains(value),
            (None, None) => has_type(variant, value),
        };
        let has_parts =
            |variant: &Value| variant.get("properties").is_some() || variant.get("items").is_some();
        match variants.iter().find(of_type) {
            Some(variant) if has_parts(variant) => self.value(variant, value, path, false),
            Some(variant) if is_within(variant, value) => {}
            _ => self.unexpected(schema, value, path, is_secret),
        }
    }

    fn object(&mut self, schema: &Value, object: &Map<String, Value>, path: &str, is_secret: bool) {
        let empty = Map::new();
        let known = schema["properties"].as_object().unwrap_or(&empty);
        for (key, value) in object {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match known.get(key) {
                Some(schema) => self.value(schema, value, &path, is_secret),
                None if schema["additionalProperties"] == false => {
                    let meant = nearest(key, known.keys()).map_or_else(
                        || format!("expected {}", listed(known.keys())),
                        |meant| format!("did you mean {meant:?}?"),
                    );
                    self.faults.push(format!("{} is no key: {meant}", shown(&path)));
                }
                None => {}
            }
        }
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(required) {
                let expected = expected(&known[required]);
                self.faults.push(format!("{path}.{required} is missing: expected {expected}"));
            }
        }
    }

    fn unexpected(&mut self, schema: &Value, value: &Value, path: &str, is_secret: bool) {
        let found = if is_secret { kind(value).to_owned() } else { shown_value(value) };
        let path = if path.is_empty() { "the configuration" } else { path };
        let meant =
            value.as_str().filter(|_| !is_secret).and_then(|text| nearest(text, words(schema).into_iter()));
        let meant = meant.map_or_else(String::new, |meant| format!("; did you mean {meant:?}?"));
        self.faults.push(format!("{} is {found}: expected {}{meant}", shown(path), expected(schema)));
    }
}

/// The words that may stand here, where only words may.
fn words(schema: &Value) -> Vec<&str> {
    match (schema["enum"].as_array(), variants(schema)) {
        (Some(words), _) => words.iter().filter_map(Value::as_str).collect(),
        (None, Some(variants)) => {
            let words: Option<_> = variants.iter().map(|variant| variant["const"].as_str()).collect();
            words.unwrap_or_default()
        }
        (None, None) => Vec::new(),
    }
}

/// A variant that has variants of its own, as an ID that may be absent, counts as these.
fn variants(schema: &Value) -> Option<Vec<&Value>> {
    let own = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array())?;
    Some(own.iter().flat_map(|variant| variants(variant).unwrap_or_else(|| vec![variant])).collect())
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn has_type(schema: &Value, value: &Value) -> bool {
    let types = types(schema);
    types.is_empty()
        || types.iter().any(|name| match *name {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => false,
        })
}

fn is_within(schema: &Value, value: &Value) -> bool {
    let bound = |key: &str| schema[key].as_f64();
    if let Some(number) = value.as_f64() {
        return bound("minimum").is_none_or(|least| number >= least)
            && bound("maximum").is_none_or(|most| number <= most);
    }
    let Some(text) = value.as_str() else { return true };
    #[expect(clippy::cast_precision_loss, reason = "no text is that long")]
    let is_long_enough = bound("minLength").is_none_or(|least| text.chars().count() as f64 >= least);
    is_long_enough
        && match schema["format"].as_str() {
            Some("ip-address") => text.parse::<IpAddr>().is_ok(),
            Some("usb-id") => Id::parse(text).is_some(),
            Some("tag") => is_tag(text),
            Some("glob") => Glob::parse(text).is_some(),
            Some("port-glob") => PortGlob::parse(text).is_some(),
            Some("host-name") => is_host_name(text),
            Some("kernel-name") => is_kernel_name(text),
            Some("token") => is_token(text),
            _ => true,
        }
}

/// What a schema wants, in words.
fn expected(schema: &Value) -> String {
    let words = words(schema);
    if !words.is_empty() {
        return listed(words.into_iter());
    }
    if let Some(variants) = variants(schema) {
        let mut wanted: Vec<String> = Vec::new();
        for variant in variants {
            let text = expected(variant);
            if !wanted.contains(&text) {
                wanted.push(text);
            }
        }
        return wanted.join(" or ");
    }
    if let Some(constant) = schema.get("const") {
        return constant.to_string();
    }
    let types = types(schema);
    let named = types.iter().filter(|name| **name != "null").map(|name| match *name {
        "boolean" => "true or false".to_owned(),
        "integer" => format!("a whole number{}", range(schema)),
        "number" => format!("a number{}", range(schema)),
        "string" => match schema["format"].as_str() {
            Some("ip-address") => "an IP address".to_owned(),
            Some("usb-id") => "up to four hex digits in a text".to_owned(),
            Some("tag") => "a text without commas that is not empty".to_owned(),
            Some("glob") => "a pattern in which each [ is closed".to_owned(),
            Some("port-glob") => "hub ports joined by dots, as in 4.2 or 1-4.2, with *, ? and […]".to_owned(),
            Some("kernel-name") => "a name of letters, digits, _ and -, 55 at most".to_owned(),
            Some("host-name") => "a host name without scheme and port".to_owned(),
            Some("token") => "a text of visible ASCII characters that is not empty".to_owned(),
            _ if schema["minLength"].as_u64() > Some(0) => "a text that is not empty".to_owned(),
            _ => "a text".to_owned(),
        },
        "array" => "a list".to_owned(),
        _ => match schema["properties"].as_object() {
            Some(known) => format!("an object with {}", listed(known.keys())),
            None => "an object".to_owned(),
        },
    });
    named.collect::<Vec<_>>().join(" or ")
}

fn range(schema: &Value) -> String {
    match (&schema["minimum"], &schema["maximum"]) {
        (Value::Null, Value::Null) => String::new(),
        (least, Value::Null) => format!(" from {least}"),
        (Value::Null, most) => format!(" up to {most}"),
        (least, most) => format!(" from {least} to {most}"),
    }
}

fn listed(words: impl Iterator<Item = impl std::fmt::Display>) -> String {
    let words: Vec<String> = words.map(|word| word.to_string()).filter(|word| word != "$schema").collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

/// The known word that is nearest to this one, if one is near enough to have been meant.
pub(super) fn nearest<'a, W: AsRef<str> + ?Sized + 'a>(
    word: &str,
    known: impl Iterator<Item = &'a W>,
) -> Option<&'a str> {
    let simple = |text: &str| {
        let text: String = text.chars().take(COMPARED).collect();
        text.to_lowercase().replace(['_', '-'], "")
    };
    let word = simple(word);
    known
        .map(AsRef::as_ref)
        .map(|known| (strsim::damerau_levenshtein(&word, &simple(known)), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn shown_value(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => kind(value).to_owned(),
        _ => shown(&value.to_string()),
    }
}
