//! Entries as the server gives them, in either version of its protocol.

use redis::{ErrorKind, RedisError, Value};

/// One entry of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    /// Names and values in their order, as bytes: whoever may write to the stream may write anything.
    pub(crate) fields: Fields,
}

pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Entries that are there, and IDs of those that somebody has deleted since they were given out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Entries {
    pub(crate) there: Vec<Entry>,
    pub(crate) deleted: Vec<String>,
    /// The last ID of the answer, in its order.
    pub(crate) last: Option<String>,
}

/// The answer to XREADGROUP of one stream; nothing where nothing has come in time.
pub(crate) fn of_read(reply: Value) -> Result<Entries, RedisError> {
    let entries = match reply {
        Value::Nil => return Ok(Entries::default()),
        Value::Map(streams) => streams.into_iter().next().map(|(_, entries)| entries),
        Value::Array(streams) => match streams.into_iter().next() {
            Some(Value::Array(stream)) => stream.into_iter().nth(1),
            _ => None,
        },
        _ => None,
    };
    entries.ok_or_else(unexpected).and_then(of_list)
}

/// The answer to XCLAIM, and the middle of that to XAUTOCLAIM.
pub(crate) fn of_list(reply: Value) -> Result<Entries, RedisError> {
    let Value::Array(list) = reply else { return Err(unexpected()) };
    let mut entries = Entries::default();
    for entry in list {
        let (id, fields) = match entry {
            // Redis before 7.0 gives nil for what it claimed and does not find.
            Value::Nil => continue,
            Value::Array(pair) => {
                let mut pair = pair.into_iter();
                (pair.next().and_then(text).ok_or_else(unexpected)?, pair.next().unwrap_or_default())
            }
            _ => return Err(unexpected()),
        };
        entries.last = Some(id.clone());
        match fields {
            Value::Nil => entries.deleted.push(id),
            fields => entries.there.push(Entry { id, fields: pairs(fields)? }),
        }
    }
    Ok(entries)
}

fn pairs(fields: Value) -> Result<Fields, RedisError> {
    let flat: Vec<Value> = match fields {
        Value::Map(pairs) => pairs.into_iter().flat_map(|(name, value)| [name, value]).collect(),
        Value::Array(flat) => flat,
        _ => return Err(unexpected()),
    };
    let mut flat = flat.into_iter().map(bytes);
    let mut fields = Fields::new();
    while let (Some(name), Some(value)) = (flat.next(), flat.next()) {
        fields.push((name.ok_or_else(unexpected)?, value.ok_or_else(unexpected)?));
    }
    Ok(fields)
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

/// An ID or a cursor.
pub(crate) fn text(value: Value) -> Option<String> {
    bytes(value).and_then(|bytes| String::from_utf8(bytes).ok())
}

pub(crate) fn unexpected() -> RedisError {
    (ErrorKind::UnexpectedReturnType, "not the answer of a stream").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    #[test]
    fn both_protocols_give_the_same_entries() {
        let list = |fields: Value| Value::Array(vec![Value::Array(vec![bulk("1-1"), fields])]);
        let flat = || Value::Array(vec![bulk("action"), bulk("attach")]);
        let old = of_read(Value::Array(vec![Value::Array(vec![bulk("s"), list(flat())])])).expect("RESP2");
        let new = of_read(Value::Map(vec![(bulk("s"), list(flat()))])).expect("RESP3");
        assert_eq!(old, new);
        assert_eq!(
            old.there,
            [Entry { id: "1-1".into(), fields: vec![(b"action".into(), b"attach".into())] }]
        );
    }

    #[test]
    fn deleted_entries_are_told_apart() {
        let entries = of_list(Value::Array(vec![
            Value::Nil,
            Value::Array(vec![bulk("1-1"), Value::Nil]),
            Value::Array(vec![bulk("1-2"), Value::Array(vec![])]),
        ]));
        let Entries { there, deleted, last } = entries.expect("a list");
        assert_eq!((there.len(), deleted, last.as_deref()), (1, vec!["1-1".to_owned()], Some("1-2")));
        assert!(of_list(Value::Int(3)).is_err());
        assert_eq!(of_read(Value::Nil).expect("nothing came"), Entries::default());
    }
}
