//! One connection's life: finds out what has been published, publishes what waits, and looks after the stream.

use std::collections::HashSet;
use std::time::Duration;

use redis::{RedisError, Value};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

use super::fence::{Encoded, Fence, Ground, Guarantee, Outcome, beside};
use super::presence::Presence;
use super::search;
use super::task::{Destination, RETRY, Task};
use super::trimming::{self, Trimmed};
use super::{explain, groups};
use crate::config::OnReset;
use crate::error::{Code, Error};
use crate::event::EventId;
use crate::onlooker::Fact;
use crate::outbox::Placed;
use crate::producer;
use crate::redis_connection;

/// The watermark of an outbox in memory: nobody asks for it once its daemon has ended.
pub(crate) const EXPIRES: Duration = Duration::from_secs(7 * 24 * 3600);
/// How often such a watermark is set anew while nothing is published.
const REFRESH: Duration = Duration::from_secs(24 * 3600);
/// Publishing gets its turn between two rounds of trimming.
const BETWEEN_TRIMS: Duration = Duration::from_millis(10);
/// After so many beats without an event in between they come half as often.
const QUIET: u32 = 2;
/// Events that are looked for in the stream at a time.
const PAGE: usize = 500;

/// Publishes over one connection until that fails or the daemon stops.
pub(super) struct Session<'a> {
    task: &'a Task,
    destination: &'a Destination,
    fence: Fence,
    presence: &'a mut Presence,
    beat_at: Instant,
    /// How many beats in a row had nothing published before them.
    quiet: u32,
    refresh_at: Instant,
    /// The batch after the one that was sent last, made ready while that was under way.
    next: Option<Encoded>,
    /// What Redis has acknowledged and has not been told: that is done while the next batch is under way.
    unsettled: Option<(Vec<Placed>, Vec<String>)>,
}

impl<'a> Session<'a> {
    pub(super) async fn open(
        task: &'a Task,
        destination: &'a Destination,
        presence: &'a mut Presence,
    ) -> Result<Self, RedisError> {
        let patience = Duration::from_millis(destination.redis.timeout_ms.into());
        let mut connection = redis_connection::connect(&destination.client, patience).await?;
        // Refusals (NOAUTH, LOADING) come clean here: to a whole batch some servers answer by closing the connection.
        redis::cmd("PING").query_async::<()>(&mut connection).await?;
        let producer = task.outbox.borrow().series().producer;
        let fence = Fence::raise(connection, ground(task, destination, &producer)).await?;
        let now = Instant::now();
        let mut session = Self {
            task,
            destination,
            fence,
            presence,
            beat_at: now,
            quiet: 0,
            refresh_at: now,
            next: None,
            unsettled: None,
        };
        session.reconcile().await?;
        if session.guarantee() == Guarantee::AtLeastOnce {
            session.tell_at_least_once();
        }
        Ok(session)
    }

    pub(super) fn guarantee(&self) -> Guarantee {
        self.fence.guarantee()
    }

    /// When the connection is to be looked after, whether or not there are events.
    pub(super) fn next_beat(&self) -> Instant {
        self.beat_at
    }

    pub(super) async fn leave(&mut self) {
        settle_last(self.task, &mut self.unsettled);
        self.presence.leave(self.fence.connection()).await;
    }

