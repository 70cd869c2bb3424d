//! Finds the entry that a daemon writes for its event, and waits for it where it is not there yet.

use std::cell::RefCell;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::time::{Instant, sleep};

use super::Server;
use crate::error::{Code, Error};
use crate::stream_reply::{self, Entries, Entry};

const PAGE: usize = 500;
const FEW: usize = 50;
/// How much older than its event an entry may look: a server's clock may be behind.
const SKEW_MS: u64 = 60_000;
const OFTEN: Duration = Duration::from_millis(5);
const SELDOM: Duration = Duration::from_millis(50);

/// The ID of this event's entry, as JSON.
pub(super) async fn entry_of(
    server: &Server,
    event_id: &str,
    timestamp_ms: u64,
    deadline: Instant,
) -> Result<String, Error> {
    // No entry is there before its event.
    let oldest_ms = timestamp_ms.saturating_sub(SKEW_MS);
    let search = Search { event_id, oldest_ms, seen: RefCell::new(None) };
    match server.until(deadline, |connection| search.run(connection, &server.redis.stream)).await {
        Ok(id) => Ok(format!("\"{id}\"")),
        Err(_) if search.seen.borrow().is_some() => Err(Error::new(
            Code::Redis,
            format!(
                "event {event_id} had no entry in {:?} when that was last looked at: is its daemon publishing there, and is \
                 redis.timeout_ms long enough? With an event of your own, leave eventId out",
                server.redis.stream
            ),
        )),
        Err(error) => Err(error),
    }
}

struct Search<'a> {
    event_id: &'a str,
    /// Entries older than this cannot be it.
    oldest_ms: u64,
    /// Up to this entry all that may be it has been looked at.
    seen: RefCell<Option<String>>,
}

impl Search<'_> {
    /// Ends once it is found.
    async fn run(&self, mut connection: MultiplexedConnection, stream: &str) -> Result<String, RedisError> {
        if let Some(found) = self.newest(&mut connection, stream).await? {
            return Ok(found);
        }
        let mut pause = OFTEN;
        loop {
            if let Some(found) = self.forth(&mut connection, stream).await? {
                return Ok(found);
            }
            sleep(pause).await;
            pause = (pause * 2).min(SELDOM);
        }
    }

    /// Looks at the last few first: whoever has just heard of an event asks for it.
    async fn newest(
        &self,
        connection: &mut MultiplexedConnection,
        stream: &str,
    ) -> Result<Option<String>, RedisError> {
        if self.seen.borrow().is_some() {
            return Ok(None);
        }
        let page = range(connection, "XREVRANGE", stream, ["+", "-"], FEW).await?;
        if let Some(found) = page.iter().find(|entry| self.is_it(entry)) {
            return Ok(Some(found.id.clone()));
        }
        let is_older = |entry: &Entry| {
            entry.id.split_once('-').and_then(|(ms, _)| ms.parse().ok()) < Some(self.oldest_ms)
        };
        let reaches_back = page.len() < FEW || page.last().is_some_and(is_older);
        let newest = page.first().map_or("0-0", |entry| entry.id.as_str());
        let seen = if reaches_back { newest.to_owned() } else { format!("{}-0", self.oldest_ms) };
        self.seen.replace(Some(seen));
        Ok(None)
    }

    async fn forth(
        &self,
        connection: &mut MultiplexedConnection,
        stream: &str,
    ) -> Result<Option<String>, RedisError> {
        loop {
            let from = self.seen.borrow().clone().unwrap_or_default();
            let page = range(connection, "XRANGE", stream, [&from, "+"], PAGE).await?;
            if let Some(found) = page.iter().find(|entry| self.is_it(entry)) {
                return Ok(Some(found.id.clone()));
            }
            let Some(last) = page.last().filter(|last| last.id != from) else { return Ok(None) };
            self.seen.replace(Some(last.id.clone()));
            if page.len() < PAGE {
                return Ok(None);
            }
        }
    }

    fn is_it(&self, entry: &Entry) -> bool {
        entry.fields.iter().any(|(name, value)| name == b"event_id" && value == self.event_id.as_bytes())
    }
}

async fn range(
    connection: &mut MultiplexedConnection,
    command: &str,
    stream: &str,
    bounds: [&str; 2],
    count: usize,
) -> Result<Vec<Entry>, RedisError> {
    let answer: Value = redis::cmd(command)
        .arg(stream)
        .arg(&bounds[..])
        .arg("COUNT")
        .arg(count)
        .query_async(connection)
        .await?;
    let entries: Entries = stream_reply::of_list(answer)?;
    Ok(entries.there)
}
