//! The publisher's thread: stores each event as it comes in, then adds it to the Redis stream.
//!
//! One thread owns the outbox and the connection, so that an event crosses one thread on its way from the engine to
//! Redis, is stored before it is published, and needs no lock on that way. While it waits for Redis it stores on.

mod entry;
mod failure;
pub(crate) mod fence;
mod groups;
mod pace;
mod presence;
pub(crate) mod search;
mod session;
mod telling;
mod trimming;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use redis::{Client, RedisError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::config::RedisConfig;
use crate::error::{Code, Error};
use crate::event::Event;
use crate::hub::Hub;
use crate::notice::Notice;
use crate::onlooker::Fact;
use crate::outbox::{Intake, Outbox, Placed, Stored};
use crate::redis_connection::{self, LONGEST_PAUSE};
use crate::telemetry::Sampler;
use crate::threads;
pub use entry::entry;
pub(crate) use failure::explain;
pub use fence::Guarantee;
pub use pace::Limits;
use pace::Pace;
use presence::Presence;
pub(crate) use session::EXPIRES;
use session::Session;

/// How long taking our sign away may take.
const LEAVE: Duration = Duration::from_millis(250);
/// How soon what is not stored yet is stored, or tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the publisher needs to know.
#[derive(Clone, Debug)]
pub struct PublisherConfig {
    /// Where to publish; nowhere if absent, and the outbox only stores.
    pub redis: Option<Box<RedisConfig>>,
    /// How often an idle connection is tried.
    pub keepalive: Duration,
    /// Name of this host, for the entries.
    pub host: String,
    /// The kernel's boot ID; empty where there is none.
    pub boot_id: String,
    /// Which events are traced; none if absent.
    pub traces: Option<Sampler>,
}

/// The running publisher.
pub struct Publisher {
    stop: watch::Sender<Option<Instant>>,
    limits: watch::Sender<Limits>,
    questions: UnboundedSender<Question>,
    thread: JoinHandle<()>,
}

/// A question about what is kept: events after this number, so many at most.
struct Question {
    after: u64,
    limit: usize,
    answer: Option<Answer>,
}

impl Question {
    fn answer(mut self, events: impl FnOnce(u64, usize) -> Result<Vec<Arc<Event>>, Error>) {
        if let Some(answer) = self.answer.take() {
            answer(events(self.after, self.limit));
        }
    }
}

/// Whoever asks waits for an answer: the end of the thread is one.
impl Drop for Question {
    fn drop(&mut self) {
        if let Some(answer) = self.answer.take() {
            answer(Err(Error::new(Code::NotRunning, "the daemon has stopped")));
        }
    }
}

/// Takes the events, or why there are none.
pub type Answer = Box<dyn FnOnce(Result<Vec<Arc<Event>>, Error>) + Send>;

impl Publisher {
    /// Starts the thread. It waits for Redis as long as need be.
    ///
    /// # Errors
    /// Where the address is unusable or no thread can be had.
    pub fn start(
        config: PublisherConfig,
        limits: Limits,
        outbox: Outbox,
        intake: Arc<Intake>,
        hub: Hub,
    ) -> Result<Self, Error> {
        let client = config.redis.as_deref().map(redis_connection::client).transpose();
        let client =
            client.map_err(|message| Error::new(Code::Config, format!("bad configuration: {message}")))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::new(Code::System, format!("no runtime for the publisher: {error}")))?;
        let (stop, stopping) = watch::channel(None);
        let (questions, asked) = unbounded_channel();
        let pace = Pace::new(limits.per_second, Instant::now());
        let (limits, limited) = watch::channel(limits);
        let thread = threads::spawn("aw-outbox", move || {
            let task = Task {
                outbox: RefCell::new(outbox),
                intake,
                hub,
                stopping,
                pace: RefCell::new(pace),
                limits: limited,
                stored: Notify::new(),
                sent: Cell::new(0),
                wrong_watermark: Cell::new(None),
                acknowledged: Notify::new(),
                untrimmed: Cell::new(false),
                lag: RefCell::new(None),
            };
            runtime.block_on(task.run(config, client, asked));
            // A name that is still being looked up must not hold the stop.
            runtime.shutdown_background();
        })
        .map_err(|error| Error::new(Code::System, format!("no thread for the publisher: {error}")))?;
        Ok(Self { stop, limits, questions, thread })
    }

    /// Asks for events that are kept, waiting or published: those after a number, so many at most. Where the thread has ended
    /// the answer is `ERR_USB_NOT_RUNNING`.
    pub fn ask(&self) -> impl Fn(u64, usize, Answer) + Send + Sync + 'static {
        let questions = self.questions.clone();
        move |after, limit, answer| {
            // One that is refused answers itself.
            let _ = questions.send(Question { after, limit, answer: Some(answer) });
        }
    }

    /// Where other limits are told, which hold from then on.
    pub fn limits(&self) -> watch::Sender<Limits> {
        self.limits.clone()
    }

    /// Publishes what waits for `patience` at most, then ends the thread. What has come in by now is stored.
    pub fn stop(self, patience: Duration) {
        let _ = self.stop.send(Some(Instant::now() + patience));
        if self.thread.join().is_err() {
            tracing::error!("publisher panicked");
        }
    }
}

struct Task {
    outbox: RefCell<Outbox>,
    intake: Arc<Intake>,
    hub: Hub,
    stopping: watch::Receiver<Option<Instant>>,
    limits: watch::Receiver<Limits>,
    pace: RefCell<Pace>,
    /// Events have been stored.
    stored: Notify,
    /// Number of the last event that this process has sent to Redis.
    sent: Cell<u64>,
    /// A watermark that is known to be wrong, and the right one.
    wrong_watermark: Cell<Option<(u64, u64)>>,
    /// Redis has acknowledged events.
    acknowledged: Notify,
    /// It has been said that the stream cannot be trimmed.
    untrimmed: Cell<bool>,
    /// What has been said of the group that is in the way.
    lag: RefCell<Option<(String, bool)>>,
}

/// Where and how to publish.
struct Destination {
    config: PublisherConfig,
    redis: Box<RedisConfig>,
    client: Client,
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
    async fn run(
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
    fn take_in(&self) {
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
    async fn room(&self) -> usize {
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
    fn published(&self, batch: &[Placed], stream_ids: Vec<String>, guarantee: Guarantee) {
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
