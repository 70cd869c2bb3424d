//! The fence: publishes a batch exactly once, whatever becomes of replies and connections.
//!
//! Beside the stream lies a watermark: the number of the producer's last event there. A batch is one transaction that
//! adds its entries and moves the watermark, and it takes place only if nobody has moved the watermark since this
//! connection last looked (WATCH). So a packet of a dead connection that arrives late finds the fence moved, or moves
//! it first and is seen. The look for the next batch travels with this one: one round trip for each batch.
//!
//! This holds as long as one batch is under way, and nothing is sent after a refused one before the watermark has been
//! looked at. Redis does not roll back: where a command inside the transaction fails, its watermark is set back.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, Pipeline, RedisError, Value};
use serde::Serialize;

use crate::outbox::Placed;
use crate::publisher::Entries;
use crate::telemetry::Sampler;

/// Arguments that there is room for to begin with: the command's own, and names and values of the 24 fields at the most.
const ARGUMENTS: usize = 3 + 2 * 24;
/// Bytes of an entry that there is room for to begin with: few need more.
const ENTRY: usize = 768;

/// How often an event may get into the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guarantee {
    /// Once.
    ExactlyOnce,
    /// Once, and again where a reply was lost: the user may not keep a watermark.
    AtLeastOnce,
}

/// What has become of a batch.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// These IDs, one for each event.
    Published(Vec<String>),
    /// Nothing was added: the watermark has moved since the last look.
    Overtaken,
    /// The first events were added with these IDs, then one was refused. `set_back` says whether the watermark is right.
    Refused { stream_ids: Vec<String>, error: RedisError, set_back: bool },
}

/// What a fence stands around.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    pub(crate) stream: String,
    pub(crate) producer: String,
    pub(crate) host: String,
    /// A watermark that nobody will ask for again expires.
    pub(crate) expires: Option<Duration>,
    /// Which events are traced; none if absent.
    pub(crate) traces: Option<Sampler>,
}

impl Ground {
    /// The watermark's key, in the same slot of a cluster as the stream.
    fn key(&self) -> String {
        beside(&self.stream, &self.producer)
    }

    fn move_to(&self, pipeline: &mut Pipeline, seq: u64) {
        pipeline.cmd("SET").arg(self.key()).arg(seq);
        if let Some(expires) = self.expires {
            pipeline.arg("EX").arg(expires.as_secs());
        }
    }
}

/// A key of a producer's beside the stream, in its slot of a cluster.
pub(crate) fn beside(stream: &str, what: &str) -> String {
    // A hash tag inside the stream's name stays the tag.
    if stream.contains('{') {
        format!("{stream}:producer:{what}")
    } else {
        format!("{{{stream}}}:producer:{what}")
    }
}

/// Makes batches ready to be sent. That needs no connection, and so can be done while another one is under way.
pub(crate) struct Encoder {
    ground: Arc<Ground>,
    guarantee: Guarantee,
}

impl Encoder {
    /// Makes a batch ready.
    pub(crate) fn encode(&self, batch: Vec<Placed>) -> Encoded {
        let mut pipeline = Pipeline::with_capacity(batch.len() + 5);
        match batch.last() {
            Some(last) if self.guarantee == Guarantee::ExactlyOnce => {
                pipeline.cmd("MULTI");
                self.add(&mut pipeline, &batch);
                self.ground.move_to(&mut pipeline, last.event.seq);
                pipeline.cmd("EXEC");
                look(&mut pipeline, &self.ground.key());
            }
            _ => self.add(&mut pipeline, &batch),
        }
        Encoded { batch, pipeline, guarantee: self.guarantee }
    }

    fn add(&self, pipeline: &mut Pipeline, batch: &[Placed]) {
        let mut entries = Entries::new(&self.ground.host, self.ground.traces);
        for placed in batch {
            let mut add = Cmd::with_capacity(ARGUMENTS, self.ground.stream.len() + ENTRY);
            add.arg("XADD").arg(&self.ground.stream).arg("*");
            entries.give(&placed.event, |field, value| {
                add.arg(field).arg(value);
            });
            pipeline.add_command(add);
        }
    }
}

/// A batch that is ready to be sent.
pub(crate) struct Encoded {
    pub(crate) batch: Vec<Placed>,
    pipeline: Pipeline,
    /// What it was made for.
    pub(crate) guarantee: Guarantee,
}

pub(crate) struct Fence {
    connection: MultiplexedConnection,
    ground: Arc<Ground>,
    guarantee: Guarantee,
    watermark: Option<u64>,
}

impl Fence {
    /// Looks at the watermark, and whether the stream's key can hold a stream.
    pub(crate) async fn raise(connection: MultiplexedConnection, ground: Ground) -> Result<Self, RedisError> {
        let mut fence =
            Self { connection, ground: Arc::new(ground), guarantee: Guarantee::ExactlyOnce, watermark: None };
        let mut pipeline = redis::pipe();
        pipeline.cmd("TYPE").arg(&fence.ground.stream);
        look(&mut pipeline, &fence.ground.key());
        let replies = fence.send(&pipeline).await?;
        match &replies[0] {
            Value::SimpleString(kind) if !matches!(kind.as_str(), "none" | "stream") => {
                return Err(wrong_type(&fence.ground.stream));
            }
            _ => {}
        }
        fence.note_look(&replies[1..])?;
        Ok(fence)
    }

    pub(crate) fn guarantee(&self) -> Guarantee {
        self.guarantee
    }

    pub(crate) fn watermark(&self) -> Option<u64> {
        self.watermark
    }

