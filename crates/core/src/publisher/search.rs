//! Finds events in the stream by their IDs.

use std::collections::{HashMap, HashSet};

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, Value};

use crate::stream_reply::{self, Entry};

/// Entries that one page holds, and how many pages are searched.
const PAGE: usize = 500;
const PAGES: usize = 40;

/// IDs of the entries of the `wanted` events, by event ID, as far as the end of the stream shows them. An error is one of
/// the connection.
pub(crate) async fn find(
    connection: &mut MultiplexedConnection,
    stream: &str,
    mut wanted: HashSet<String>,
) -> Result<HashMap<String, String>, RedisError> {
    let mut found = HashMap::new();
    let mut end = "+".to_owned();
    for _ in 0..PAGES {
        let page: Result<Value, _> = redis::cmd("XREVRANGE")
            .arg(stream)
            .arg(&end)
            .arg("-")
            .arg("COUNT")
            .arg(PAGE)
            .query_async(connection)
            .await;
        let page = match page.and_then(stream_reply::of_list) {
            Ok(page) => page.there,
            // Publishing needs no right to read, and no stream that is as it should be.
            Err(error) if error.code().is_some() || error.kind() == ErrorKind::UnexpectedReturnType => {
                return Ok(found);
            }
            Err(error) => return Err(error),
        };
        let Some(oldest) = page.last().map(|entry| entry.id.clone()) else { break };
        let length = page.len();
        for Entry { id, fields } in page {
            // Whoever may write to the stream may write anything.
            let event_id = fields.into_iter().find(|(name, _)| name == b"event_id");
            let event_id = event_id.and_then(|(_, value)| String::from_utf8(value).ok());
            if let Some(event_id) = event_id.filter(|id| wanted.remove(id)) {
                found.insert(event_id, id);
            }
        }
        // A page begins with the last of the one before: the older form `(id` is not known everywhere.
        if wanted.is_empty() || length < PAGE || oldest == end {
            break;
        }
        end = oldest;
    }
    Ok(found)
}
