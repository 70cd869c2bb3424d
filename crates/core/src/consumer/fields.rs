//! An entry's fields by name, each read in its form or named with what is wrong.

use std::collections::HashMap;

use crate::error::shown;
use crate::stream_field::{LONGEST_FIELD, fault};
use crate::stream_reply::Entry;

/// Fields that nobody asks for may hold anything: readers ignore them.
pub(super) struct Fields<'a>(HashMap<&'a [u8], Value<'a>>);

struct Value<'a> {
    bytes: &'a [u8],
    /// Another field has the same name: which one is meant?
    is_doubled: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn of(entry: &'a Entry) -> Self {
        let mut fields = HashMap::new();
        for (name, bytes) in &entry.fields {
            fields
                .entry(name.as_slice())
                .and_modify(|value: &mut Value<'_>| value.is_doubled = true)
                .or_insert(Value { bytes, is_doubled: false });
        }
        Self(fields)
    }

    /// A field that is there and not empty.
    pub(super) fn get(&self, name: &str) -> Result<Option<&'a str>, String> {
        let Some(Value { bytes, is_doubled }) = self.0.get(name.as_bytes()) else { return Ok(None) };
        if *is_doubled {
            return Err(format!("{name} is there more than once"));
        }
        if bytes.len() > LONGEST_FIELD {
            return Err(format!("{name} has {} bytes: expected {LONGEST_FIELD} at most", bytes.len()));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
            Err(_) => {
                Err(format!("{name} is {}: expected UTF-8", shown(&format!("\"{}\"", bytes.escape_ascii()))))
            }
        }
    }

    /// A field that `read` has to understand where it is there.
    pub(super) fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, String> {
        let Some(value) = self.get(name)? else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| fault(name, format_args!("{value:?}"), expected))
    }
}
