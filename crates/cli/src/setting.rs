//! One value that an option or a variable gives to a key of the configuration, and where it comes from.

use serde_json::{Map, Number, Value};

/// Where a value comes from. What goes before what is the order of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    #[default]
    Default,
    File(String),
    Environment(String),
    Option(String),
}

impl Origin {
    pub(crate) fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Default => ("default", None),
            Self::File(path) => ("file", Some(path)),
            Self::Environment(variable) => ("environment", Some(variable)),
            Self::Option(option) => ("option", Some(option)),
        }
    }

    /// As a sentence has it: `REDIS_HOST`, `--redis-host`, the file's name.
    pub(crate) fn name(&self) -> &str {
        self.parts().1.unwrap_or("the default")
    }

    pub(crate) fn is_option(&self) -> bool {
        matches!(self, Self::Option(_))
    }
}

/// A key with the value that it is given.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Keys joined by dots.
    pub(crate) path: String,
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

impl Setting {
    /// Whether it decides what is at `path`: of that key, or of all around it.
    pub(crate) fn decides(&self, path: &str) -> bool {
        // An empty object only says that the section is not off.
        !is_empty_object(&self.value) && is_at_or_within(path, &self.path)
    }

    /// Whether it says `false` in the place of the whole section.
    pub(crate) fn turns_off(&self, section: &str) -> bool {
        self.path == section && self.value == Value::Bool(false)
    }

    /// Puts the value in its place. What stands in the way is replaced where it is a switch, or a list of sources.
    pub(crate) fn put_into(&self, root: &mut Map<String, Value>) {
        put(root, &self.path, &self.value);
    }
}

/// Whether `path` is this key, a part of it or an element.
pub(crate) fn is_at_or_within(path: &str, key: &str) -> bool {
    path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn is_empty_object(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

fn put(object: &mut Map<String, Value>, path: &str, value: &Value) {
    let Some((key, rest)) = path.split_once('.') else {
        if !(is_empty_object(value) && object.get(path).is_some_and(Value::is_object)) {
            object.insert(path.to_owned(), value.clone());
        }
        return;
    };
    let inner = object.entry(key).or_insert_with(|| Map::new().into());
    match inner {
        Value::Bool(_) | Value::Null => *inner = Map::new().into(),
        Value::Array(names) if key == "sources" => {
            if let Some(switches) = switches(names) {
                *inner = switches.into();
            }
        }
        _ => {}
    }
    // Anything else is refused, by name, when the configuration is read.
    if let Value::Object(inner) = inner {
        put(inner, rest, value);
    }
}

/// The list of sources as the object that says the same.
fn switches(names: &[Value]) -> Option<Map<String, Value>> {
    let known = ["netlink", "libusb", "snapshot", "simulated"];
    let are_known = names.iter().all(|name| known.iter().any(|known| name == known));
    let switch = |known: &str| (known.to_owned(), names.iter().any(|name| name == known).into());
    are_known.then(|| known.map(switch).into_iter().collect())
}

/// Whether it looks like one of ours, or like one that was to be: only then it is shown.
fn is_path(path: &str) -> bool {
    let is_word = |part: &str, is_letter: fn(char) -> bool| {
        part.starts_with(is_letter)
            && part.chars().all(|character| is_letter(character) || character.is_ascii_digit())
    };
    let mut parts = path.split('.');
    parts
        .next()
        .is_some_and(|first| is_word(first, |letter| letter.is_ascii_lowercase() || "_$".contains(letter)))
        && parts.all(|part| is_word(part, |letter| letter.is_ascii_alphabetic() || letter == '_'))
}

/// The keys that `path=value` sets: an object sets each key in it, as in a file.
pub(crate) fn parse(text: &str, origin: &Origin) -> Result<Vec<Setting>, String> {
    // Not the text itself: it may be a password, a part of one, or a line of a key.
    let refused =
        || format!("{} is without a path: expected path=value, as in shutdown_ms=500", origin.name());
    let (path, value) = text.split_once('=').ok_or_else(refused)?;
    let path = path.trim();
    if !is_path(path) {
        return Err(refused());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    let mut settings = Vec::new();
    flatten(path, value, origin, &mut settings);
    Ok(settings)
}

fn flatten(path: &str, value: Value, origin: &Origin, settings: &mut Vec<Setting>) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            for (key, value) in object {
                flatten(&format!("{path}.{key}"), value, origin, settings);
            }
        }
        value => settings.push(Setting { path: path.to_owned(), value, origin: origin.clone() }),
    }
}

