//! A member of a consumer group: reads entries, gives them to a handler, and acknowledges what it has handled.
//!
//! An entry stays the group's until the handler is done with it. What we have left, we take up again; what dead members
//! have left, we take over. An entry that no handler can bear goes to the dead-letter stream, and the rest goes on.

mod care;
mod fields;
mod handover;
mod options;
mod session;
mod settling;
mod stream_event;
mod work;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::future::join_all;
use redis::Client;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::Dispatch;
use tracing::dispatcher::with_default;

pub use handover::{ConsumerNotice, Handover, Outcome};
pub use options::ConsumerConfig;
pub use stream_event::StreamEvent;

use crate::delivery::Wake;
use crate::error::{Code, Error};
use crate::redis_connection::{self, LONGEST_PAUSE, SHORTEST_PAUSE};
use crate::stream_reply::Entry;
use crate::threads;
use care::Watch;
use session::{Session, explain};
use work::{DeadLetter, Work};

/// The least time that a stop gives to acknowledgements.
const FLUSH: Duration = Duration::from_secs(2);

/// A running consumer. Dropping it leaves what it has in hand to its next start, or to others.
pub struct Consumer {
    stop: watch::Sender<Phase>,
    thread: Option<JoinHandle<()>>,
    handover: Arc<Handover>,
    hearer: Dispatch,
}

/// Ends a consumer at once, whoever owns it.
pub struct Abandonment(watch::Sender<Phase>);

impl Abandonment {
    /// What it has in hand is left to its next start, or to others.
    pub fn abandon(&self) {
        reach(&self.0, Phase::Leaving);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    /// No further event is handed over; what is with the handler is waited for.
    Finishing,
    /// Nothing is waited for.
    Leaving,
}

impl Consumer {
    /// Starts the thread. It waits for Redis as long as need be. `wake` is called once whenever notices begin to wait.
    ///
    /// # Errors
    /// Where the configuration is unusable or no thread can be had.
    pub fn start(config: ConsumerConfig, wake: Wake) -> Result<Self, Error> {
        let client = redis_connection::client(&config.redis)
            .map_err(|message| Error::new(Code::Config, format!("bad configuration: {message}")))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::new(Code::System, format!("no runtime for the consumer: {error}")))?;
        let handover = Arc::new(Handover::new(wake));
        let (stop, phase) = watch::channel(Phase::Running);
        let task = Task::new(config, client, Arc::clone(&handover), phase);
        let thread = threads::spawn("aw-consumer", move || {
            runtime.block_on(task.run());
            // A name that is still being looked up must not hold the stop.
            runtime.shutdown_background();
        })
        .map_err(|error| Error::new(Code::System, format!("no thread for the consumer: {error}")))?;
        Ok(Self { stop, thread: Some(thread), handover, hearer: threads::hearer() })
    }

    /// For whoever has to end it although a stop waits for a handler that will never be done.
    pub fn abandonment(&self) -> Abandonment {
        Abandonment(self.stop.clone())
    }

    /// Where events come out and results go in.
    pub fn handover(&self) -> &Arc<Handover> {
        &self.handover
    }

    /// Hands over nothing further from now on.
    pub fn finish(&self) {
        reach(&self.stop, Phase::Finishing);
    }

    /// Waits for the events that the handler has, tells Redis what became of them, and ends the thread.
    pub fn stop(mut self) {
        self.join(Phase::Finishing);
    }

    fn join(&mut self, phase: Phase) {
        let Some(thread) = self.thread.take() else { return };
        reach(&self.stop, phase);
        if thread.join().is_err() {
            with_default(&self.hearer, || tracing::error!("consumer panicked"));
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.join(Phase::Leaving);
    }
}

/// Nobody goes back: one who leaves does not come to finish.
fn reach(stop: &watch::Sender<Phase>, phase: Phase) {
    stop.send_modify(|current| *current = phase.max(*current));
}

struct Task {
    config: ConsumerConfig,
    client: Client,
    handover: Arc<Handover>,
    phase: watch::Receiver<Phase>,
    work: Work,
    /// The group has been there since this consumer started.
    had_group: Cell<bool>,
    /// What was left by an earlier run, or before the connection was lost, is in hand again.
    taken_up: Cell<bool>,
    /// How long the group has been watched.
    watch: RefCell<Watch>,
    /// What was last said of the connection.
    told: RefCell<Option<Result<(), String>>>,
    /// Faults that have been told of, each once.
    faults: RefCell<Vec<String>>,
}

impl Task {
    fn new(
        config: ConsumerConfig,
        client: Client,
        handover: Arc<Handover>,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        Self {
            config,
            client,
            handover,
            phase,
            work: Work::default(),
            had_group: Cell::new(false),
            taken_up: Cell::new(false),
            watch: RefCell::default(),
            told: RefCell::default(),
            faults: RefCell::default(),
        }
    }

