//! OpenTelemetry: traces, metrics and logs by OTLP, from a thread of its own.
//!
//! Off unless the environment names a collector (`OTEL_*`, [`Settings`]). Nothing is global: one [`Telemetry`] is handed to each
//! daemon, and has its thread while one of them runs. Whatever the collector does, nobody waits for it: what is to be exported goes
//! into a bounded queue, what finds no room there is counted, and a stop gives it one second.

mod batch;
mod client;
mod environment;
mod exporter;
mod figures;
mod ids;
mod otlp;
mod running;
mod sampler;
mod settings;
mod spans;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

use crate::delivery::Wake;
use crate::error::Error;
use crate::event::Event;
use crate::journey::Step;
use crate::log::LogLine;
use crate::metrics::{Metrics, Snapshot};
use crate::notice::Notice;
use crate::onlooker::{Fact, Onlooker};
use crate::producer;
use batch::Queue;
pub(crate) use ids::traceparent;
use running::Running;
pub use sampler::Sampler;
pub use settings::{Settings, Signal};
pub use spans::Span;
use spans::{Entry, Moments, spans_of};

/// Name of the service, of the meter and of the tracer.
pub const NAME: &str = "autoweave-usb-daemon";

/// Spans of one event, at most.
const SPANS: usize = 6;
/// Daemons that have left, whose last figures wait, at most.
const DEPARTED: usize = 16;
/// Durations that wait until somebody asks, at most.
const DURATIONS: usize = 8192;
/// What the last flush may take.
pub const LAST_FLUSH: Duration = Duration::from_millis(900);

/// What a process exports, for all of its daemons.
pub struct Telemetry {
    shared: Arc<Shared>,
    running: Running,
}

/// What whoever has something to export shares with the exporter.
struct Shared {
    settings: Settings,
    relay: Relay,
    traces: Queue<Passed>,
    lines: Queue<LogLine>,
    /// How long events took until they were told, in ms: for who has a histogram of them.
    durations: Queue<f64>,
    daemons: Mutex<Daemons>,
    /// Numbers that are given, from 1: of daemons of all that one thread of JavaScript exports.
    numbers: Arc<Mutex<BTreeSet<usize>>>,
    /// A daemon has left, and others have not.
    departure: Notify,
    /// Whether what waits when the exporter ends is the next one's.
    has_heir: AtomicBool,
    instance: String,
}

/// Whose figures are told, by number.
#[derive(Default)]
struct Daemons {
    running: BTreeMap<usize, Arc<Metrics>>,
    /// The last figures of those that have left, until they are taken. Their numbers are given to nobody before.
    departed: BTreeMap<usize, Snapshot>,
}

/// What the host tells by means of its own, where it is not exported.
#[derive(Default)]
pub struct Relay {
    /// Whoever takes traces; called whenever some begin to wait for [`Telemetry::take_traces`].
    pub traces: Option<Wake>,
    /// Whether somebody asks for [`Telemetry::figures`] and [`Telemetry::take_durations`] now and then.
    pub figures: bool,
}

/// An event that has taken its way.
struct Passed {
    event: Arc<Event>,
    entry: Option<Entry>,
}

/// Traces for whoever relays them.
#[derive(Default, Serialize)]
pub struct Relayed {
    /// Whether more are waiting; if not, whatever comes next wakes again.
    pub more: bool,
    /// Spans of each event.
    pub traces: Vec<Vec<Span>>,
    /// Of so many events they found no room since this was asked.
    pub lost: u64,
}

/// One daemon's part in it. The exporter's thread ends with the last one.
pub struct Member {
    telemetry: Arc<Telemetry>,
    stream: Arc<str>,
    number: Mutex<Option<usize>>,
    has_left: AtomicBool,
}

