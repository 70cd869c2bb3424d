//! What the publisher's thread does: it stores what has come in, and publishes what is stored.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::{Client, RedisError};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::fence::Guarantee;
use super::pace::{Limits, Pace};
use super::presence::Presence;
use super::session::Session;
use super::{PublisherConfig, Question};
use crate::config::RedisConfig;
use crate::hub::Hub;
use crate::notice::Notice;
use crate::onlooker::Fact;
use crate::outbox::{Intake, Outbox, Placed, Stored};
use crate::redis_connection::{self, LONGEST_PAUSE};

/// How long taking our sign away may take.
const LEAVE: Duration = Duration::from_millis(250);
/// How soon what is not stored yet is stored, or tried again.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// The thread's state.
pub(super) struct Task {
    pub(super) outbox: RefCell<Outbox>,
    pub(super) intake: Arc<Intake>,
    pub(super) hub: Hub,
    pub(super) stopping: watch::Receiver<Option<Instant>>,
    pub(super) limits: watch::Receiver<Limits>,
    pub(super) pace: RefCell<Pace>,
    /// Events have been stored.
    pub(super) stored: Notify,
    /// Number of the last event that this process has sent to Redis.
    pub(super) sent: Cell<u64>,
    /// A watermark that is known to be wrong, and the right one.
    pub(super) wrong_watermark: Cell<Option<(u64, u64)>>,
    /// Redis has acknowledged events.
    pub(super) acknowledged: Notify,
    /// It has been said that the stream cannot be trimmed.
    pub(super) untrimmed: Cell<bool>,
    /// What has been said of the group that is in the way.
    pub(super) lag: RefCell<Option<(String, bool)>>,
}

/// Where and how to publish.
pub(super) struct Destination {
    pub(super) config: PublisherConfig,
    pub(super) redis: Box<RedisConfig>,
    pub(super) client: Client,
}

/// Why the publisher stops working on something.
enum Halt {
    Redis(RedisError),
    Stopped,
}

impl From<RedisError> for Halt {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

/// A loop that only an error ends.
enum Never {}

impl Task {
    /// Stores and publishes until stopped.
    pub(super) async fn run(
        self,
        config: PublisherConfig,
        client: Option<Client>,
        mut questions: UnboundedReceiver<Question>,
    ) {
        let publishing = async {
            match (config.redis.clone(), client) {
                (Some(redis), Some(client)) => self.publish(&Destination { config, redis, client }).await,
                _ => self.until_stopped().await,
            }
        };
        tokio::select! {
            never = self.take_in_forever(&mut questions) => match never {},
            () = publishing => {}
        }
        self.take_in();
        // Who asks from now on is told that nobody answers.
        questions.close();
        while let Ok(question) = questions.try_recv() {
            self.answer(question);
        }
        self.outbox.borrow_mut().save_all();
        self.note_stored();
        self.tell_lost();
        self.tell_faults();
        self.tell_unpublished();
    }

