//! Reads a type from JSON, and says of what is wrong where it is.

use std::fmt::{self, Display, Formatter};

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;

/// Why a value cannot be read, and its place.
#[derive(Debug)]
pub(super) struct Fault {
    /// From the inside to the outside.
    place: Vec<Step>,
    why: serde_json::Error,
}

#[derive(Debug)]
enum Step {
    Key(String),
    Item(usize),
}

impl Fault {
    /// As `filters.rules[0].action`; empty where it is the whole.
    pub(super) fn place(&self) -> String {
        let mut place = String::new();
        for step in self.place.iter().rev() {
            match step {
                Step::Item(at) => place.extend(["[", &at.to_string(), "]"]),
                Step::Key(key) if place.is_empty() => place.push_str(key),
                Step::Key(key) => place.extend([".", key]),
            }
        }
        place
    }

    fn within(mut self, step: Step) -> Self {
        self.place.push(step);
        self
    }
}

impl Display for Fault {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.why.fmt(formatter)
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self { place: Vec::new(), why: serde_json::Error::custom(message) }
    }

    // It has JSON's words.
    fn invalid_type(unexpected: Unexpected, expected: &dyn Expected) -> Self {
        Self { place: Vec::new(), why: serde_json::Error::invalid_type(unexpected, expected) }
    }

    fn invalid_value(unexpected: Unexpected, expected: &dyn Expected) -> Self {
        Self { place: Vec::new(), why: serde_json::Error::invalid_value(unexpected, expected) }
    }
}

/// A value that is read: as JSON's own, except that it says where.
pub(super) struct Located(pub(super) Value);

impl<'de> Deserializer<'de> for Located {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(switch) => visitor.visit_bool(switch),
            Value::Number(number) => {
                number.deserialize_any(visitor).map_err(|why| Fault { place: Vec::new(), why })
            }
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter().enumerate())),
            Value::Object(object) => visitor.visit_map(Entries { entries: object.into_iter(), value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    /// Of words: no configuration has another enumeration.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::String(word) => {
                let word: StringDeserializer<Fault> = word.into_deserializer();
                visitor.visit_enum(word)
            }
            other => Err(Fault::custom(format_args!("{other} is no word"))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct Items(std::iter::Enumerate<std::vec::IntoIter<Value>>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some((at, value)) = self.0.next() else { return Ok(None) };
        seed.deserialize(Located(value)).map(Some).map_err(|fault| fault.within(Step::Item(at)))
    }
}

struct Entries {
    entries: serde_json::map::IntoIter,
    /// Of the key that has been read.
    value: Option<(String, Value)>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Fault;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = Some((key.clone(), value));
        let key: StringDeserializer<Fault> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let Some((key, value)) = self.value.take() else {
            return Err(Fault::custom("a value without a key"));
        };
        seed.deserialize(Located(value)).map_err(|fault| fault.within(Step::Key(key)))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::super::Config;
    use super::*;

    #[test]
    fn the_place_is_that_of_the_innermost_value() {
        for (json, place, why) in [
            (json!(1), "", "invalid type: integer `1`, expected struct Config"),
            (
                json!({ "performance": { "batch_size": "x" } }),
                "performance.batch_size",
                "invalid type: string \"x\", expected usize",
            ),
            (json!({ "outbox": { "when_full": null } }), "outbox.when_full", "null is no word"),
            (
                json!({ "filters": { "rules": [{ "action": "x" }] } }),
                "filters.rules[0].action",
                "unknown variant `x`",
            ),
            (
                json!({ "filters": { "device_class_filter": [9, 999] } }),
                "filters.device_class_filter[1]",
                "invalid value: integer `999`",
            ),
            (json!({ "monitoring": { "hots": 1 } }), "monitoring", "unknown field `hots`"),
            (
                json!({ "host_name": 1.5 }),
                "host_name",
                "invalid type: floating point `1.5`, expected a string",
            ),
        ] {
            let fault = Config::deserialize(Located(json.clone())).expect_err("a fault");
            assert_eq!(fault.place(), place, "{json}");
            assert!(fault.to_string().starts_with(why), "{json}: {fault}");
        }
    }
}
