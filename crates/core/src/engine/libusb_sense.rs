//! libusb as the engine has it: started beside it, and tried again.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::inbox::{Inbox, Message};
use crate::hub::Hub;
use crate::notice::SourceState;
use crate::platform::thread::stand_back;
use crate::source::libusb::{Error, LibusbSource, Report, Sink};
use crate::source::name;
use crate::threads;

/// libusb starts beside the engine: its start reads every device.
enum Libusb {
    Off,
    Starting {
        result: Receiver<Result<LibusbSource, String>>,
        thread: JoinHandle<()>,
    },
    Alive {
        /// Held for its `Drop`, which ends its thread.
        _source: LibusbSource,
    },
    Dead,
}

pub(super) struct LibusbSense {
    is_wanted: bool,
    hub: Hub,
    inbox: Arc<Inbox>,
    state: Libusb,
    has_come_up: bool,
}

impl LibusbSense {
    pub(super) fn new(is_wanted: bool, hub: Hub, inbox: Arc<Inbox>) -> Self {
        Self { is_wanted, hub, inbox, state: Libusb::Off, has_come_up: false }
    }

    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "nobody else would have seen it"))]
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.state, Libusb::Alive { .. })
    }

    /// Whether it has begun to listen since this was last asked.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there is no order to be had"))]
    pub(super) fn has_come_up(&mut self) -> bool {
        std::mem::take(&mut self.has_come_up)
    }

    /// Whether it could not start, or has failed.
    pub(super) fn is_dead(&self) -> bool {
        matches!(self.state, Libusb::Dead)
    }

    /// Starts it, where it is wanted.
    pub(super) fn start(&mut self) {
        if !self.is_wanted {
            self.hub.tell_source(name::LIBUSB, SourceState::Off, "switched off by configuration");
            return;
        }
        let inbox = Arc::clone(&self.inbox);
        let sink: Sink = Arc::new(move |report: Report, at| inbox.send(Message::Libusb(report, at)));
        let (tell, result) = channel();
        let inbox = Arc::clone(&self.inbox);
        let started = threads::spawn("aw-libusb-start", move || {
            // libusb only confirms: its threads, which inherit this, must not come before what decides and what listens.
            stand_back();
            // The engine may have gone meanwhile; what was started is then dropped here.
            let _ = tell.send(LibusbSource::start(&sink));
            inbox.send(Message::LibusbStarted);
        });
        match started {
            Ok(thread) => self.state = Libusb::Starting { result, thread },
            Err(error) => self.cannot_start(&format!("no thread for libusb: {error}")),
        }
    }

    /// Gives libusb so long to say whether it is alive.
    pub(super) fn wait(&mut self, patience: Duration) {
        if let Libusb::Starting { result, .. } = &self.state
            && let Ok(outcome) = result.recv_timeout(patience)
        {
            self.started(outcome);
        }
    }

    /// Takes in whether libusb has started, if it has said so.
    pub(super) fn look(&mut self) {
        if let Libusb::Starting { result, .. } = &self.state {
            match result.try_recv() {
                Ok(outcome) => self.started(outcome),
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => {
                    self.cannot_start("libusb panicked while it started");
                }
            }
        }
    }

    fn started(&mut self, outcome: Result<LibusbSource, String>) {
        match outcome {
            Ok(source) => {
                self.replace(Libusb::Alive { _source: source });
                self.has_come_up = true;
                self.hub.tell_source(name::LIBUSB, SourceState::Up, "hotplug callbacks registered");
            }
            Err(reason) => self.cannot_start(&reason),
        }
    }

    fn cannot_start(&mut self, reason: &str) {
        self.replace(Libusb::Dead);
        self.hub.tell_source(name::LIBUSB, SourceState::Unavailable, reason);
    }

    /// Its event handling has failed.
    pub(super) fn failed(&mut self, error: Error) {
        self.replace(Libusb::Dead);
        self.hub.tell_source(name::LIBUSB, SourceState::Failed, format!("event handling failed: {error}"));
    }

    fn replace(&mut self, next: Libusb) {
        if let Libusb::Starting { thread, .. } = std::mem::replace(&mut self.state, next)
            && thread.join().is_err()
        {
            tracing::error!(source = name::LIBUSB, "start panicked");
        }
    }
}

impl Drop for LibusbSense {
    fn drop(&mut self) {
        self.replace(Libusb::Off);
    }
}
