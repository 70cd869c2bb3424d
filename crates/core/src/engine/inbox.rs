//! The engine's inbox: what other threads have to say to it, and a bell that ends its wait.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::error::{Code, Error};
use crate::filter::Filters;
use crate::platform::bus::News;
use crate::platform::doorbell::Doorbell;
use crate::ready::Readiness;
use crate::source::injected::Injection;
use crate::source::libusb::Report;
use crate::source::simulated::SimulatedCommand;

/// One thing said to the engine.
#[derive(Debug)]
pub enum Message {
    /// libusb has seen something, at this time.
    Libusb(Report, Instant),
    /// libusb has started, or cannot.
    LibusbStarted,
    /// What the operating system lists, or that it lists something new. Linux is looked at instead.
    #[cfg_attr(target_os = "linux", allow(dead_code, reason = "other systems list on a thread of their own"))]
    Bus(News),
    /// A guest has left the engine with something to do.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "nobody visits elsewhere"))]
    Left,
    /// Strings that had to be waited for have been read.
    StringsRead,
    /// A simulated device comes or goes.
    Simulated(SimulatedCommand),
    /// A program reports a device.
    Injected(Injection),
    /// The device of this attachment may be used now, or something stands in the way.
    Ready(u64, Readiness),
    /// Other filters hold from now on.
    Filters(Arc<Filters>),
    /// Somebody asks for a sign of life.
    Ping(SyncSender<()>),
    /// The engine's thread is to end.
    Stop,
}

/// A queue that any thread may fill and the engine's thread waits on.
pub struct Inbox {
    queue: Mutex<VecDeque<Message>>,
    bell: Doorbell,
}

impl Inbox {
    /// An empty inbox.
    ///
    /// # Errors
    /// `ERR_USB_SYSTEM` where the process has no file descriptor left.
    pub fn new() -> Result<Self, Error> {
        let bell = Doorbell::new()
            .map_err(|error| Error::new(Code::System, format!("no event descriptor: {error}")))?;
        Ok(Self { queue: Mutex::default(), bell })
    }

    /// Says something.
    pub fn send(&self, message: Message) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.is_empty() {
            // Under the lock, so that a wake-up can neither be taken before its message is there nor be left over
            // behind an empty queue.
            self.bell.ring();
        }
        queue.push_back(message);
    }

    /// Takes all that has been said.
    pub(super) fn take(&self) -> VecDeque<Message> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if !queue.is_empty() {
            self.bell.silence();
        }
        std::mem::take(&mut *queue)
    }

    /// Rings as long as something waits.
    pub(super) fn bell(&self) -> &Doorbell {
        &self.bell
    }
}
