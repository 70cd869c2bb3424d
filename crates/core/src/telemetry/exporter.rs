//! The exporter's thread: takes what waits, a batch at a time, and hands it to the collector.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::batch::Queue;
use super::client::{Client, Failure, Outlook};
use super::figures;
use super::otlp::{Writer, refused};
use super::settings::{BatchSettings, Signal, Target};
use super::spans::Span;
use super::{Passed, Shared};
use crate::error::shown;

const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
/// Whatever the collector says: what waits is to be of some use yet.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// What an event loop gets to show that it is free.
const LOOP_PATIENCE: Duration = Duration::from_millis(50);
/// How often it is said that nothing can be exported.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

/// When everything is to be over; absent while it goes on.
pub(super) type Stop = watch::Receiver<Option<Instant>>;

/// Exports until it is stopped, and then what waits, as long as the stop allows.
pub(super) async fn run(shared: &Shared, stop: Stop) {
    let Shared { settings, traces, lines, .. } = shared;
    let client = Client::new(settings.files.clone());
    let writer = Writer::new(&settings.resource, &shared.instance, shared.sampler());
    let line =
        |signal| settings.target(signal).map(|target| Line::new(signal, target, &client, stop.clone()));
    let (to_traces, to_metrics, to_logs) = (line(Signal::Traces), line(Signal::Metrics), line(Signal::Logs));
    let work = async {
        let spans = async {
            let Some(line) = &to_traces else { return };
            let encode = |batch: Vec<Passed>| {
                let count = batch.len();
                let spans: Vec<Span> = batch.into_iter().flat_map(Passed::spans).collect();
                (count, writer.traces(spans))
            };
            line.export(traces, settings.span_batch, encode).await;
        };
        let logs = async {
            let Some(line) = &to_logs else { return };
            line.export(lines, settings.log_batch, |batch| (batch.len(), writer.logs(batch))).await;
        };
        let figures = async {
            let Some(line) = &to_metrics else { return };
            line.export_figures(shared, settings.metric_interval, &writer).await;
        };
        tokio::join!(spans, figures, logs);
    };
    let over = async {
        let mut stop = stop.clone();
        // Where whoever could have said so has gone, it is over at once.
        if let Some(until) = stop.wait_for(Option::is_some).await.ok().and_then(|until| *until) {
            sleep_until(until).await;
        }
    };
    tokio::select! {
        biased;
        () = work => {}
        () = over => {}
    }
    let has_heir = shared.has_heir.load(Ordering::Relaxed);
    if let Some(line) = &to_traces {
        line.give_up(traces, has_heir);
    }
    if let Some(line) = &to_logs {
        line.give_up(lines, has_heir);
    }
}

/// The way of one signal to its collector.
struct Line<'a> {
    signal: Signal,
    target: &'a Target,
    client: &'a Client,
    stop: Stop,
    told: RefCell<Told>,
}

/// What has been said of failures.
#[derive(Default)]
struct Told {
    lost: u64,
    /// Traces, figures or lines of a message that is on its way.
    under_way: u64,
    reason: String,
    at: Option<Instant>,
    /// When it was last said that a collector is not content with what it has taken.
    complained_at: Option<Instant>,
    /// Spans, points or lines that it has refused since.
    refused: u64,
}

impl<'a> Line<'a> {
    fn new(signal: Signal, target: &'a Target, client: &'a Client, stop: Stop) -> Self {
        Self { signal, target, client, stop, told: RefCell::default() }
    }

    async fn export<T>(
        &self,
        queue: &Queue<T>,
        settings: BatchSettings,
        encode: impl Fn(Vec<T>) -> (usize, Vec<u8>),
    ) {
        loop {
            let is_stopped = {
                let due = async {
                    queue.holds(1).await;
                    tokio::select! {
                        () = sleep(settings.delay) => {}
                        () = queue.holds(queue.batch_size()) => {}
                    }
                };
                self.unless_stopped(due).await.is_none()
            };
            loop {
                let batch = queue.take();
                self.note_lost(queue.take_refused(), "more came than the queue holds");
                if batch.is_empty() {
                    break;
                }
                let (count, message) = encode(batch);
                let is_taken = self.deliver(&message, count as u64, settings.patience).await;
                let is_worth_while = is_taken || !self.is_stopped();
                // What makes no batch has its time, but for the last of all.
                if !is_worth_while || (!is_stopped && queue.len() < queue.batch_size()) {
                    break;
                }
            }
            if is_stopped {
                return;
            }
        }
    }

    /// Figures need no queue: those of now are all there is to tell.
    async fn export_figures(&self, shared: &Shared, interval: Duration, writer: &Writer) {
        loop {
            let due = async {
                tokio::select! {
                    () = sleep(interval) => {}
                    () = shared.departure.notified() => {}
                }
            };
            let is_stopped = self.unless_stopped(due).await.is_none();
            // Asked first: who leaves meanwhile is among one or the other.
            let running = shared.daemons();
            let mut told = shared.take_departed();
            for (number, daemon) in running {
                if told.contains_key(&number) {
                    continue;
                }
                // At the end nobody waits for an event loop.
                let snapshot =
                    if is_stopped { daemon.snapshot(None) } else { daemon.ask(LOOP_PATIENCE).await };
                told.insert(number, snapshot);
            }
            let mut told: Vec<_> = told.into_iter().collect();
            figures::tell_process_once(&mut told);
            let metrics: Vec<_> =
                told.into_iter().flat_map(|(number, snapshot)| figures::metrics(snapshot, number)).collect();
            if !metrics.is_empty() {
                let count = metrics.len() as u64;
                self.deliver(&writer.metrics(metrics), count, shared.settings.metric_patience).await;
            }
            if is_stopped {
                return;
            }
        }
    }