    /// Publishes one batch, if anything waits, and looks after the stream when it is time.
    pub(super) async fn turn(&mut self) -> Result<(), RedisError> {
        let encoded = self.batch().await;
        if let Some(last) = encoded.batch.last() {
            self.quiet = 0;
            let sent = self.task.sent.replace(self.task.sent.get().max(last.event.seq));
            let before = self.guarantee();
            let outcome =
                self.send(&encoded).await.inspect_err(|error| note_failed(&encoded.batch, error))?;
            if matches!(outcome, Outcome::Overtaken) {
                // It has not arrived: what the watermark says of its numbers is about somebody else's events.
                self.task.sent.set(sent);
            }
            self.task.pace.borrow_mut().spend(encoded.batch.len());
            let watermark = (self.guarantee(), self.fence.watermark());
            match outcome {
                Outcome::Published(stream_ids)
                    if self.next.is_some()
                        && watermark
                            == (Guarantee::ExactlyOnce, encoded.batch.last().map(|last| last.event.seq))
                        && Instant::now() < self.beat_at =>
                {
                    self.unsettled = Some((encoded.batch, stream_ids));
                }
                outcome => {
                    self.next = None;
                    self.settle(&encoded.batch, outcome).await?;
                }
            }
            if self.guarantee() != before {
                self.tell_at_least_once();
                self.task.tell_redis(self.destination, Ok(self.guarantee()));
            }
        }
        if Instant::now() >= self.beat_at {
            self.next = None;
            settle_last(self.task, &mut self.unsettled);
            let has_more_to_trim = self.beat().await?;
            let keepalive = self.destination.config.keepalive;
            let pause = match self.quiet {
                _ if has_more_to_trim => BETWEEN_TRIMS,
                // Whoever looks for signs of life sees one that changes within three of their own beats; whether one that was there
                // still is shows after three of ours.
                QUIET.. if self.presence.is_alone() => keepalive * 2,
                _ => keepalive,
            };
            self.quiet = self.quiet.saturating_add(1);
            self.beat_at = Instant::now() + pause;
        }
        Ok(())
    }

    /// The batch that is to be sent now: the one that is ready, if it still is the next one.
    async fn batch(&mut self) -> Encoded {
        if let Some(next) = self.next.take() {
            let published = self.task.outbox.borrow().published_place();
            let settled = self.unsettled.as_ref().and_then(|(batch, _)| batch.last());
            let before = settled.map_or(published, |placed| placed.position.max(published));
            let is_next = next.batch.first().is_some_and(|placed| placed.position == before + 1);
            if is_next && next.guarantee == self.guarantee() {
                return next;
            }
        }
        settle_last(self.task, &mut self.unsettled);
        let room = if self.task.outbox.borrow().waiting() > 0 { self.task.room().await } else { 0 };
        let batch = self.task.outbox.borrow_mut().batch(room);
        self.task.tell_faults();
        if batch.is_empty() && self.task.outbox.borrow().waiting() > 0 {
            // The file cannot be read just now, and that has been told.
            sleep(RETRY).await;
        }
        self.fence.encoder().encode(batch)
    }

    /// Sends a batch. While it is under way the one before is settled, and the one after made ready.
    async fn send(&mut self, encoded: &Encoded) -> Result<Outcome, RedisError> {
        let place = encoded.batch.last().map_or(0, |placed| placed.position);
        let making_ready = self.fence.encoder();
        let Self { task, fence, next, unsettled, .. } = self;
        let meanwhile = async {
            // The connection's own task writes the batch first.
            yield_now().await;
            settle_last(task, unsettled);
            let room = task.room_without_wait();
            if room > 0 {
                let batch = task.outbox.borrow_mut().following(place, room);
                // One that has room left takes what comes until it is its turn.
                *next = (batch.len() == room).then(|| making_ready.encode(batch));
            }
        };
        tokio::join!(fence.publish(encoded), meanwhile).0
    }

    /// What has to be done now and then, and shows whether the connection still stands. True where the stream is still longer
    /// than it may be and no group is in the way.
    async fn beat(&mut self) -> Result<bool, RedisError> {
        let mut has_more_to_trim = false;
        let mut pipeline = redis::pipe();
        groups::ask(&mut pipeline, &self.destination.redis.stream);
        self.presence.ask(&mut pipeline);
        let mut replies = self.fence.send(&pipeline).await?.into_iter();
        let groups = groups::read(replies.next().unwrap_or(Value::Nil));
        self.task.hub.note(&Fact::Groups(&groups));
        let faults = self.presence.take(self.fence.connection(), replies).await?;
        // Whoever hears of one is to find it there.
        self.task.hub.set_other_producers(self.presence.others());
        for fault in faults {
            self.task.tell_error(fault);
        }
        if let Some(maxlen) = self.destination.redis.maxlen {
            let stream = &self.destination.redis.stream;
            match trimming::trim(self.fence.connection(), stream, maxlen).await {
                Ok(Trimmed { lag, has_more }) => {
                    self.task.tell_lag(lag, maxlen);
                    has_more_to_trim = has_more;
                }
                Err(error) if error.code().is_some() => self.task.tell_untrimmed(&error),
                Err(error) => return Err(error),
            }
        }
        if self.task.outbox.borrow().is_in_memory() && Instant::now() >= self.refresh_at {
            self.refresh_at = Instant::now() + REFRESH;
            let published = self.task.outbox.borrow().published_seq();
            self.fence.set(published).await?;
            self.reconcile().await?;
        }
        Ok(has_more_to_trim)
    }

