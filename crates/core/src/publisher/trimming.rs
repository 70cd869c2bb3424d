//! Trimming: keeps the stream at its length without taking from a consumer group what it has not acknowledged.
//!
//! Entries are deleted by their IDs, the oldest first, each one only if every group is done with it. XTRIM knows no
//! groups before Redis 8.2, and its ACKED with an approximate length has stopped trimming or trimmed too much since.

use std::collections::HashMap;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};

use crate::error::{Code, Error};

/// Entries deleted at a time, and how often in a row: publishing waits meanwhile. They are read whole for their IDs, and what a reply
/// takes at its most stays with the process: 500 at a time were 3 MB.
const AT_A_TIME: u64 = 50;
const PASSES: usize = 200;

/// A group that keeps the stream longer than it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lag {
    pub(super) group: String,
    /// Entries in the stream.
    pub(super) length: u64,
    /// Entries that it has been given and has not acknowledged.
    pub(super) pending: u64,
    /// Entries that it has not been given, where the server can tell (7.0 and later).
    pub(super) unread: Option<u64>,
    /// The stream is longer than it may be, because of this group.
    pub(super) over: bool,
}

impl Lag {
    /// As it is told.
    pub(super) fn into_error(self, maxlen: u64) -> Error {
        let Self { group, length, pending, unread, over } = self;
        let unread = unread.map_or("an unknown number".to_owned(), |unread| unread.to_string());
        let then = if over {
            format!("the stream has {length} entries and is not trimmed to {maxlen} (redis.maxlen)")
        } else {
            format!("beyond redis.maxlen, {maxlen}, the stream will not be trimmed")
        };
        let message = format!(
            "consumer group {group:?} is behind, with {pending} entries unacknowledged and {unread} unread: {then}; \
             start its consumers, or remove the group with XGROUP DESTROY"
        );
        Error::new(Code::Lag, message)
    }
}

type Id = (u64, u64);

struct Group {
    name: String,
    pending: u64,
    unread: Option<u64>,
    /// It is done with all entries before this one; from here on none may go.
    done_before: Id,
}

/// What a round of trimming has found.
#[derive(Debug, Default)]
pub(super) struct Trimmed {
    /// The group that is in the way, or soon will be.
    pub(super) lag: Option<Lag>,
    /// The stream is still longer than it may be, and no group is in the way.
    pub(super) has_more: bool,
}

/// Trims the stream to `maxlen` as far as its groups allow.
pub(super) async fn trim(
    connection: &mut MultiplexedConnection,
    stream: &str,
    maxlen: u64,
) -> Result<Trimmed, RedisError> {
    // Both at once: an idle daemon wakes up for each answer.
    let mut look = redis::pipe();
    look.cmd("XLEN").arg(stream).cmd("XINFO").arg("GROUPS").arg(stream);
    let mut replies = connection.send_packed_commands(&look, 0, 2).await?.into_iter();
    let length = replies.next().unwrap_or(Value::Nil).extract_error()?;
    let mut length: u64 = redis::from_redis_value(length)?;
    if length == 0 {
        return Ok(Trimmed::default());
    }
    let infos = replies.next().unwrap_or(Value::Nil).extract_error()?;
    let groups = groups(connection, stream, redis::from_redis_value(infos)?).await?;
    let slowest = groups.iter().min_by_key(|group| group.done_before);
    let mut is_held = false;
    for _ in 0..PASSES {
        let Some(excess) = length.checked_sub(maxlen).filter(|excess| *excess > 0) else { break };
        let oldest: Vec<(String, Value)> = redis::cmd("XRANGE")
            .arg(stream)
            .arg("-")
            .arg("+")
            .arg("COUNT")
            .arg(excess.min(AT_A_TIME))
            .query_async(connection)
            .await?;
        let free: Vec<&str> = oldest
            .iter()
            .map(|(id, _)| id.as_str())
            .take_while(|id| slowest.is_none_or(|group| parse(id).is_some_and(|id| id < group.done_before)))
            .collect();
        is_held = free.len() < oldest.len();
        if !free.is_empty() {
            length -= free.len() as u64;
            redis::cmd("XDEL").arg(stream).arg(free).query_async::<()>(connection).await?;
        }
        if is_held || oldest.is_empty() {
            break;
        }
    }
    let over = length > maxlen;
    let most = maxlen / 5 * 4;
    // A server that cannot tell what is unread can still tell whether anything is free.
    let holds_all = over || length <= most || slowest.is_none_or(|group| group.unread.is_some());
    let is_held = is_held || (!holds_all && holds_the_oldest(connection, stream, slowest).await?);
    let lag = slowest.and_then(|group| {
        let behind = group.pending + group.unread.unwrap_or(0);
        (is_held || behind > most).then(|| Lag {
            group: group.name.clone(),
            length,
            pending: group.pending,
            unread: group.unread,
            over: over && is_held,
        })
    });
    Ok(Trimmed { has_more: over && !is_held, lag })
}

/// Whether the stream's first entry may not go.
async fn holds_the_oldest(
    connection: &mut MultiplexedConnection,
    stream: &str,
    group: Option<&Group>,
) -> Result<bool, RedisError> {
    let oldest: Vec<(String, Value)> = redis::cmd("XRANGE")
        .arg(stream)
        .arg("-")
        .arg("+")
        .arg("COUNT")
        .arg(1)
        .query_async(connection)
        .await?;
    let oldest = oldest.first().and_then(|(id, _)| parse(id));
    Ok(oldest.zip(group).is_some_and(|(oldest, group)| oldest >= group.done_before))
}

async fn groups(
    connection: &mut MultiplexedConnection,
    stream: &str,
    infos: Vec<HashMap<String, Value>>,
) -> Result<Vec<Group>, RedisError> {
    let mut groups = Vec::with_capacity(infos.len());
    for info in infos {
        let text = |key: &str| {
            info.get(key)
                .and_then(|value| redis::from_redis_value::<String>(value.clone()).ok())
                .unwrap_or_default()
        };
        let number =
            |key: &str| info.get(key).and_then(|value| redis::from_redis_value::<u64>(value.clone()).ok());
        let (name, pending) = (text("name"), number("pending").unwrap_or(0));
        let (ms, seq) = parse(&text("last-delivered-id")).unwrap_or_default();
        // The first entry that it has not been given is after the last that it has.
        let mut done_before = (ms, seq.saturating_add(1));
        if pending > 0 {
            let summary = redis::cmd("XPENDING").arg(stream).arg(&name).query_async(connection).await;
            let summary: (u64, Option<String>, Option<String>, Value) = match summary {
                // Somebody has removed it just now.
                Err(error) if error.code() == Some("NOGROUP") => continue,
                summary => summary?,
            };
            if let Some(first) = summary.1.as_deref().and_then(parse) {
                done_before = done_before.min(first);
            }
        }
        groups.push(Group { name, pending, unread: number("lag"), done_before });
    }
    Ok(groups)
}

fn parse(id: &str) -> Option<Id> {
    let (ms, seq) = id.split_once('-')?;
    Some((ms.parse().ok()?, seq.parse().ok()?))
}
