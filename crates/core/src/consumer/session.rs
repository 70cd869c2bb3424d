//! One connection's life: finds or makes the group, takes up what we have left, then reads what comes.

use std::convert::Infallible;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::time::Instant;

use super::{Phase, Task};
use crate::error::Code;
use crate::publisher;
use crate::redis_connection;
use crate::stream_reply::{self as reply, Entries};

/// The longest single wait for an entry, so that a connection that is gone is noticed.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// How often we look at what the group thinks we have.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Results that may wait for Redis before nothing further is read.
const UNSETTLED: usize = 1000;

/// Two connections: one waits for entries, the other one is free for everything else.
pub(super) struct Session<'a> {
    pub(super) task: &'a Task,
    pub(super) commands: MultiplexedConnection,
    reader: MultiplexedConnection,
}

/// Whether the group is gone: the server was emptied, or somebody removed it.
pub(super) fn lacks_group(error: &RedisError) -> bool {
    matches!(error.code(), Some("NOGROUP" | "UNBLOCKED"))
}

/// Whether the server itself refused, rather than the way to it failed.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    error.code().is_some() || error.clone().into_server_errors().is_some()
}

/// What failed and what to do about it, in one line without secrets.
pub(super) fn explain(error: &RedisError) -> String {
    if error.code() == Some("NOPERM") {
        let needed = "XGROUP, XREADGROUP, XACK, XPENDING, XCLAIM and XAUTOCLAIM on the stream, XADD, WATCH and TYPE on {<stream>}:dead, \
                      MULTI, EXEC, UNWATCH, PING and SELECT";
        return format!("redis answers NOPERM: this user may not do that; a consumer needs {needed}");
    }
    publisher::explain(error)
}

impl<'a> Session<'a> {
    pub(super) async fn open(task: &'a Task) -> Result<Self, RedisError> {
        let patience = task.config.patience();
        let mut commands = redis_connection::connect(&task.client, patience).await?;
        // Refusals (NOAUTH, LOADING) come clean here.
        redis::cmd("PING").query_async::<()>(&mut commands).await?;
        let reader = redis_connection::connect(&task.client, patience).await?;
        task.taken_up.set(false);
        let mut session = Self { task, commands, reader };
        session.ensure_group().await?;
        Ok(session)
    }

    /// Ends with an error only.
    pub(super) async fn serve(self) -> Result<Infallible, RedisError> {
        let (settling, caring) = (self.commands.clone(), self.commands.clone());
        let (task, mut reader) = (self.task, self.reader);
        let reading = async {
            task.take_up(&mut reader).await?;
            task.tell_redis(Ok(()));
            task.read(&mut reader).await
        };
        tokio::try_join!(reading, task.settle(settling), task.look_after(caring)).map(|(never, ..)| never)
    }

    /// Makes the group where it is missing. One that was there and is gone is made to begin at the beginning: what came
    /// meanwhile is not passed over.
    async fn ensure_group(&mut self) -> Result<(), RedisError> {
        let config = &self.task.config;
        let (stream, group) = (&config.redis.stream, &config.group);
        let had_group = self.task.had_group.get();
        let start_at = if had_group { "0" } else { config.options.start_at.as_str() };
        let made: Result<Value, _> = redis::cmd("XGROUP")
            .arg("CREATE")
            .arg(stream)
            .arg(group)
            .arg(start_at)
            .arg("MKSTREAM")
            .query_async(&mut self.commands)
            .await;
        match made {
            Ok(_) if had_group => {
                let message = format!(
                    "redis has forgotten consumer group {group:?} of {stream:?}: it was emptied, or somebody removed the \
                     group; it is made anew and begins with the first entry that is there"
                );
                self.task.tell_error(Code::RedisReset, message);
            }
            Ok(_) => {}
            Err(error) if error.code() == Some("BUSYGROUP") => {}
            // Somebody else may have made it: reading tells.
            Err(error) if error.code() == Some("NOPERM") && !had_group => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl Task {
    /// What this consumer was given and has not acknowledged, from before a restart or a lost connection.
    async fn take_up(&self, reader: &mut MultiplexedConnection) -> Result<(), RedisError> {
        self.work.begin_look();
        let mut after = "0".to_owned();
        loop {
            let room = self.room().await;
            let entries = self.read_group(reader, &after, room).await?;
            self.had_group.set(true);
            let Some(last) = entries.last.clone() else {
                self.work.end_look();
                self.taken_up.set(true);
                return Ok(());
            };
            after = last;
            self.accept(entries);
        }
    }

    async fn read(&self, reader: &mut MultiplexedConnection) -> Result<Infallible, RedisError> {
        let mut look_at = Instant::now() + LOOK_AGAIN;
        loop {
            let room = self.room().await;
            let entries = self.read_group(reader, ">", room).await?;
            self.accept(entries);
            // A late packet of a connection that is gone may have been given entries, and what was claimed may be deleted.
            if Instant::now() >= look_at {
                self.take_up(reader).await?;
                look_at = Instant::now() + LOOK_AGAIN;
            }
        }
    }

    pub(super) fn accept(&self, entries: Entries) {
        for entry in entries.there {
            self.work.give(entry);
        }
        // Nobody can handle what somebody has deleted.
        for id in entries.deleted.into_iter().filter(|id| !self.work.is_in_hand(id)) {
            self.work.handled(id);
        }
    }

    /// Waits until half of what may wait for the handler has been taken, then says how many entries may come. Once the
    /// consumer stops, there is no room.
    async fn room(&self) -> usize {
        loop {
            let (waiting, most) = (self.work.waiting(), self.config.options.batch_size);
            let is_settling = self.work.unsettled() < most.max(UNSETTLED);
            if *self.phase.borrow() == Phase::Running && waiting <= most / 2 && is_settling {
                return most - waiting;
            }
            self.work.taken.notified().await;
        }
    }

    async fn read_group(
        &self,
        reader: &mut MultiplexedConnection,
        after: &str,
        count: usize,
    ) -> Result<Entries, RedisError> {
        let wait = LONGEST_WAIT.min(self.config.patience() / 2).max(Duration::from_millis(1));
        let mut command = redis::cmd("XREADGROUP");
        command.arg("GROUP").arg(&self.config.group).arg(&self.config.consumer).arg("COUNT").arg(count);
        if after == ">" {
            command.arg("BLOCK").arg(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        }
        command.arg("STREAMS").arg(&self.config.redis.stream).arg(after);
        reply::of_read(command.query_async(reader).await?)
    }
}
