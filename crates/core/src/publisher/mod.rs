//! The publisher: takes events from the outbox and adds them to the Redis stream, in order, on its own thread.
//!
//! A batch is one MULTI/EXEC: all of it is added or nothing, so a refusal half-way cannot change the order. At most
//! one batch is on its way. An event leaves the outbox when Redis has acknowledged it; where a reply is lost, the
//! batch is sent again, so for now delivery is at least once.

mod entry;
mod failure;

use std::future::Future;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisError,
};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock;
use crate::config::RedisConfig;
use crate::error::{Code, Error};
use crate::event::Event;
use crate::hub::Hub;
use crate::notice::{Gap, GapCause, Notice, RedisStatus};
use crate::outbox::Outbox;
pub use entry::entry;

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What the publisher needs to know.
#[derive(Clone, Debug)]
pub struct PublisherConfig {
    /// Where to publish.
    pub redis: RedisConfig,
    /// Events that one batch carries at most.
    pub batch_size: usize,
    /// How often an idle connection is tried.
    pub keepalive: Duration,
    /// Name of this host, for the entries.
    pub host: String,
}

/// The running publisher.
pub struct Publisher {
    stop: watch::Sender<Option<Instant>>,
    thread: JoinHandle<()>,
}

impl Publisher {
    /// Starts the thread. It waits for Redis as long as need be.
    ///
    /// # Errors
    /// Where the address is unusable or no thread can be had.
    pub fn start(config: PublisherConfig, outbox: Arc<Outbox>, hub: Hub) -> Result<Self, Error> {
        let client = client(&config.redis)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::new(Code::System, format!("no runtime for the publisher: {error}")))?;
        let (stop, stopping) = watch::channel(None);
        let thread = thread::Builder::new()
            .name("aw-redis".into())
            .spawn(move || {
                let task = Task { config, client, outbox, hub, stopping };
                runtime.block_on(task.run());
                // A name that is still being looked up must not hold the stop.
                runtime.shutdown_background();
            })
            .map_err(|error| Error::new(Code::System, format!("no thread for the publisher: {error}")))?;
        Ok(Self { stop, thread })
    }

    /// Publishes what waits for `patience` at most, then ends the thread.
    pub fn stop(self, patience: Duration) {
        let _ = self.stop.send(Some(Instant::now() + patience));
        if self.thread.join().is_err() {
            tracing::error!("publisher panicked");
        }
    }
}

fn client(redis: &RedisConfig) -> Result<Client, Error> {
    let bad = |error: RedisError| Error::new(Code::Config, format!("bad configuration: redis: {error}"));
    let mut settings = RedisConnectionInfo::default().set_db(redis.db);
    if let Some(username) = &redis.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &redis.password {
        settings = settings.set_password(password);
    }
    let info = ConnectionAddr::Tcp(redis.host.clone(), redis.port)
        .into_connection_info()
        .map_err(bad)?
        .set_redis_settings(settings);
    Client::open(info).map_err(bad)
}

struct Task {
    config: PublisherConfig,
    client: Client,
    outbox: Arc<Outbox>,
    hub: Hub,
    stopping: watch::Receiver<Option<Instant>>,
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

impl Task {
    async fn run(self) {
        let mut pauses = backoff();
        loop {
            let Err(halt) = self.publish_until_failure(&mut pauses).await;
            let Halt::Redis(error) = halt else { break };
            self.tell(false, Some(failure::explain(&error)));
            self.tell_lost();
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            if self.unless_stopped(sleep(pause)).await.is_err() {
                break;
            }
        }
        self.tell_lost();
        self.tell_unpublished();
    }

    async fn publish_until_failure(&self, pauses: &mut backon::ExponentialBackoff) -> Result<Never, Halt> {
        let mut connection = self.unless_stopped(self.connect()).await??;
        // Refusals (NOAUTH, LOADING) come clean here: to a whole batch some servers answer by closing the connection.
        self.unless_stopped(ping(&mut connection)).await??;
        let mut told = false;
        loop {
            let batch = self.outbox.first(self.config.batch_size);
            if !batch.is_empty() {
                self.unless_stopped(self.publish(&mut connection, &batch)).await??;
            } else if self.stopping.borrow().is_some() {
                return Err(Halt::Stopped);
            } else if told {
                self.unless_stopped(ping(&mut connection)).await??;
            }
            if !std::mem::replace(&mut told, true) {
                self.tell(true, None);
            }
            *pauses = backoff();
            self.tell_lost();
            if self.outbox.waiting() == 0 {
                self.wait_for_events().await;
            }
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let patience = Duration::from_millis(self.config.redis.timeout_ms.into());
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(patience))
            .set_response_timeout(Some(patience));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    async fn publish(
        &self,
        connection: &mut MultiplexedConnection,
        batch: &[Arc<Event>],
    ) -> Result<(), RedisError> {
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for event in batch {
            pipeline.cmd("XADD").arg(&self.config.redis.stream).arg("*");
            for (field, value) in entry(event, &self.config.host) {
                pipeline.arg(field).arg(value);
            }
        }
        let stream_ids: Vec<String> = pipeline.query_async(connection).await?;
        if let Some(last) = batch.last() {
            self.outbox.remove_through(last.seq);
        }
        for (event, stream_id) in batch.iter().zip(stream_ids) {
            self.hub.tell(&Notice::Published { event: Arc::clone(event), stream_id });
        }
        Ok(())
    }

    /// Waits for an event, a stop, or the time to see whether the connection still stands.
    async fn wait_for_events(&self) {
        let mut stopping = self.stopping.clone();
        tokio::select! {
            () = self.outbox.appended() => {}
            _ = stopping.wait_for(Option::is_some) => {}
            () = sleep(self.config.keepalive) => {}
        }
    }

    /// Does `work`, unless the time that a stop gives to it ends first; where nothing waits, it gives none.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Halt> {
        let mut stopping = self.stopping.clone();
        let deadline = async {
            let until = stopping.wait_for(Option::is_some).await.ok().and_then(|until| *until);
            if let Some(until) = until.filter(|_| self.outbox.waiting() > 0) {
                sleep_until(until).await;
            }
        };
        tokio::select! {
            done = work => Ok(done),
            () = deadline => Err(Halt::Stopped),
        }
    }

    fn tell(&self, connected: bool, reason: Option<String>) {
        let RedisConfig { host, port, .. } = &self.config.redis;
        let address = format!("{host}:{port}");
        self.hub.tell_redis(RedisStatus { connected, address, reason, waiting: self.outbox.waiting() });
    }

    /// An outbox in memory ends with the daemon: what Redis has not taken by now it never gets.
    fn tell_unpublished(&self) {
        let waiting = self.outbox.waiting();
        if waiting > 0 {
            let message =
                format!("unpublished events: {waiting}; redis did not take them before the daemon stopped");
            self.hub.tell(&Notice::Error { error: Error::new(Code::Redis, message), context: "redis" });
        }
    }

    fn tell_lost(&self) {
        let lost = self.outbox.take_lost();
        if lost > 0 {
            self.hub.tell(&Notice::Gap(Gap {
                source: "outbox",
                cause: GapCause::OutboxFull,
                lost: Some(lost),
                timestamp: clock::now_ms(),
                synthesized: 0,
            }));
        }
    }
}

async fn ping(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    redis::cmd("PING").query_async(connection).await
}

/// A loop that only an error ends.
enum Never {}

fn backoff() -> backon::ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(SHORTEST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_jitter()
        .without_max_times()
        .build()
}
