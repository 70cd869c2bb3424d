//! Presence: whether another daemon publishes this machine's events to the same stream, which would double each.
//!
//! Each producer writes a sign of life, under the kernel's boot ID, because two containers of one machine hear the same
//! bus whatever they are called. Somebody is there only if the sign changes while we look: what a daemon that was
//! killed has left behind proves nothing.

use std::collections::{BTreeMap, HashMap};

use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, Value};

use super::fence::beside;
use crate::error::{Code, Error};
use crate::platform::machine::since_boot;

/// Signs that nobody has renewed for so long are cleared away.
const EXPIRES_S: u64 = 3600;
/// So many looks without a change, and the other one is gone.
const PATIENCE: u32 = 3;

/// Our sign of life, and what is known of others.
pub(super) struct Presence {
    key: String,
    producer: String,
    sign: String,
    seen: HashMap<String, Seen>,
    forbidden: bool,
}

struct Seen {
    sign: String,
    unchanged: u32,
    live: bool,
}

impl Presence {
    pub(super) fn new(stream: &str, boot_id: &str, producer: &str, host: &str) -> Self {
        Self {
            key: beside(stream, &format!("live:{boot_id}")),
            producer: producer.to_owned(),
            sign: format!("process {} on {host}", std::process::id()),
            seen: HashMap::new(),
            forbidden: boot_id.is_empty(),
        }
    }

    /// We publish as another producer from now on.
    pub(super) fn rename(&mut self, producer: &str) {
        producer.clone_into(&mut self.producer);
    }

    /// Whether no other producer is known to be alive.
    pub(super) fn is_alone(&self) -> bool {
        !self.seen.values().any(|seen| seen.live)
    }

    /// Producers that are alive beside us, with what they say of themselves.
    pub(super) fn others(&self) -> BTreeMap<String, String> {
        self.seen
            .iter()
            .filter(|(_, seen)| seen.live)
            .map(|(producer, seen)| (producer.clone(), who(&seen.sign).to_owned()))
            .collect()
    }

    /// Gives our sign and asks for others; where that is not allowed, it only sees whether the server answers.
    pub(super) fn ask(&self, pipeline: &mut Pipeline) {
        if self.forbidden {
            pipeline.cmd("PING");
            return;
        }
        let now = since_boot();
        let sign = format!("{}.{:09} {}", now.as_secs(), now.subsec_nanos(), self.sign);
        pipeline.cmd("HSET").arg(&self.key).arg(&self.producer).arg(sign);
        pipeline.cmd("EXPIRE").arg(&self.key).arg(EXPIRES_S);
        pipeline.cmd("HGETALL").arg(&self.key);
    }

    /// Takes the answers. Gives what is to be told of others that have turned out to be alive.
    pub(super) async fn take(
        &mut self,
        connection: &mut MultiplexedConnection,
        replies: impl Iterator<Item = Value>,
    ) -> Result<Vec<Error>, RedisError> {
        let now = since_boot().as_secs().cast_signed();
        let signs = match replies.last() {
            Some(Value::ServerError(error)) if self.forbidden => return Err(error.into()),
            _ if self.forbidden => return Ok(Vec::new()),
            Some(Value::ServerError(error)) => {
                tracing::info!(%error, "whether another daemon publishes the same cannot be seen");
                self.forbidden = true;
                return Ok(Vec::new());
            }
            reply => redis::from_redis_value::<HashMap<String, String>>(reply.unwrap_or(Value::Nil))?,
        };
        let stale: Vec<&String> = signs
            .iter()
            .filter(|(_, sign)| seconds(sign).is_none_or(|then| then + EXPIRES_S.cast_signed() < now))
            .map(|(producer, _)| producer)
            .collect();
        if !stale.is_empty() {
            redis::cmd("HDEL").arg(&self.key).arg(stale).query_async::<()>(connection).await?;
        }
        Ok(self.note(signs))
    }

    fn note(&mut self, signs: HashMap<String, String>) -> Vec<Error> {
        self.seen.retain(|producer, _| signs.contains_key(producer));
        let mut faults = Vec::new();
        for (producer, sign) in signs.into_iter().filter(|(producer, _)| *producer != self.producer) {
            let Some(seen) = self.seen.get_mut(&producer) else {
                self.seen.insert(producer, Seen { sign, unchanged: 0, live: false });
                continue;
            };
            if seen.sign == sign {
                seen.unchanged += 1;
                seen.live &= seen.unchanged < PATIENCE;
                continue;
            }
            if !std::mem::replace(&mut seen.live, true) {
                let message = format!(
                    "another daemon publishes the events of this machine to the same stream, so each is there twice: \
                     {}, producer {producer}; stop one of them, or give it redis: false or another redis.stream",
                    who(&sign)
                );
                faults.push(Error::new(Code::SecondProducer, message));
            }
            (seen.sign, seen.unchanged) = (sign, 0);
        }
        faults
    }

    /// Takes our sign away.
    pub(super) async fn leave(&self, connection: &mut MultiplexedConnection) {
        if !self.forbidden {
            let mut leave = redis::cmd("HDEL");
            leave.arg(&self.key).arg(&self.producer);
            // What stays behind no longer changes, and expires.
            let _ = leave.query_async::<()>(connection).await;
        }
    }
}

fn seconds(sign: &str) -> Option<i64> {
    sign.split('.').next()?.parse().ok()
}

fn who(sign: &str) -> &str {
    sign.split_once(' ').map_or(sign, |(_, who)| who)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(presence: &mut Presence, sign: &str) -> usize {
        presence.note(HashMap::from([("other".to_owned(), sign.to_owned())])).len()
    }

    #[test]
    fn only_a_sign_that_changes_is_somebody_and_is_told_once() {
        let mut presence = Presence::new("s", "boot", "me", "here");
        assert_eq!(look(&mut presence, "1.0 process 7 on there"), 0, "may have been left behind");
        assert_eq!(look(&mut presence, "1.0 process 7 on there"), 0);
        assert_eq!(look(&mut presence, "6.0 process 7 on there"), 1);
        assert_eq!(look(&mut presence, "11.0 process 7 on there"), 0, "told already");
        assert_eq!(presence.others()["other"], "process 7 on there");
        (0..3).for_each(|_| assert_eq!(look(&mut presence, "11.0 process 7 on there"), 0));
        assert!(presence.others().is_empty(), "gone");
        assert_eq!(look(&mut presence, "99.0 process 7 on there"), 1, "back");
    }
}
