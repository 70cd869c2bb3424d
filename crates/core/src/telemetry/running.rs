//! When the exporter's thread runs: from the first member that comes to the last one that leaves.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Dispatch;
use tracing::dispatcher::with_default;

use super::{Shared, exporter, lock};
use crate::error::{Code, Error};
use crate::threads;

/// Who takes part, and the thread that they have.
#[derive(Default)]
pub(super) struct Running {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    members: usize,
    exporter: Option<Exporter>,
    /// The last one has left, and waits for the exporter's end.
    is_ending: bool,
    /// Who hears of the exporter of whoever has come since.
    heir: Option<Dispatch>,
}

struct Exporter {
    stop: watch::Sender<Option<Instant>>,
    thread: JoinHandle<()>,
}

impl Running {
    /// One more. With the first one the thread starts, if anything is to be exported.
    pub(super) fn join(&self, shared: &Arc<Shared>) -> Result<(), Error> {
        let mut state = lock(&self.state);
        if state.is_ending {
            // Two would take from the same queues. Whoever waits for the old one's end starts the new one; nobody waits here.
            shared.has_heir.store(true, Ordering::Relaxed);
            state.heir = Some(threads::hearer());
        } else if state.exporter.is_none() && !shared.settings.is_off() {
            state.exporter = Some(Exporter::start(shared)?);
        }
        state.members += 1;
        Ok(())
    }

    pub(super) fn members(&self) -> usize {
        lock(&self.state).members
    }

    /// One less. The last one waits until what waits is exported, for so long at most.
    pub(super) fn leave(&self, shared: &Arc<Shared>, patience: Duration) {
        // Whoever has come while an exporter ended has one of its own after that.
        let waited = self.ended.wait_timeout_while(lock(&self.state), patience, |state| state.is_ending);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.members -= 1;
        while state.members == 0
            && let Some(exporter) = state.exporter.take()
        {
            state.is_ending = true;
            drop(state);
            exporter.stop(patience);
            state = lock(&self.state);
            state.is_ending = false;
            shared.has_heir.store(false, Ordering::Relaxed);
            if let Some(hearer) = state.heir.take() {
                state.exporter = with_default(&hearer, || {
                    Exporter::start(shared).inspect_err(|error| tracing::error!("{error}")).ok()
                });
            }
        }
        drop(state);
        self.ended.notify_all();
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
        let thread = threads::spawn("aw-otlp", move || {
            runtime.block_on(exporter::run(&shared, stopping));
            // A name that is still being looked up must not hold the stop.
            runtime.shutdown_background();
        })
        .map_err(|error| Error::new(Code::System, format!("no thread for telemetry: {error}")))?;
        Ok(Self { stop, thread })
    }

    fn stop(self, patience: Duration) {
        let _ = self.stop.send(Some(Instant::now() + patience));
        if self.thread.join().is_err() {
            tracing::error!("telemetry panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::super::{Relay, Settings, Telemetry};
    use super::*;
    use crate::log::LogLine;

    fn line(message: &str) -> LogLine {
        LogLine {
            level: "info",
            target: "usb_daemon_core::test",
            message: message.to_owned(),
            fields: serde_json::Map::new(),
            timestamp: 1,
            event_id: None,
        }
    }

    #[test]
    fn what_comes_while_an_exporter_ends_is_left_to_the_next_one() {
        // Connections are made, and nothing ever answers.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let place = format!("http://{}", silent.local_addr().expect("an address"));
        let variable = |name: &str| match name {
            "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT" => Some(place.clone()),
            "OTEL_BLRP_SCHEDULE_DELAY" => Some("1".to_owned()),
            _ => None,
        };
        let (settings, _) = Settings::read(&variable);
        let telemetry = Telemetry::new(settings, Relay::default(), None).expect("telemetry");
        let first = telemetry.join(None).expect("a thread");
        telemetry.log(line("the first one's"));
        let ending = thread::spawn(move || first.leave(Duration::from_millis(500)));
        while telemetry.running.members() > 0 {
            thread::yield_now();
        }
        let second = telemetry.join(None).expect("no thread is needed");
        let is_alone = {
            let state = lock(&telemetry.running.state);
            state.is_ending && state.exporter.is_none()
        };
        assert!(is_alone, "one exporter at a time");
        // It is taken while the first exporter's message is not yet answered only if there are two.
        telemetry.log(line("the second one's"));
        ending.join().expect("no panic");
        assert!(lock(&telemetry.running.state).exporter.is_some(), "the second one has one");
        second.leave(Duration::ZERO);
        let state = lock(&telemetry.running.state);
        assert!(state.members == 0 && state.exporter.is_none() && !state.is_ending);
    }
}