    async fn run(self) {
        let workers = join_all((0..self.config.options.concurrency).map(|_| self.handle_entries()));
        let finishing = async {
            workers.await;
            // Where Redis is away, what was handled comes again.
            let _ = timeout(self.config.patience().max(FLUSH), self.until_settled()).await;
        };
        tokio::select! {
            never = self.serve() => match never {},
            () = finishing => {}
            () = self.until(|phase| phase == Phase::Leaving) => {}
        }
    }

    /// Connects again and again.
    async fn serve(&self) -> std::convert::Infallible {
        let mut pauses = redis_connection::pauses();
        loop {
            let began = Instant::now();
            let served = async { Session::open(self).await?.serve().await };
            let Err(error) = served.await;
            if began.elapsed() > LONGEST_PAUSE {
                pauses = redis_connection::pauses();
            }
            if session::lacks_group(&error) && self.had_group.get() {
                sleep(SHORTEST_PAUSE).await;
                continue;
            }
            self.tell_redis(Err(explain(&error)));
            sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
        }
    }

    /// Hands over one entry after the other until the stop.
    async fn handle_entries(&self) {
        let is_stopping = |phase| phase != Phase::Running;
        loop {
            if is_stopping(*self.phase.borrow()) {
                return;
            }
            let Some(entry) = self.work.take() else {
                tokio::select! {
                    () = self.work.arrived.notified() => {}
                    () = self.until(is_stopping) => {}
                }
                continue;
            };
            self.handle(entry).await;
        }
    }

    async fn handle(&self, entry: Entry) {
        let event = match StreamEvent::of(&entry) {
            Ok(event) => Arc::new(event),
            Err(reason) => {
                tracing::debug!(message_id = entry.id, reason, "dead: unreadable");
                return self.work.bury(DeadLetter::unreadable(entry, reason));
            }
        };
        let event_id = event.event_id();
        let options = &self.config.options;
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(options.retry_ms))
            .with_max_delay(Duration::from_millis(options.longest_pause_ms()))
            .without_max_times()
            .build();
        for attempts in 1.. {
            tracing::debug!(event_id, message_id = entry.id, attempts, "handed over");
            let reason = match self.handover.hand_over(&event).await {
                Some(Ok(())) => {
                    tracing::debug!(event_id, message_id = entry.id, attempts, "handled");
                    return self.work.handled(entry.id);
                }
                Some(Err(reason)) => reason,
                // No attempt: it stays the group's, for the next start.
                None => return,
            };
            tracing::debug!(event_id, message_id = entry.id, attempts, reason, "failed");
            if attempts >= options.max_attempts {
                tracing::debug!(event_id, message_id = entry.id, attempts, "dead");
                return self.work.bury(DeadLetter::unbearable(entry, &reason, attempts));
            }
            let pause = pauses.next().unwrap_or(Duration::from_millis(options.longest_pause_ms()));
            tokio::select! {
                () = sleep(pause) => {}
                // It stays the group's too.
                () = self.until(|phase| phase != Phase::Running) => return,
            }
        }
    }

    async fn until(&self, reached: impl Fn(Phase) -> bool) {
        // The sender is dropped only together with the thread's owner, which says so before.
        let _ = self.phase.clone().wait_for(|phase| reached(*phase)).await;
    }

    async fn until_settled(&self) {
        while !self.work.is_settled() {
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// The connection's state is told when it changes.
    fn tell_redis(&self, state: Result<(), String>) {
        let now = Some(state.clone());
        if self.told.replace(now.clone()) == now {
            return;
        }
        self.handover.tell(ConsumerNotice::Redis {
            connected: state.is_ok(),
            address: redis_connection::address(&self.config.redis),
            reason: state.err(),
        });
    }

    fn tell_error(&self, code: Code, message: String) {
        tracing::error!(code = code.as_str(), group = self.config.group, "{message}");
        self.handover.tell(ConsumerNotice::Error { code: code.as_str(), message });
    }

    /// Tells of something that will go on failing, once.
    fn tell_once(&self, message: String) {
        let mut faults = self.faults.borrow_mut();
        if !faults.contains(&message) {
            faults.push(message.clone());
            drop(faults);
            self.tell_error(Code::Redis, message);
        }
    }
}
