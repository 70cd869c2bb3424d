//! The engine's inbox: what other threads have to say to it, and an eventfd that ends its wait.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{read, write};

use crate::filter::Filters;
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
    /// Strings that had to be waited for have been read.
    StringsRead,
    /// A simulated device comes or goes.
    Simulated(SimulatedCommand),
    /// A program reports a device.
    Injected(Injection),
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
    wake: OwnedFd,
}

impl Inbox {
    /// An empty inbox.
    ///
    /// # Errors
    /// Where the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { queue: Mutex::default(), wake })
    }

    /// Says something.
    pub fn send(&self, message: Message) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.is_empty() {
            // Under the lock, so that a wake-up can neither be taken before its message is there nor be left over
            // behind an empty queue. It fails only where the counter is full: the engine is awake then.
            let _ = write(&self.wake, &1_u64.to_ne_bytes());
        }
        queue.push_back(message);
    }

    /// Takes all that has been said.
    pub(super) fn take(&self) -> VecDeque<Message> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if !queue.is_empty() {
            let _ = read(&self.wake, &mut [0; 8]);
        }
        std::mem::take(&mut *queue)
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
