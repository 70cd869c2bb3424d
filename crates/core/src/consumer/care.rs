//! Looks after a group: shows that we are alive to those who would take over our entries, and takes over those of the dead.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::time::sleep;

use super::options::id;
use super::session::{explain, is_refusal, lacks_group};
use super::{Phase, Task};
use crate::platform::machine::since_boot;
use crate::stream_reply::{self as reply, Entries};

/// Entries that one question is about at most.
const PAGE: usize = 1000;
const OFTEN: Duration = Duration::from_millis(50);
const SELDOM: Duration = Duration::from_secs(10);

/// One pending entry: ID, consumer, ms since it was given, how often.
pub(super) type Pending = (String, String, u64, u64);

impl Task {
    /// Three times within the time after which we would be taken for dead.
    pub(super) async fn look_after(
        &self,
        mut commands: MultiplexedConnection,
    ) -> Result<Infallible, RedisError> {
        let idle = Duration::from_millis(self.config.options.claim_idle_ms);
        let period = if idle.is_zero() { SELDOM } else { (idle / 3).clamp(OFTEN, SELDOM) };
        loop {
            self.unless_refused(self.keep_alive(&mut commands).await)?;
            let has_watched = self.watch.borrow_mut().goes_on(since_boot(), idle);
            // What we left ourselves comes first, in its order.
            if !idle.is_zero() && has_watched && self.taken_up.get() && *self.phase.borrow() == Phase::Running
            {
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

    /// Entries in hand look fresh to the others. What they have taken over nevertheless is theirs; what is nobody's, because the
    /// group was made anew, is still ours to handle.
    async fn keep_alive(&self, commands: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let mut asked = self.work.in_hand();
        asked.sort_unstable_by_key(|text| id(text));
        let (stream, group) = (&self.config.redis.stream, &self.config.group);
        for asked in asked.chunks(PAGE) {
            let (Some(first), Some(last)) = (asked.first(), asked.last()) else { break };
            let mut from = first.clone();
            let (mut ours, mut theirs) = (HashSet::new(), HashSet::new());
            loop {
                let page: Vec<Pending> = redis::cmd("XPENDING")
                    .arg(stream)
                    .arg(group)
                    .arg(&from)
                    .arg(last)
                    .arg(PAGE)
                    .query_async(commands)
                    .await?;
                let next = page.last().and_then(|(last, ..)| after(last));
                let is_last = page.len() < PAGE;
                for (id, owner, ..) in page {
                    if owner == self.config.consumer { &mut ours } else { &mut theirs }.insert(id);
                }
                match next {
                    Some(next) if !is_last => from = next,
                    _ => break,
                }
            }
            self.work.leave_to_others(&theirs);
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
        // Beyond what is read ahead: that may be full for as long as there is something to read.
        let most = self.config.options.batch_size * 2;
        most.checked_sub(self.work.waiting()).filter(|room| *room > 0)
    }
}

/// For how long we have looked at the group without a break. The others can be judged only by what they left undone in that
/// time: while the server, or this machine, was away, nobody could show a sign of life.
#[derive(Default)]
pub(super) struct Watch {
    since: Duration,
    last: Option<Duration>,
}

impl Watch {
    /// Goes on at `now`; true once that has lasted for `idle`.
    fn goes_on(&mut self, now: Duration, idle: Duration) -> bool {
        let is_break = self.last.is_none_or(|last| now.saturating_sub(last) > idle / 2);
        if is_break {
            self.since = now;
        }
        self.last = Some(now);
        now.saturating_sub(self.since) >= idle
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_judged_only_after_a_watch_without_a_break() {
        let mut watch = Watch::default();
        let mut goes_on = |s| watch.goes_on(Duration::from_secs(s), Duration::from_secs(60));
        assert_eq!([100, 125, 150, 159].map(&mut goes_on), [false; 4]);
        assert!(goes_on(160) && goes_on(190));
        assert_eq!(
            [221, 250, 280].map(&mut goes_on),
            [false; 3],
            "a break of half that time begins a new one"
        );
        assert!(goes_on(281));
    }
}
