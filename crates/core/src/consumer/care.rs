//! Looks after a group: shows that we are alive to those who would take over our entries, and takes over those of the dead.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::time::sleep;

use super::options::id;
use super::session::lacks_group;
use super::{Phase, Task, explain, is_refusal};
use crate::stream_reply::{self as reply, Entries};

/// Entries that one question is about at most.
const PAGE: usize = 1000;
const OFTEN: Duration = Duration::from_millis(50);
const SELDOM: Duration = Duration::from_secs(10);

/// One pending entry: ID, consumer, ms since it was given, how often.
type Pending = (String, String, u64, u64);

impl Task {
    /// Three times within the time after which we would be taken for dead.
    pub(super) async fn look_after(
        &self,
        mut commands: MultiplexedConnection,
    ) -> Result<Infallible, RedisError> {
        let idle = self.config.options.claim_idle_ms;
        let period = if idle == 0 { SELDOM } else { Duration::from_millis(idle / 3).clamp(OFTEN, SELDOM) };
        loop {
            self.unless_refused(self.keep_alive(&mut commands).await)?;
            if idle > 0 && *self.phase.borrow() == Phase::Running {
                self.unless_refused(self.take_over(&mut commands).await)?;
            }
            sleep(period).await;
        }
    }

    /// Without the right to claim, everything else works.
    fn unless_refused(&self, done: Result<(), RedisError>) -> Result<(), RedisError> {
        match done {
            Err(error) if is_refusal(&error) && !lacks_group(&error) => {
                let reason = explain(&error);
                self.tell_once(format!(
                    "entries of consumers that died cannot be taken over: {reason}; grant this user XPENDING, XCLAIM and \
                     XAUTOCLAIM on the stream"
                ));
                Ok(())
            }
            done => done,
        }
    }

    /// Entries in hand look fresh to the others. What they have taken over nevertheless is theirs.
    async fn keep_alive(&self, commands: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let mut asked = self.work.in_hand();
        asked.sort_unstable_by_key(|text| id(text));
        let (stream, group) = (&self.config.redis.stream, &self.config.group);
        for asked in asked.chunks(PAGE) {
            let (Some(first), Some(last)) = (asked.first(), asked.last()) else { break };
            let mut from = first.clone();
            let mut ours = HashSet::new();
            loop {
                let page: Vec<Pending> = redis::cmd("XPENDING")
                    .arg(stream)
                    .arg(group)
                    .arg(&from)
                    .arg(last)
                    .arg(PAGE)
                    .arg(&self.config.consumer)
                    .query_async(commands)
                    .await?;
                let next = page.last().and_then(|(last, ..)| after(last));
                let is_last = page.len() < PAGE;
                ours.extend(page.into_iter().map(|(id, ..)| id));
                match next {
                    Some(next) if !is_last => from = next,
                    _ => break,
                }
            }
            self.work.leave_to_others(asked, &ours);
            let kept: Vec<&String> = asked.iter().filter(|id| ours.contains(*id)).collect();
            if !kept.is_empty() {
                redis::cmd("XCLAIM")
                    .arg(stream)
                    .arg(group)
                    .arg(&self.config.consumer)
                    .arg(0)
                    .arg(kept)
                    .arg("JUSTID")
                    .query_async::<()>(commands)
                    .await?;
            }
        }
        Ok(())
    }

    /// Entries that nobody has shown a sign of life for become ours, as far as there is room.
    async fn take_over(&self, commands: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let mut cursor = "0-0".to_owned();
        while let Some(room) = self.spare_room() {
            let claimed: Result<Vec<Value>, RedisError> = redis::cmd("XAUTOCLAIM")
                .arg(&self.config.redis.stream)
                .arg(&self.config.group)
                .arg(&self.config.consumer)
                .arg(self.config.options.claim_idle_ms)
                .arg(&cursor)
                .arg("COUNT")
                .arg(room)
                .query_async(commands)
                .await;
            let mut claimed = match claimed {
                Ok(claimed) => claimed.into_iter(),
                Err(error) if is_unknown_command(&error) => return self.take_over_by_hand(commands).await,
                Err(error) => return Err(error),
            };
            cursor = claimed.next().and_then(reply::text).ok_or_else(reply::unexpected)?;
            self.accept(reply::of_list(claimed.next().unwrap_or_default())?);
            if cursor == "0-0" {
                break;
            }
        }
        Ok(())
    }

    /// The same with what Redis before 6.2 has.
    async fn take_over_by_hand(&self, commands: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let (stream, group) = (&self.config.redis.stream, &self.config.group);
        let idle_ms = self.config.options.claim_idle_ms;
        let mut from = Some("-".to_owned());
        while let (Some(room), Some(start)) = (self.spare_room(), from.take()) {
            let page: Vec<Pending> = redis::cmd("XPENDING")
                .arg(stream)
                .arg(group)
                .arg(start)
                .arg("+")
                .arg(PAGE)
                .query_async(commands)
                .await?;
            if page.len() == PAGE {
                from = page.last().and_then(|(last, ..)| after(last));
            }
            let idle: Vec<String> = page
                .into_iter()
                .filter(|(id, _, idle, _)| *idle >= idle_ms && !self.work.is_in_hand(id))
                .map(|(id, ..)| id)
                .take(room)
                .collect();
            if idle.is_empty() {
                continue;
            }
            let claimed = redis::cmd("XCLAIM")
                .arg(stream)
                .arg(group)
                .arg(&self.config.consumer)
                .arg(idle_ms)
                .arg(&idle)
                .query_async(commands)
                .await?;
            let claimed: Entries = reply::of_list(claimed)?;
            self.accept(claimed);
        }
        Ok(())
    }

    fn spare_room(&self) -> Option<usize> {
        self.config.options.batch_size.checked_sub(self.work.waiting()).filter(|room| *room > 0)
    }
}

fn is_unknown_command(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.starts_with("unknown command"))
}

/// The ID behind this one.
fn after(text: &str) -> Option<String> {
    let (ms, seq) = id(text)?;
    Some(match seq.checked_add(1) {
        Some(seq) => format!("{ms}-{seq}"),
        None => format!("{}-0", ms.checked_add(1)?),
    })
}
