//! Tells Redis what became of entries: acknowledged, or moved to the dead-letter stream.

use std::convert::Infallible;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use tokio::time::{Instant, sleep_until};

use super::care::Pending;
use super::session::{explain, is_refusal, lacks_group};
use super::work::DeadLetter;
use super::{ConsumerNotice, Task};

/// Entries that one acknowledgement names at most.
const AT_A_TIME: usize = 500;
/// How often a dead letter that was refused is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What has become of a dead letter.
enum Burial {
    Written,
    /// The entry is no longer ours.
    NotOurs,
    /// It has to be tried again.
    Overtaken,
}

impl Task {
    pub(super) async fn settle(&self, mut commands: MultiplexedConnection) -> Result<Infallible, RedisError> {
        let mut retry_at = Instant::now();
        loop {
            self.acknowledge(&mut commands).await?;
            if Instant::now() >= retry_at && !self.bury_all(&mut commands).await? {
                retry_at = Instant::now() + RETRY;
            }
            let waits = self.work.letter().is_some();
            tokio::select! {
                () = self.work.settled.notified() => {}
                () = sleep_until(retry_at), if waits => {}
            }
        }
    }

    async fn acknowledge(&self, commands: &mut MultiplexedConnection) -> Result<(), RedisError> {
        loop {
            let ids = self.work.to_acknowledge(AT_A_TIME);
            if ids.is_empty() {
                return Ok(());
            }
            let mut command = redis::cmd("XACK");
            command.arg(&self.config.redis.stream).arg(&self.config.group).arg(&ids);
            command.query_async::<()>(commands).await?;
            self.work.acknowledged(&ids);
        }
    }

    /// Writes dead letters until one is refused: what refuses one refuses all. False where that happened.
    async fn bury_all(&self, commands: &mut MultiplexedConnection) -> Result<bool, RedisError> {
        while let Some(letter) = self.work.letter() {
            match self.bury(commands, &letter).await {
                Ok(Burial::Written) => {
                    self.work.buried();
                    let DeadLetter { entry, code, reason, attempts, .. } = letter;
                    let (message_id, code) = (entry.id, code.as_str());
                    self.handover.tell(ConsumerNotice::Dead { message_id, code, reason, attempts });
                }
                Ok(Burial::NotOurs) => self.work.buried(),
                Ok(Burial::Overtaken) => {}
                Err(error) if is_refusal(&error) && !lacks_group(&error) => {
                    let stream = dead_letters(&self.config.redis.stream);
                    let reason = explain(&error);
                    self.tell_once(format!(
                        "no dead letter can be written to {stream}: {reason}; such entries stay unacknowledged, and \
                         writing them is tried again"
                    ));
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Moves an entry, unless another consumer has taken it over, or this was done before and the reply was lost. What is
    /// nobody's (the server was emptied, the entry deleted) has a letter all the same.
    ///
    /// Redis does not roll back: the acknowledgement would stand even where the letter could not be written. So what its
    /// key holds is looked at, and watched.
    async fn bury(
        &self,
        commands: &mut MultiplexedConnection,
        letter: &DeadLetter,
    ) -> Result<Burial, RedisError> {
        let (stream, group) = (&self.config.redis.stream, &self.config.group);
        let DeadLetter { entry, code, reason, attempts, sent } = letter;
        let id = &entry.id;
        let pending: Vec<Pending> = redis::cmd("XPENDING")
            .arg(stream)
            .arg(group)
            .arg(id)
            .arg(id)
            .arg(1)
            .query_async(commands)
            .await?;
        match pending.first() {
            Some((_, owner, ..)) if *owner != self.config.consumer => return Ok(Burial::NotOurs),
            None if *sent => return Ok(Burial::Written),
            _ => {}
        }
        let key = dead_letters(stream);
        redis::cmd("WATCH").arg(&key).query_async::<()>(commands).await?;
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(commands).await?;
        if !matches!(kind.as_str(), "none" | "stream") {
            redis::cmd("UNWATCH").query_async::<()>(commands).await?;
            return Err(redis::make_extension_error("WRONGTYPE".into(), Some(key)));
        }
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        pipeline.cmd("XADD").arg(&key).arg("*");
        let attempts = attempts.to_string();
        let ours = [
            ("dead_entry_id", id.as_str()),
            ("dead_group", group),
            ("dead_consumer", &self.config.consumer),
            ("dead_attempts", &attempts),
            ("dead_code", code.as_str()),
            ("dead_reason", reason),
        ];
        for (name, value) in ours {
            pipeline.arg(name).arg(value);
        }
        for (name, value) in &entry.fields {
            pipeline.arg(name.as_slice()).arg(value.as_slice());
        }
        pipeline.cmd("XACK").arg(stream).arg(group).arg(id);
        self.work.letter_is_sent();
        // Nothing where somebody else has written a letter meanwhile.
        let done: Option<Value> = pipeline.query_async(commands).await?;
        Ok(if done.is_some() { Burial::Written } else { Burial::Overtaken })
    }
}

/// Beside the stream, in its slot of a cluster.
fn dead_letters(stream: &str) -> String {
    // A hash tag inside the stream's name stays the tag.
    if stream.contains('{') { format!("{stream}:dead") } else { format!("{{{stream}}}:dead") }
}

#[cfg(test)]
mod tests {
    #[test]
    fn dead_letters_lie_in_the_streams_slot() {
        assert_eq!(super::dead_letters("aw:hotplug"), "{aw:hotplug}:dead");
        assert_eq!(super::dead_letters("{usb}:events"), "{usb}:events:dead");
    }
}