/// A number, or the text as it stands, which is then refused together with all else that is wrong.
pub(crate) fn number(text: &str) -> Value {
    let number = text.parse::<u64>().map(Number::from).or_else(|_| text.parse());
    number.map_or_else(|_| text.into(), Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(before: &Value, text: &str) -> Value {
        let Value::Object(mut root) = before.clone() else { panic!("an object") };
        for setting in parse(text, &Origin::Option("--set".into())).expect(text) {
            setting.put_into(&mut root);
        }
        root.into()
    }

    #[test]
    fn a_value_is_json_where_it_can_be_and_a_text_otherwise() {
        for (text, expected) in [
            ("shutdown_ms=500", json!({ "shutdown_ms": 500 })),
            ("redis.host=far=away", json!({ "redis": { "host": "far=away" } })),
            ("redis=false", json!({ "redis": false })),
            (r#"redis.stream="7""#, json!({ "redis": { "stream": "7" } })),
            ("redis.tls.ca=/ca.pem", json!({ "redis": { "tls": { "ca": "/ca.pem" } } })),
            (
                r#"filters.rules=[{ "action": "deny" }]"#,
                json!({ "filters": { "rules": [{ "action": "deny" }] } }),
            ),
        ] {
            assert_eq!(set(&json!({}), text), expected, "{text}");
        }
        for text in ["redis", "=5", "redis.=5", ".redis=5"] {
            let error = parse(text, &Origin::Environment("USB_DAEMON_SET".into())).expect_err(text);
            assert!(error.contains("USB_DAEMON_SET") && error.contains("path=value"), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_a_path_is_not_shown() {
        for text in [
            r#"{"redis":{"password":"c2VjcmV0cGFzcw=="}}"#,
            "redis://u:c2VjcmV0cGFzcw@h/0?protocol=resp3",
            "c2VjcmV0cGFzcwSecretTailOfKey=",
            "redis.c2-c2VjcmV0cGFzcw=5",
        ] {
            let error = parse(text, &Origin::Option("--set".into())).expect_err(text);
            assert!(!error.contains("c2Vj") && error.contains("--set"), "{error}");
        }
        assert!(parse("outbux.retain=5", &Origin::Default).is_ok(), "named when the configuration is read");
    }

    #[test]
    fn what_is_around_it_stays_unless_it_is_a_switch_or_a_list_of_sources() {
        for (before, text, expected) in [
            (
                json!({ "redis": { "port": 1 } }),
                r#"redis={ "db": 2 }"#,
                json!({ "redis": { "port": 1, "db": 2 } }),
            ),
            (json!({ "redis": { "port": 1 } }), "redis={}", json!({ "redis": { "port": 1 } })),
            (json!({ "redis": false }), "redis={}", json!({ "redis": {} })),
            (
                json!({ "sources": ["snapshot"] }),
                "sources.netlink.receive_buffer=7",
                json!({ "sources": { "netlink": { "receive_buffer": 7 }, "libusb": false, "snapshot": true, "simulated": false } }),
            ),
            (json!({ "sources": ["udev"] }), "sources.libusb=true", json!({ "sources": ["udev"] })),
        ] {
            assert_eq!(set(&before, text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_stays_as_it_is() {
        assert_eq!([number("007"), number("-1"), number("1.5")], [json!(7), json!(-1), json!(1.5)]);
        assert_eq!(number("tcp://10.0.0.1:6379"), "tcp://10.0.0.1:6379");
    }
}
