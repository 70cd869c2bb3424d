//! A program's own way to the stream: publishes events that no daemon knows, and finds the entries of those it does.
//!
//! Its thread works only while something has been asked, and connects only then.

mod injected;
mod lookup;
mod writer;

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, Value};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{Instant, sleep, timeout_at};

use crate::config::RedisConfig;
use crate::error::{Code, Error};
use crate::publisher::explain;
use crate::stream_reply::{self, Entries};
use crate::{producer, redis_connection, threads};
use injected::Wanted;
use writer::{Outgoing, Writer};

/// Takes the answer: JSON, or why there is none.
pub type Reply = Box<dyn FnOnce(Result<String, Error>) + Send>;

/// The publisher of a program. Dropping it answers what has been asked before.
pub struct EventPublisher {
    requests: Option<UnboundedSender<Request>>,
    thread: Option<thread::JoinHandle<()>>,
    timeout: Duration,
}

struct Request {
    what: What,
    deadline: Instant,
    reply: Reply,
}

enum What {
    Publish(Wanted),
    Recent(usize),
    MakeGroup(String),
}

impl EventPublisher {
    /// Starts the thread; `redis` is the configuration's key of that name, as JSON.
    ///
    /// # Errors
    /// `ERR_USB_CONFIG` naming what is wrong, `ERR_USB_SYSTEM` where no thread can be had.
    pub fn start(redis: &str) -> Result<Self, Error> {
        let redis = RedisConfig::from_json(redis)?;
        let client = redis_connection::client(&redis)
            .map_err(|message| Error::new(Code::Config, format!("bad configuration: {message}")))?;
        let timeout = Duration::from_millis(redis.timeout_ms.into());
        let producer = producer::random()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::new(Code::System, format!("no runtime for the publisher: {error}")))?;
        let (requests, inbox) = unbounded_channel();
        let thread = threads::spawn("aw-publisher", move || {
            let server = Rc::new(Server { client, redis, timeout, commands: RefCell::new(None) });
            LocalSet::new().block_on(&runtime, serve(inbox, server, producer));
            // A name that is still being looked up must not hold the stop.
            runtime.shutdown_background();
        })
        .map_err(|error| Error::new(Code::System, format!("no thread for the publisher: {error}")))?;
        Ok(Self { requests: Some(requests), thread: Some(thread), timeout })
    }

    /// Publishes an event, or finds the entry of one that has an `eventId`. The answer is the entry's ID.
    pub fn publish(&self, action: &str, info: &str, reply: Reply) {
        match injected::wanted(action, info) {
            Ok(wanted) => self.ask(What::Publish(wanted), reply),
            Err(error) => reply(Err(error)),
        }
    }

    /// The last `count` entries, the newest first, as `[[id, [field, value, …]], …]`.
    pub fn recent(&self, count: usize, reply: Reply) {
        self.ask(What::Recent(count), reply);
    }

    /// Makes a consumer group that begins with what comes from now on, unless there is one of this name.
    pub fn make_group(&self, name: String, reply: Reply) {
        self.ask(What::MakeGroup(name), reply);
    }

    fn ask(&self, what: What, reply: Reply) {
        let request = Request { what, deadline: Instant::now() + self.timeout, reply };
        let refused = match &self.requests {
            Some(requests) => requests.send(request).err().map(|refused| refused.0),
            None => Some(request),
        };
        if let Some(Request { reply, .. }) = refused {
            reply(Err(Error::new(Code::NotRunning, "the publisher is closed: make another one")));
        }
    }

    /// Answers what has been asked and ends the thread.
    pub fn close(mut self) {
        self.join();
    }

    fn join(&mut self) {
        drop(self.requests.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("event publisher panicked");
        }
    }
}

impl Drop for EventPublisher {
    /// A garbage collector must not wait: the thread answers what has been asked, and ends by itself.
    fn drop(&mut self) {
        drop(self.requests.take());
    }
}