    pub(crate) fn connection(&mut self) -> &mut MultiplexedConnection {
        &mut self.connection
    }

    /// Moves the watermark to `seq`, unless it has moved by itself; either way it has been looked at again.
    pub(crate) async fn set(&mut self, seq: u64) -> Result<bool, RedisError> {
        if self.guarantee == Guarantee::AtLeastOnce {
            return Ok(true);
        }
        let mut pipeline = redis::pipe();
        pipeline.cmd("MULTI");
        self.ground.move_to(&mut pipeline, seq);
        pipeline.cmd("EXEC");
        look(&mut pipeline, &self.ground.key());
        let replies = self.send(&pipeline).await?;
        let (transaction, seen) = replies.split_at(3);
        if let Some(error) = transaction.iter().find_map(server_error) {
            if is_forbidden(&error) {
                self.guarantee = Guarantee::AtLeastOnce;
                return Ok(true);
            }
            return Err(error);
        }
        self.note_look(seen)?;
        Ok(transaction[2] != Value::Nil)
    }

    /// What makes batches ready, as the connection is now.
    pub(crate) fn encoder(&self) -> Encoder {
        Encoder { ground: Arc::clone(&self.ground), guarantee: self.guarantee }
    }

    /// Adds the batch's entries.
    pub(crate) async fn publish(&mut self, encoded: &Encoded) -> Result<Outcome, RedisError> {
        let Encoded { batch, pipeline, guarantee } = encoded;
        if batch.is_empty() {
            return Ok(Outcome::Published(Vec::new()));
        }
        let mut replies = self.send(pipeline).await?;
        if *guarantee == Guarantee::AtLeastOnce {
            return Ok(outcome_of(replies, true));
        }
        let seen = replies.split_off(batch.len() + 3);
        let exec = replies.pop().unwrap_or(Value::Nil);
        let queued = replies;
        if let Some(error) = server_error(&queued[0]) {
            // The right to MULTI has been taken away since the fence was raised: each command stood for itself.
            self.guarantee = Guarantee::AtLeastOnce;
            return Ok(match outcome_of(queued.into_iter().skip(1).take(batch.len()), true) {
                Outcome::Refused { stream_ids, .. } => Outcome::Refused { stream_ids, error, set_back: true },
                outcome => outcome,
            });
        }
        if server_error(&queued[batch.len() + 1]).is_some_and(|error| is_forbidden(&error)) {
            // It may look at the watermark and not move it. Nothing was added.
            self.guarantee = Guarantee::AtLeastOnce;
            return Ok(Outcome::Overtaken);
        }
        if let Some(error) = queued.iter().chain([&exec]).find_map(server_error) {
            return Err(error);
        }
        self.note_look(&seen)?;
        let Value::Array(replies) = exec else { return Ok(Outcome::Overtaken) };
        let outcome = outcome_of(replies.into_iter().take(batch.len()), false);
        let Outcome::Refused { stream_ids, error, .. } = outcome else { return Ok(outcome) };
        let right = match stream_ids.len().checked_sub(1) {
            Some(last) => batch[last].event.seq,
            None => batch[0].event.seq - 1,
        };
        let set_back = self.set(right).await.unwrap_or(false);
        Ok(Outcome::Refused { stream_ids, error, set_back })
    }

    /// One reply for each command, refusals among them.
    pub(crate) async fn send(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, RedisError> {
        let count = pipeline.cmd_iter().count();
        let replies = self.connection.send_packed_commands(pipeline, 0, count).await?;
        if replies.len() == count {
            return Ok(replies);
        }
        Err((ErrorKind::UnexpectedReturnType, "wrong number of replies", replies.len().to_string()).into())
    }

    fn note_look(&mut self, replies: &[Value]) -> Result<(), RedisError> {
        if let Some(error) = replies.iter().find_map(server_error) {
            if is_forbidden(&error) {
                self.guarantee = Guarantee::AtLeastOnce;
                self.watermark = None;
                return Ok(());
            }
            return Err(error);
        }
        self.watermark =
            redis::from_redis_value(replies[1].clone()).map_err(|_| wrong_type(&self.ground.key()))?;
        Ok(())
    }
}

/// As Redis itself would say it of a command that needs another type.
fn wrong_type(key: &str) -> RedisError {
    redis::make_extension_error("WRONGTYPE".into(), Some(key.to_owned()))
}

/// WATCH first: what is read after it is what the next transaction rests on.
fn look(pipeline: &mut Pipeline, key: &str) {
    pipeline.cmd("WATCH").arg(key);
    pipeline.cmd("GET").arg(key);
}

/// IDs up to the first refusal.
fn outcome_of(replies: impl IntoIterator<Item = Value>, set_back: bool) -> Outcome {
    let replies = replies.into_iter();
    let mut stream_ids = Vec::with_capacity(replies.size_hint().0);
    for reply in replies {
        if let Some(error) = server_error(&reply) {
            return Outcome::Refused { stream_ids, error, set_back };
        }
        match redis::from_redis_value(reply) {
            Ok(stream_id) => stream_ids.push(stream_id),
            Err(error) => return Outcome::Refused { stream_ids, error: error.into(), set_back },
        }
    }
    Outcome::Published(stream_ids)
}

fn server_error(reply: &Value) -> Option<RedisError> {
    if let Value::ServerError(error) = reply { Some(error.clone().into()) } else { None }
}

fn is_forbidden(error: &RedisError) -> bool {
    error.code() == Some("NOPERM")
}
