//! OpenTelemetry: traces, metrics and logs by OTLP, from a thread of its own.
//!
//! Off unless the environment names a collector (`OTEL_*`, [`Settings`]). Nothing is global: one [`Telemetry`] is handed to each
//! daemon, and has its thread while one of them runs. Whatever the collector does, nobody waits for it: what is to be exported goes
//! into a bounded queue, what finds no room there is counted, and a stop gives it one second.

mod batch;
mod client;
mod environment;
mod exporter;
mod ids;
mod otlp;
mod sampler;
mod settings;
mod spans;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::{Code, Error};
use crate::event::Event;
use crate::producer;
use batch::Queue;
pub(crate) use ids::traceparent;
pub use otlp::LogRecord;
pub use sampler::Sampler;
pub use settings::{Settings, Signal};
use spans::{Entry, Moments, Span, spans_of};

/// Name of the service, of the meter and of the tracer.
pub const NAME: &str = "autoweave-usb-daemon";

/// Spans of one event, at most.
const SPANS: usize = 6;
/// What the last flush may take.
const LAST_FLUSH: Duration = Duration::from_millis(900);

/// What a process exports, for all of its daemons.
pub struct Telemetry {
    shared: Arc<Shared>,
    running: Mutex<Running>,
}

/// What whoever has something to export shares with the exporter.
struct Shared {
    settings: Settings,
    traces: Queue<Passed>,
    lines: Queue<(Arc<str>, LogRecord)>,
}

#[derive(Default)]
struct Running {
    members: usize,
    exporter: Option<Exporter>,
}

struct Exporter {
    stop: watch::Sender<Option<Instant>>,
    thread: JoinHandle<()>,
}

/// An event that has taken its way.
struct Passed {
    instance: Arc<str>,
    event: Arc<Event>,
    entry: Option<Entry>,
}

/// One daemon's part in it. The exporter's thread ends with the last one.
pub struct Member {
    telemetry: Arc<Telemetry>,
    instance: Arc<str>,
}

impl Telemetry {
    /// Nothing runs yet.
    pub fn new(settings: Settings) -> Arc<Self> {
        let spans = settings.span_batch;
        let lines = settings.log_batch;
        let events = |spans: usize| spans.div_ceil(SPANS);
        let shared = Shared {
            traces: Queue::new(events(spans.queue), events(spans.batch)),
            lines: Queue::new(lines.queue, lines.batch),
            settings,
        };
        Arc::new(Self { shared: Arc::new(shared), running: Mutex::default() })
    }

    /// Which events are traced; none if absent.
    pub fn sampler(&self) -> Option<Sampler> {
        self.shared.sampler()
    }

    /// A daemon's part in it. With the first one the thread starts, if anything is to be exported.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn join(self: &Arc<Self>) -> Result<Member, Error> {
        let instance = producer::random()?.into();
        let mut running = self.running();
        if running.exporter.is_none() && !self.shared.settings.is_off() {
            running.exporter = Some(Exporter::start(&self.shared)?);
        }
        running.members += 1;
        Ok(Member { telemetry: Arc::clone(self), instance })
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        // What it guards is whole between any two statements.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn sampler(&self) -> Option<Sampler> {
        self.settings.exports(Signal::Traces).then_some(self.settings.sampler)
    }
}

impl Exporter {
    fn start(shared: &Arc<Shared>) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Error::new(Code::System, format!("no runtime for telemetry: {error}")))?;
        let (stop, stopping) = watch::channel(None);
        let shared = Arc::clone(shared);
        let thread = thread::Builder::new()
            .name("aw-otlp".into())
            .spawn(move || {
                runtime.block_on(exporter::run(&shared, stopping));
                // A name that is still being looked up must not hold the stop.
                runtime.shutdown_background();
            })
            .map_err(|error| Error::new(Code::System, format!("no thread for telemetry: {error}")))?;
        Ok(Self { stop, thread })
    }

    fn stop(self) {
        let _ = self.stop.send(Some(Instant::now() + LAST_FLUSH));
        if self.thread.join().is_err() {
            tracing::error!("telemetry panicked");
        }
    }
}

impl Member {
    /// An event is in the stream.
    pub(crate) fn published(&self, event: &Arc<Event>, stream: &str, id: &str) {
        self.passed(event, Some(Entry { stream: stream.to_owned(), id: id.to_owned() }));
    }

    /// An event is stored, and goes nowhere else.
    pub(crate) fn stored(&self, event: &Arc<Event>) {
        self.passed(event, None);
    }

    fn passed(&self, event: &Arc<Event>, entry: Option<Entry>) {
        let shared = &self.telemetry.shared;
        if shared.sampler().is_some_and(|sampler| sampler.takes(ids::TraceId::of(&event.event_id()))) {
            shared.traces.push(Passed {
                instance: Arc::clone(&self.instance),
                event: Arc::clone(event),
                entry,
            });
        }
    }

    /// A line of the log.
    pub fn log(&self, line: LogRecord) {
        let shared = &self.telemetry.shared;
        // What the exporter says of its own troubles would be the next thing to have some.
        if shared.settings.exports(Signal::Logs) && !line.target.starts_with(module_path!()) {
            shared.lines.push((Arc::clone(&self.instance), line));
        }
    }
}

/// The last one waits until what waits is exported, a second at most.
impl Drop for Member {
    fn drop(&mut self) {
        let exporter = {
            let mut running = self.telemetry.running();
            running.members -= 1;
            if running.members == 0 { running.exporter.take() } else { None }
        };
        if let Some(exporter) = exporter {
            exporter.stop();
        }
    }
}

impl Passed {
    fn spans(self) -> (Arc<str>, Vec<Span>) {
        let moments = Moments { published: Some(std::time::SystemTime::now()), ..Moments::default() };
        (self.instance, spans_of(&self.event, &moments, self.entry.as_ref()))
    }
}