/// Until nobody can ask any more and everything is answered.
async fn serve(mut inbox: UnboundedReceiver<Request>, server: Rc<Server>, producer: String) {
    let (outgoing, queue) = unbounded_channel();
    let writing = spawn_local(Writer::new(Rc::clone(&server), producer).run(queue));
    let mut answering = Vec::new();
    while let Some(Request { what, deadline, reply }) = inbox.recv().await {
        answering.retain(|task: &JoinHandle<()>| !task.is_finished());
        let server = Rc::clone(&server);
        answering.push(match what {
            What::Publish(Wanted::Publish(event)) => {
                // The writer takes from its queue for as long as we hold the sender.
                let _ = outgoing.send(Outgoing::new(event, deadline, reply));
                continue;
            }
            What::Publish(Wanted::Entry { event_id, timestamp_ms }) => spawn_local(async move {
                reply(lookup::entry_of(&server, &event_id, timestamp_ms, deadline).await);
            }),
            What::Recent(count) => spawn_local(async move { reply(server.recent(count, deadline).await) }),
            What::MakeGroup(name) => {
                spawn_local(async move { reply(server.make_group(&name, deadline).await) })
            }
        });
    }
    drop(outgoing);
    for task in answering {
        let _ = task.await;
    }
    let _ = writing.await;
}

/// The server, for everything but publishing.
struct Server {
    client: Client,
    redis: RedisConfig,
    timeout: Duration,
    commands: RefCell<Option<MultiplexedConnection>>,
}

impl Server {
    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut connection = redis_connection::connect(&self.client, self.timeout).await?;
        // Refusals (NOAUTH, LOADING) come clean here.
        redis::cmd("PING").query_async::<()>(&mut connection).await?;
        Ok(connection)
    }

    async fn commands(&self) -> Result<MultiplexedConnection, RedisError> {
        let open = self.commands.borrow().clone();
        if let Some(connection) = open {
            return Ok(connection);
        }
        let connection = self.connect().await?;
        self.commands.replace(Some(connection.clone()));
        Ok(connection)
    }

    /// Tries `work` over and over until it succeeds or the time is up.
    async fn until<T, W: Future<Output = Result<T, RedisError>>>(
        &self,
        deadline: Instant,
        work: impl Fn(MultiplexedConnection) -> W,
    ) -> Result<T, Error> {
        let mut why = None;
        let trying = async {
            for pause in pauses() {
                let tried = async { work(self.commands().await?).await };
                match tried.await {
                    Ok(done) => return Some(done),
                    Err(error) => why = Some(explain(&error)),
                }
                self.commands.replace(None);
                sleep(pause).await;
            }
            None
        };
        timeout_at(deadline, trying).await.ok().flatten().ok_or_else(|| self.too_late(why))
    }

    fn too_late(&self, why: Option<String>) -> Error {
        let why = why.unwrap_or_else(|| "no answer in time: redis.timeout_ms says how long to wait".into());
        Error::new(Code::Redis, format!("redis at {}: {why}", redis_connection::address(&self.redis)))
    }

    async fn recent(&self, count: usize, deadline: Instant) -> Result<String, Error> {
        let entries = self
            .until(deadline, |mut connection| async move {
                let list: Value = redis::cmd("XREVRANGE")
                    .arg(&self.redis.stream)
                    .arg("+")
                    .arg("-")
                    .arg("COUNT")
                    .arg(count)
                    .query_async(&mut connection)
                    .await?;
                if list == Value::Nil { Ok(Entries::default()) } else { stream_reply::of_list(list) }
            })
            .await?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let raw: Vec<(String, Vec<String>)> = entries
            .there
            .into_iter()
            .map(|entry| {
                let flat = entry.fields.into_iter().flat_map(|(name, value)| [text(name), text(value)]);
                (entry.id, flat.collect())
            })
            .collect();
        serde_json::to_string(&raw)
            .map_err(|error| Error::new(Code::System, format!("entries cannot be written: {error}")))
    }

    async fn make_group(&self, name: &str, deadline: Instant) -> Result<String, Error> {
        self.until(deadline, |mut connection| async move {
            let made: Result<Value, _> = redis::cmd("XGROUP")
                .arg("CREATE")
                .arg(&self.redis.stream)
                .arg(name)
                .arg("$")
                .arg("MKSTREAM")
                .query_async(&mut connection)
                .await;
            match made {
                Err(error) if error.code() != Some("BUSYGROUP") => Err(error),
                _ => Ok("null".to_owned()),
            }
        })
        .await
    }
}

/// From 10 ms up, without an end.
fn pauses() -> backon::ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(10))
        .with_max_delay(Duration::from_millis(250))
        .without_max_times()
        .build()
}
