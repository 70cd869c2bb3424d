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
mod task;
mod telling;
mod trimming;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::config::RedisConfig;
use crate::error::{Code, Error};
use crate::event::Event;
use crate::hub::Hub;
use crate::outbox::{Intake, Outbox};
use crate::platform::thread::push_nobody_aside;
use crate::redis_connection;
use crate::telemetry::Sampler;
use crate::threads;
pub use entry::Entries;
pub(crate) use failure::explain;
pub use fence::Guarantee;
pub use pace::Limits;
use pace::Pace;
pub(crate) use session::EXPIRES;
use task::Task;

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
            // Whoever tells of an event wakes it, or is told of it: neither is to make way for it.
            push_nobody_aside();
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
