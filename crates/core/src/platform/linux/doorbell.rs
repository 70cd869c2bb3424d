//! An eventfd, which the engine polls together with its sockets.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{read, write};

/// Rings until it is silenced.
pub(crate) struct Doorbell(OwnedFd);

impl Doorbell {
    /// A silent one.
    ///
    /// # Errors
    /// Where the process has no file descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?))
    }

    /// Fails only where the counter is full: whoever listens is awake then.
    pub(crate) fn ring(&self) {
        let _ = write(&self.0, &1_u64.to_ne_bytes());
    }

    /// Waits for nothing.
    pub(crate) fn silence(&self) {
        let _ = read(&self.0, &mut [0; 8]);
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
