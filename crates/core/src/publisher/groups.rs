//! How far the stream's consumer groups are behind. Asked together with what is asked anyway now and then: it costs no
//! further wake-up.

use std::collections::HashMap;

use redis::{Pipeline, Value, from_redis_value};

use crate::onlooker::GroupLag;

/// Asks: one command.
pub(super) fn ask(pipeline: &mut Pipeline, stream: &str) {
    pipeline.cmd("XINFO").arg("GROUPS").arg(stream);
}

/// What the answer says. No groups where there is no stream yet, and where this user may not ask: nothing depends on it.
pub(super) fn read(answer: Value) -> Vec<GroupLag> {
    let groups = from_redis_value::<Vec<HashMap<String, Value>>>(answer).unwrap_or_default();
    groups.iter().map(group).collect()
}

fn group(info: &HashMap<String, Value>) -> GroupLag {
    let number = |key: &str| info.get(key).and_then(|value| from_redis_value::<u64>(value.clone()).ok());
    let name = match info.get("name") {
        Some(Value::BulkString(name)) => String::from_utf8_lossy(name).into_owned(),
        _ => String::new(),
    };
    GroupLag { name, unread: number("lag"), pending: number("pending").unwrap_or(0) }
}