    fn tell_at_least_once(&self) {
        let message = format!(
            "this user may not keep a watermark beside the stream, so an event whose reply is lost is published again: \
             grant it ~{} with WATCH, GET, SET, MULTI and EXEC",
            beside(&self.destination.redis.stream, "*")
        );
        self.task.tell_error(Error::new(Code::AtLeastOnce, message));
    }

    async fn settle(&mut self, batch: &[Placed], outcome: Outcome) -> Result<(), RedisError> {
        match outcome {
            Outcome::Published(stream_ids) => {
                self.task.published(batch, stream_ids, self.guarantee());
                let expected = batch.last().map(|placed| placed.event.seq);
                if self.fence.guarantee() == Guarantee::ExactlyOnce && self.fence.watermark() != expected {
                    self.reconcile().await?;
                }
                Ok(())
            }
            Outcome::Overtaken => self.reconcile().await,
            Outcome::Refused { stream_ids, error, set_back } => {
                let published = stream_ids.len();
                self.task.published(&batch[..published], stream_ids, self.guarantee());
                if !set_back && let Some(last) = batch.last() {
                    // The next connection has to know, or it would take the rest for published.
                    let right = self.task.outbox.borrow().published_seq();
                    self.task.wrong_watermark.set(Some((last.event.seq, right)));
                }
                note_failed(&batch[published..], &error);
                Err(error)
            }
        }
    }

    /// Compares what the server says has been published with what the outbox knows.
    async fn reconcile(&mut self) -> Result<(), RedisError> {
        loop {
            if self.guarantee() == Guarantee::AtLeastOnce {
                return Ok(());
            }
            let (published, known) = {
                let outbox = self.task.outbox.borrow();
                (outbox.published_seq(), outbox.opened_seq().max(self.task.sent.get()))
            };
            let is_unfenced = self.task.outbox.borrow().is_unfenced();
            let wanted = match self.fence.watermark() {
                // What was published without the right to a watermark is published all the same.
                _ if is_unfenced => published,
                None if published == 0 => 0,
                None if self.knows(published).await? => published,
                None => self.forgotten(published),
                Some(found) => match self.task.wrong_watermark.get() {
                    Some((wrong, right)) if wrong == found => right,
                    _ if found > known => {
                        self.begin_series(found, known).await?;
                        continue;
                    }
                    _ if found > published => {
                        self.catch_up(found).await?;
                        break;
                    }
                    _ => {
                        if found < published {
                            self.fallen_back(found, published);
                        }
                        break;
                    }
                },
            };
            self.fence.set(wanted).await?;
            if self.fence.watermark() == Some(wanted) {
                if is_unfenced {
                    self.task.outbox.borrow_mut().set_unfenced(false);
                }
                break;
            }
        }
        // Whatever was wrong is right by now.
        self.task.wrong_watermark.set(None);
        self.task.outbox.borrow_mut().trust();
        Ok(())
    }

    /// Whether the event with this number is in the stream, though the watermark is not there: it has expired, or was evicted.
    async fn knows(&mut self, published: u64) -> Result<bool, RedisError> {
        let producer = self.task.outbox.borrow().series().producer;
        let wanted = EventId { producer: &producer, seq: published }.to_string();
        let stream = &self.destination.redis.stream;
        let found = search::find(self.fence.connection(), stream, HashSet::from([wanted])).await?;
        if !found.is_empty() {
            tracing::warn!(
                watermark = beside(stream, &producer),
                "the watermark was gone from redis (evicted, or expired) and is set again"
            );
        }
        Ok(!found.is_empty())
    }