    async fn take_in_forever(&self, questions: &mut UnboundedReceiver<Question>) -> Never {
        loop {
            let retry = async {
                if self.outbox.borrow().has_unsaved() {
                    sleep(RETRY).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = self.intake.arrived() => self.take_in(),
                Some(question) = questions.recv() => {
                    // What has come in before the question is part of the answer.
                    self.take_in();
                    self.answer(question);
                }
                // How far that is has to be stored some time.
                () = self.acknowledged.notified() => {}
                () = retry => {
                    self.outbox.borrow_mut().save_all();
                    self.note_stored();
                    self.tell_lost();
                }
            }
            self.tell_faults();
        }
    }

    fn answer(&self, question: Question) {
        question.answer(|after, limit| self.outbox.borrow().after(after, limit));
    }

    /// Stores what has come in.
    pub(super) fn take_in(&self) {
        let mut taken = self.intake.take();
        if taken.is_empty() {
            return;
        }
        let answers = std::mem::take(&mut taken.answers);
        self.outbox.borrow_mut().append(taken);
        self.note_stored();
        for (ticket, outcome) in answers {
            self.hub.tell(&Notice::Injected { ticket, outcome });
        }
        self.stored.notify_one();
    }

    fn note_stored(&self) {
        let (Stored { first, again }, is_end) = {
            let mut outbox = self.outbox.borrow_mut();
            (outbox.take_stored(), !outbox.publishes())
        };
        for (events, is_again) in [(again, true), (first, false)] {
            if !events.is_empty() {
                self.hub.note(&Fact::Stored { events: &events, is_end, is_again });
            }
        }
    }

    async fn publish(&self, destination: &Destination) {
        let Destination { config, redis, .. } = destination;
        let producer = self.outbox.borrow().series().producer;
        let mut presence = Presence::new(&redis.stream, &config.boot_id, &producer, &config.host);
        let mut pauses = redis_connection::pauses();
        loop {
            let Err(halt) = self.publish_until_failure(destination, &mut presence, &mut pauses).await;
            let Halt::Redis(error) = halt else { return };
            self.hub.note(&Fact::RedisFailed);
            self.tell_redis(destination, Err(&error));
            self.tell_lost();
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            if self.unless_stopped(sleep(pause)).await.is_err() {
                return;
            }
        }
    }

    async fn publish_until_failure(
        &self,
        destination: &Destination,
        presence: &mut Presence,
        pauses: &mut backon::ExponentialBackoff,
    ) -> Result<Never, Halt> {
        let mut session = self.unless_stopped(Session::open(self, destination, presence)).await??;
        let mut told = false;
        loop {
            let turned = self.unless_stopped(session.turn()).await;
            if turned.is_err() {
                self.leave(&mut session).await;
            }
            turned??;
            if !std::mem::replace(&mut told, true) {
                *pauses = redis_connection::pauses();
                self.tell_redis(destination, Ok(session.guarantee()));
            }
            self.tell_lost();
            if self.is_drained() {
                if self.stopping.borrow().is_some() {
                    self.leave(&mut session).await;
                    return Err(Halt::Stopped);
                }
                self.wait_for_events(session.next_beat()).await;
            }
        }
    }

    /// Takes our sign away, as far as the stop has time for that.
    async fn leave(&self, session: &mut Session<'_>) {
        let until = self.stopping.borrow().unwrap_or_else(Instant::now);
        // What is left behind is cleared away later.
        let _ = timeout_at(until.min(Instant::now() + LEAVE), session.leave()).await;
    }

    /// How many events the next batch may carry; waits until that is at least one. A stop lifts the pace.
    pub(super) async fn room(&self) -> usize {
        let mut limits = self.limits.clone();
        let mut is_held_up = false;
        loop {
            let Limits { batch_size, per_second } = *limits.borrow_and_update();
            if self.stopping.borrow().is_some() {
                return batch_size;
            }
            let now = Instant::now();
            self.pace.borrow_mut().set(per_second, now);
            let allowed = self.pace.borrow_mut().allows(batch_size, now);
            let next = match allowed {
                Ok(count) => return count,
                Err(next) => next,
            };
            if !std::mem::replace(&mut is_held_up, true) {
                self.hub.note(&Fact::Paced);
            }
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.until_stopped() => {}
                Ok(()) = limits.changed() => {}
            }
        }
    }

    /// How many events the next batch may carry where that is known before it is its turn: without a pace.
    pub(super) fn room_without_wait(&self) -> usize {
        let Limits { batch_size, per_second } = *self.limits.borrow();
        if per_second == 0 { batch_size } else { 0 }
    }

    fn is_drained(&self) -> bool {
        self.take_in();
        self.outbox.borrow().waiting() == 0
    }

    async fn until_stopped(&self) {
        // The sender is dropped only together with the thread's owner, which is a stop as well.
        let _ = self.stopping.clone().wait_for(Option::is_some).await;
    }

    /// Waits for an event, a stop, or the time to see whether the connection still stands.
    async fn wait_for_events(&self, until: Instant) {
        tokio::select! {
            () = self.stored.notified() => {}
            () = self.until_stopped() => {}
            () = sleep_until(until) => {}
        }
    }

    /// Does `work`, unless the time that a stop gives to it ends first; where nothing waits, it gives none.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Halt> {
        let mut stopping = self.stopping.clone();
        let deadline = async {
            let until = stopping.wait_for(Option::is_some).await.ok().and_then(|until| *until);
            if let Some(until) = until.filter(|_| !self.is_drained()) {
                sleep_until(until).await;
            }
        };
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = deadline => Err(Halt::Stopped),
        }
    }

    /// Redis has acknowledged the events of `batch` with these IDs.
    pub(super) fn published(&self, batch: &[Placed], stream_ids: Vec<String>, guarantee: Guarantee) {
        self.outbox.borrow_mut().acknowledge(batch);
        let now = std::time::Instant::now();
        for (placed, stream_id) in batch.iter().zip(stream_ids) {
            let is_again = self.outbox.borrow().is_published_again(placed, now);
            tracing::debug!(event_id = placed.event.event_id(), stream_id, "published");
            self.hub.tell(&Notice::Published { event: Arc::clone(&placed.event), stream_id, is_again });
        }
        self.acknowledged.notify_one();
        let mut outbox = self.outbox.borrow_mut();
        match guarantee {
            // Nobody waits for the file: should it miss this, the watermark knows.
            Guarantee::ExactlyOnce => outbox.save_progress_in_one_go(),
            Guarantee::AtLeastOnce => outbox.set_unfenced(true),
        }
    }
}
