//! How far the stream's consumer groups are behind: looked up on the occasion of a beat, for whoever watches.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value, from_redis_value};

use crate::onlooker::GroupLag;

/// What Redis knows of the groups. None where there is no stream yet, and where this user may not ask: nothing depends on it.
pub(super) async fn look(
    connection: &mut MultiplexedConnection,
    stream: &str,
) -> Result<Vec<GroupLag>, RedisError> {
    let infos = redis::cmd("XINFO").arg("GROUPS").arg(stream).query_async(connection).await;
    let infos: Vec<HashMap<String, Value>> = match infos {
        Err(error) if error.code().is_some() => return Ok(Vec::new()),
        infos => infos?,
    };
    Ok(infos.iter().map(group).collect())
}

fn group(info: &HashMap<String, Value>) -> GroupLag {
    let number = |key: &str| info.get(key).and_then(|value| from_redis_value::<u64>(value.clone()).ok());
    let name = match info.get("name") {
        Some(Value::BulkString(name)) => String::from_utf8_lossy(name).into_owned(),
        _ => String::new(),
    };
    GroupLag { name, unread: number("lag"), pending: number("pending").unwrap_or(0) }
}