    /// The server knows nothing of this producer, though it had taken its events. Gives the watermark to go on with.
    fn forgotten(&self, published: u64) -> u64 {
        let replay = self.destination.redis.on_reset == OnReset::Replay;
        let (again, next) =
            if replay { (self.task.outbox.borrow_mut().rewind(0), 0) } else { (0, published) };
        let what = if replay {
            format!("{again} events that are kept are published again (redis.on_reset is replay)")
        } else {
            "going on with the next event (redis.on_reset: 'replay' publishes again what is kept)".to_owned()
        };
        let message = format!(
            "redis has forgotten that it had taken events up to number {published}: it was emptied, or this is another \
             server; {what}"
        );
        self.task.tell_error(Error::new(Code::RedisReset, message));
        next
    }

    /// The server has lost the last events that it had acknowledged.
    fn fallen_back(&self, found: u64, published: u64) {
        let again = self.task.outbox.borrow_mut().rewind(found);
        let message = format!(
            "redis has lost events {} to {published}, which it had acknowledged (a failover, or a file that is written \
             once a second): {again} that are kept are published again",
            found + 1
        );
        self.task.tell_error(Error::new(Code::RedisReset, message));
    }

    /// Replies were lost: the events up to `watermark` are in the stream already.
    async fn catch_up(&mut self, watermark: u64) -> Result<(), RedisError> {
        loop {
            let batch: Vec<Placed> = {
                let batch = self.task.outbox.borrow_mut().batch(PAGE);
                batch.into_iter().take_while(|placed| placed.event.seq <= watermark).collect()
            };
            if batch.is_empty() {
                return Ok(());
            }
            let wanted = batch.iter().map(|placed| placed.event.event_id()).collect();
            let stream = &self.destination.redis.stream;
            // They are published, whether or not their IDs can be had.
            let mut found = search::find(self.fence.connection(), stream, wanted).await?;
            let stream_ids = batch
                .iter()
                .map(|placed| found.remove(&placed.event.event_id()).unwrap_or_default())
                .collect();
            self.task.published(&batch, stream_ids, self.guarantee());
        }
    }

    /// The outbox has gone back in time, or has a twin: its next numbers have been given before.
    async fn begin_series(&mut self, found: u64, known: u64) -> Result<(), RedisError> {
        let Ok(producer) = producer::random() else {
            return Err((redis::ErrorKind::Io, "the kernel gives no random number").into());
        };
        let before = self.task.outbox.borrow().series().producer;
        self.task.outbox.borrow_mut().begin_series(&producer, &self.task.intake);
        self.task.sent.set(0);
        // First of all: under the old name our sign and a twin's would be one.
        self.presence.rename(&producer);
        let message = format!(
            "the outbox has gone back in time, or another daemon has a copy of it: redis has event {found} of producer \
             {before}, the outbox knew of {known}; going on as producer {producer}, with event 1"
        );
        self.task.tell_error(Error::new(Code::Outbox, message));
        let mut connection = self.fence.connection().clone();
        redis::cmd("UNWATCH").query_async::<()>(&mut connection).await?;
        self.fence = Fence::raise(connection, ground(self.task, self.destination, &producer)).await?;
        Ok(())
    }
}

fn settle_last(task: &Task, unsettled: &mut Option<(Vec<Placed>, Vec<String>)>) {
    if let Some((batch, stream_ids)) = unsettled.take() {
        task.published(&batch, stream_ids, Guarantee::ExactlyOnce);
    }
}

/// Events that are tried again, or found in the stream where only the reply was lost.
fn note_failed(batch: &[Placed], error: &RedisError) {
    for placed in batch {
        tracing::debug!(
            event_id = placed.event.event_id(),
            step = "publish",
            reason = explain(error),
            "failed"
        );
    }
}

fn ground(task: &Task, destination: &Destination, producer: &str) -> Ground {
    Ground {
        stream: destination.redis.stream.clone(),
        producer: producer.to_owned(),
        host: destination.config.host.clone(),
        expires: task.outbox.borrow().is_in_memory().then_some(EXPIRES),
        traces: destination.config.traces,
    }
}