    /// Whether it was taken. It is tried again where that may help, until that takes too long; and once more at a stop.
    async fn deliver(&self, message: &[u8], count: u64, patience: Duration) -> bool {
        let began = Instant::now();
        self.told.borrow_mut().under_way = count;
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(SHORTEST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .with_jitter()
            .without_max_times()
            .build();
        let is_taken = loop {
            let was_stopped = self.is_stopped();
            let Failure { reason, outlook } = match self.client.post(self.target, message).await {
                Ok(answer) => {
                    if let Some((count, reason)) = refused(self.signal, &answer) {
                        self.note_refused(count, &reason);
                    }
                    break true;
                }
                Err(failure) => failure,
            };
            let asked = match outlook {
                Outlook::None => break self.note_failure(count, &reason),
                Outlook::Again => None,
                Outlook::After(pause) => Some(pause),
            };
            let pause = asked.or_else(|| pauses.next()).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
            if was_stopped {
                break self.note_failure(count, &reason);
            }
            let is_given_up = gives_up(began.elapsed(), asked.is_some(), pause, patience);
            self.note_failure(if is_given_up { count } else { 0 }, &reason);
            if is_given_up {
                self.told.borrow_mut().under_way = 0;
            }
            // A collector that wants a pause has it from the next message too.
            self.unless_stopped(sleep(pause)).await;
            if is_given_up {
                break false;
            }
        };
        self.told.borrow_mut().under_way = 0;
        is_taken
    }

    /// Everything that is left is lost, but where there is one who exports it after this.
    fn give_up<T>(&self, queue: &Queue<T>, has_heir: bool) {
        let under_way = self.told.borrow().under_way;
        let mut lost = under_way + queue.take_refused();
        if !has_heir {
            lost += queue.clear();
        }
        let mut told = self.told.borrow_mut();
        told.lost += lost;
        if told.lost > 0 {
            if told.reason.is_empty() {
                "the collector has not answered before the end".clone_into(&mut told.reason);
            }
            self.say(&mut told);
        }
    }

    fn note_failure(&self, lost: u64, reason: &str) -> bool {
        let mut told = self.told.borrow_mut();
        told.lost += lost;
        told.reason = shown(reason);
        if told.at.is_none_or(|at| at.elapsed() >= BETWEEN_WARNINGS) {
            self.say(&mut told);
        }
        false
    }

    fn note_lost(&self, lost: u64, reason: &str) {
        if lost > 0 {
            self.note_failure(lost, reason);
        }
    }

    /// A collector has taken a message, but not all of it, or has something to say of it.
    fn note_refused(&self, count: u64, reason: &str) {
        let mut told = self.told.borrow_mut();
        told.refused += count;
        if told.complained_at.is_some_and(|at| at.elapsed() < BETWEEN_WARNINGS) {
            return;
        }
        let (collector, signal) = (self.target.place(), self.signal.as_str());
        let reason = shown(reason);
        tracing::warn!(signal, collector, refused = told.refused, reason, "the collector is not content");
        told.refused = 0;
        told.complained_at = Some(Instant::now());
    }

    fn say(&self, told: &mut Told) {
        let Told { lost, reason, at, .. } = told;
        let collector = self.target.place();
        let signal = self.signal.as_str();
        tracing::warn!(signal, collector, lost = *lost, reason = reason.as_str(), "telemetry not exported");
        *lost = 0;
        *at = Some(Instant::now());
    }

    fn is_stopped(&self) -> bool {
        self.stop.borrow().is_some()
    }

    /// None where a stop came first.
    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut stop = self.stop.clone();
        let mut work = pin!(work);
        tokio::select! {
            biased;
            // Whoever could say so and is gone has said so.
            _ = stop.wait_for(Option::is_some) => None,
            done = &mut work => Some(done),
        }
    }
}

/// Whether something is not tried again after this pause. One that the collector has asked for is no reason to: it may be as long
/// as all our patience.
fn gives_up(tried_for: Duration, is_asked: bool, pause: Duration, patience: Duration) -> bool {
    if is_asked { tried_for >= patience } else { tried_for + pause > patience }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_that_asks_for_a_pause_is_asked_again_after_it() {
        let patience = Duration::from_secs(30);
        let at = |ms, is_asked, pause| {
            gives_up(Duration::from_millis(ms), is_asked, Duration::from_secs(pause), patience)
        };
        assert_eq!([at(5, true, 30), at(30_010, true, 30)], [false, true]);
        assert_eq!([at(5, false, 29), at(20_000, false, 16)], [false, true]);
    }
}