impl Telemetry {
    /// Nothing runs yet. Daemons are not numbered as those of `earlier`, which may run yet.
    ///
    /// # Errors
    /// Where the kernel gives no random number.
    pub fn new(settings: Settings, relay: Relay, earlier: Option<&Self>) -> Result<Arc<Self>, Error> {
        let (spans, lines) = (settings.span_batch, settings.log_batch);
        let events = |spans: usize| spans.div_ceil(SPANS);
        let shared = Shared {
            traces: Queue::new(events(spans.queue), events(spans.batch)),
            lines: Queue::new(lines.queue, lines.batch),
            durations: Queue::new(DURATIONS, DURATIONS),
            relay: Relay {
                traces: relay.traces.filter(|_| settings.leaves(Signal::Traces)),
                figures: relay.figures && settings.leaves(Signal::Metrics),
            },
            daemons: Mutex::default(),
            numbers: earlier.map_or_else(Arc::default, |earlier| Arc::clone(&earlier.shared.numbers)),
            departure: Notify::new(),
            has_heir: AtomicBool::new(false),
            instance: producer::random()?,
            settings,
        };
        Ok(Arc::new(Self { shared: Arc::new(shared), running: Running::default() }))
    }

    /// What is exported.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// A line of the log. It is exported while a daemon runs.
    pub fn log(&self, line: LogLine) {
        // What the exporter says of its own troubles would be the next thing to have some.
        if self.settings().exports(Signal::Logs) && !line.target.starts_with(module_path!()) {
            self.shared.lines.push(line);
        }
    }

    /// Spans of events for whoever relays them: a list for each event.
    pub fn take_traces(&self) -> Relayed {
        if self.shared.relay.traces.is_none() {
            return Relayed::default();
        }
        let waiting = &self.shared.traces;
        let traces = waiting.take().into_iter().map(Passed::spans).collect();
        Relayed { traces, more: waiting.len() > 0, lost: waiting.take_refused() }
    }

    /// A daemon's part in it, which publishes to this stream. With the first one the thread starts, if anything is to be
    /// exported.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn join(self: &Arc<Self>, stream: Option<String>) -> Result<Member, Error> {
        self.running.join(&self.shared)?;
        Ok(Member {
            telemetry: Arc::clone(self),
            stream: stream.unwrap_or_default().into(),
            number: Mutex::new(None),
            has_left: AtomicBool::new(false),
        })
    }

    /// How long events took since this was asked, from their observation until they were told, in ms.
    pub fn take_durations(&self) -> Vec<f64> {
        self.shared.durations.take()
    }

    /// The figures of each daemon that runs, by its number; those of the process with the first one's.
    pub fn figures(&self) -> Vec<(usize, Snapshot)> {
        let daemons = self.shared.daemons().into_iter();
        let mut told: Vec<_> = daemons.map(|(number, metrics)| (number, metrics.snapshot(None))).collect();
        figures::tell_process_once(&mut told);
        told
    }
}

impl Shared {
    /// What has something to count, by number.
    fn daemons(&self) -> Vec<(usize, Arc<Metrics>)> {
        let daemons = lock(&self.daemons);
        daemons.running.iter().map(|(number, metrics)| (*number, Arc::clone(metrics))).collect()
    }

    /// The last figures of those that have left.
    fn take_departed(&self) -> BTreeMap<usize, Snapshot> {
        let departed = std::mem::take(&mut lock(&self.daemons).departed);
        for number in departed.keys() {
            self.release(*number);
        }
        departed
    }

    fn reserve(&self) -> usize {
        let mut numbers = lock(&self.numbers);
        // One more than there are is free at the latest.
        let number = (1..=numbers.len()).find(|number| !numbers.contains(number));
        let number = number.unwrap_or(numbers.len() + 1);
        numbers.insert(number);
        number
    }

    fn release(&self, number: usize) {
        lock(&self.numbers).remove(&number);
    }

    /// Which events are traced; none if absent.
    fn sampler(&self) -> Option<Sampler> {
        let is_on = self.settings.exports(Signal::Traces) || self.relay.traces.is_some();
        is_on.then_some(self.settings.sampler)
    }
}

impl Member {
    /// Which events are traced; none if absent.
    pub(crate) fn sampler(&self) -> Option<Sampler> {
        self.telemetry.shared.sampler()
    }

