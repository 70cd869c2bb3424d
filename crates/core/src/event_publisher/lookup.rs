//! Finds the entry that a daemon writes for its event, and waits for it where it is not there yet.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::time::{Instant, sleep};

use super::Server;
use crate::error::{Code, Error};
use crate::stream_reply::{self, Entries, Entry};

const PAGE: usize = 500;
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
    let start = format!("{}-0", timestamp_ms.saturating_sub(SKEW_MS));
    let search = Search { event_id, seen: RefCell::new(start), reached_end: Cell::new(false) };
    match server.until(deadline, |connection| search.run(connection, &server.redis.stream)).await {
        Ok(id) => Ok(format!("\"{id}\"")),
        Err(_) if search.reached_end.get() => Err(Error::new(
            Code::Redis,
            format!(
                "event {event_id} has no entry in {:?}, at least not yet: is its daemon publishing there? With an event of \
                 your own, leave eventId out",
                server.redis.stream
            ),
        )),
        Err(error) => Err(error),
    }
}

struct Search<'a> {
    event_id: &'a str,
    /// Up to this entry all that may be it has been looked at.
    seen: RefCell<String>,
    reached_end: Cell<bool>,
}

impl Search<'_> {
    /// Ends once it is found.
    async fn run(&self, mut connection: MultiplexedConnection, stream: &str) -> Result<String, RedisError> {
        let mut pause = OFTEN;
        loop {
            if let Some(found) = self.forth(&mut connection, stream).await? {
                return Ok(found);
            }
            self.reached_end.set(true);
            sleep(pause).await;
            pause = (pause * 2).min(SELDOM);
        }
    }

    async fn forth(
        &self,
        connection: &mut MultiplexedConnection,
        stream: &str,
    ) -> Result<Option<String>, RedisError> {
        loop {
            let from = self.seen.borrow().clone();
            let answer: Value = redis::cmd("XRANGE")
                .arg(stream)
                .arg(&from)
                .arg("+")
                .arg("COUNT")
                .arg(PAGE)
                .query_async(connection)
                .await?;
            let found: Entries = stream_reply::of_list(answer)?;
            let page = found.there;
            if let Some(found) = page.iter().find(|entry| self.is_it(entry)) {
                return Ok(Some(found.id.clone()));
            }
            let Some(last) = page.last().filter(|last| last.id != from) else { return Ok(None) };
            self.seen.replace(last.id.clone());
            if page.len() < PAGE {
                return Ok(None);
            }
        }
    }

    fn is_it(&self, entry: &Entry) -> bool {
        entry.fields.iter().any(|(name, value)| name == b"event_id" && value == self.event_id.as_bytes())
    }
}
