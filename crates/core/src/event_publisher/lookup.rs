//! Finds the entry that a daemon writes for its event, and waits for it where it is not there yet.

use std::cell::RefCell;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::time::{Instant, sleep};

use super::Server;
use crate::error::{Code, Error};
use crate::stream_reply::{self, Entries, Entry};

const PAGE: usize = 100;
/// How much later than its event an entry may look: a server's clock may be behind.
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
    let oldest_ms = timestamp_ms.saturating_sub(SKEW_MS);
    let search = Search { event_id, oldest_ms, seen: RefCell::new(None) };
    match server.until(deadline, |connection| search.run(connection, &server.redis.stream)).await {
        Ok(id) => Ok(format!("\"{id}\"")),
        Err(_) if search.seen.borrow().is_some() => Err(Error::new(
            Code::Redis,
            format!(
                "event {event_id} has no entry in {:?} yet: is its daemon publishing there? With an event of your own, \
                 leave eventId out",
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
    /// Up to this entry all has been looked at.
    seen: RefCell<Option<String>>,
}

impl Search<'_> {
    /// Ends once it is found.
    async fn run(&self, mut connection: MultiplexedConnection, stream: &str) -> Result<String, RedisError> {
        let is_first = self.seen.borrow().is_none();
        if is_first && let Some(found) = self.back(&mut connection, stream).await? {
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

    /// From the newest entry back.
    async fn back(
        &self,
        connection: &mut MultiplexedConnection,
        stream: &str,
    ) -> Result<Option<String>, RedisError> {
        let mut end = "+".to_owned();
        let mut newest = None;
        loop {
            let page = range(connection, "XREVRANGE", stream, [&end, "-"]).await?;
            newest = newest.or_else(|| page.there.first().map(|entry| entry.id.clone()));
            if let Some(found) = page.there.iter().find(|entry| self.is_it(entry)) {
                return Ok(Some(found.id.clone()));
            }
            let oldest = page.there.last().map(|entry| entry.id.clone());
            match oldest {
                Some(oldest) if page.there.len() == PAGE && oldest != end && self.may_be_before(&oldest) => {
                    end = oldest;
                }
                _ => break,
            }
        }
        self.seen.replace(Some(newest.unwrap_or_else(|| "0-0".into())));
        Ok(None)
    }

    /// What has come since.
    async fn forth(
        &self,
        connection: &mut MultiplexedConnection,
        stream: &str,
    ) -> Result<Option<String>, RedisError> {
        loop {
            let from = self.seen.borrow().clone().unwrap_or_else(|| "-".into());
            let page = range(connection, "XRANGE", stream, [&from, "+"]).await?;
            if let Some(found) = page.there.iter().find(|entry| self.is_it(entry)) {
                return Ok(Some(found.id.clone()));
            }
            let Some(last) = page.there.last().filter(|last| last.id != from) else { return Ok(None) };
            self.seen.replace(Some(last.id.clone()));
            if page.there.len() < PAGE {
                return Ok(None);
            }
        }
    }

    fn is_it(&self, entry: &Entry) -> bool {
        entry.fields.iter().any(|(name, value)| name == b"event_id" && value == self.event_id.as_bytes())
    }

    fn may_be_before(&self, id: &str) -> bool {
        id.split_once('-').and_then(|(ms, _)| ms.parse().ok()).is_none_or(|ms: u64| ms >= self.oldest_ms)
    }
}

async fn range(
    connection: &mut MultiplexedConnection,
    command: &str,
    stream: &str,
    bounds: [&str; 2],
) -> Result<Entries, RedisError> {
    let list: Value = redis::cmd(command)
        .arg(stream)
        .arg(&bounds[..])
        .arg("COUNT")
        .arg(PAGE)
        .query_async(connection)
        .await?;
    stream_reply::of_list(list)
}