    /// The daemon's figures are told from now on, until it leaves.
    pub(crate) fn count(&self, metrics: &Arc<Metrics>) {
        let shared = &self.telemetry.shared;
        let number = shared.reserve();
        lock(&shared.daemons).running.insert(number, Arc::clone(metrics));
        *lock(&self.number) = Some(number);
    }

    fn passed(&self, event: &Arc<Event>, entry: Option<Entry>) {
        let shared = &self.telemetry.shared;
        let Some(sampler) = shared.sampler() else { return };
        if !sampler.takes_event(event) {
            return;
        }
        let begins = shared.traces.push(Passed { event: Arc::clone(event), entry });
        if let Some(relay) = shared.relay.traces.as_ref().filter(|_| begins) {
            relay();
        }
    }

    /// Ends it. The last one waits until what waits is exported, for `patience` or [`LAST_FLUSH`] at most.
    pub fn leave(&self, patience: Duration) {
        if self.has_left.swap(true, Ordering::Relaxed) {
            return;
        }
        let Telemetry { shared, running } = &*self.telemetry;
        let number = lock(&self.number).take();
        if let Some(number) = number.filter(|_| running.members() > 1) {
            self.depart(number);
        }
        running.leave(shared, patience.min(LAST_FLUSH));
        // Only now: the last figures of all are told at the end.
        if let Some(number) = number
            && lock(&shared.daemons).running.remove(&number).is_some()
        {
            shared.release(number);
        }
    }

    /// Its last figures are exported while others go on.
    fn depart(&self, number: usize) {
        let shared = &self.telemetry.shared;
        if !shared.settings.exports(Signal::Metrics) {
            return;
        }
        let mut daemons = lock(&shared.daemons);
        if daemons.departed.len() < DEPARTED
            && let Some(metrics) = daemons.running.remove(&number)
        {
            daemons.departed.insert(number, metrics.snapshot(None));
            drop(daemons);
            shared.departure.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these guard is whole between any two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Member {
    fn drop(&mut self) {
        self.leave(Duration::ZERO);
    }
}

/// Spans are made of what an event remembers when its way is done, and none while it is on it.
impl Onlooker for Member {
    fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Published { event, stream_id, is_again: false } => {
                self.passed(event, Some(Entry { stream: Arc::clone(&self.stream), id: stream_id.clone() }));
            }
            // Of those that reconciliation makes, many wait for one another.
            Notice::Transition(event) if event.synthetic.is_none() && self.telemetry.shared.relay.figures => {
                if let Some(took) = event.journey.at(Step::Announce) {
                    self.telemetry.shared.durations.push(took.as_secs_f64() * 1000.0);
                }
            }
            _ => {}
        }
    }

    fn fact(&self, fact: &Fact<'_>) {
        if let Fact::Stored { events, is_end: true, is_again: false } = fact {
            for event in *events {
                self.passed(event, None);
            }
        }
    }
}

impl Passed {
    fn spans(self) -> Vec<Span> {
        spans_of(&self.event, &Moments::of(&self.event), self.entry.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, Synthetic};
    use crate::journey::Journey;
    use crate::test_support::event;

    #[test]
    fn the_host_gets_a_trace_once_and_no_duration_of_what_reconciliation_made() {
        let (settings, _) = Settings::read(&|_| None);
        let relay = Relay { traces: Some(Box::new(|| ())), figures: true };
        let telemetry = Telemetry::new(settings, relay, None).expect("random numbers");
        let member = telemetry.join(None).expect("no thread is needed");
        for synthetic in [None, Some(Synthetic::Startup)] {
            let journey = Journey::observed_at(std::time::Instant::now());
            journey.note(Step::Announce, std::time::Instant::now());
            let told = Event { synthetic, journey, ..(*event(1, Action::Attach, 1)).clone() };
            member.notice(&Notice::Transition(Arc::new(told)));
        }
        assert_eq!(telemetry.take_durations().len(), 1);
        for is_again in [false, true] {
            let (event, stream_id) = (event(1, Action::Attach, 1), "1-0".into());
            member.notice(&Notice::Published { event, stream_id, is_again });
        }
        assert_eq!(telemetry.take_traces().traces.len(), 1);
    }
}
