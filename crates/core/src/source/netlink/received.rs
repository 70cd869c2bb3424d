//! What comes in on the uevent socket.

use super::{Uevent, UeventError};

/// What one look at the socket gave.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A device was added or removed.
    Uevent(Uevent),
    /// A message about something else.
    Other,
    /// A message that did not come from the kernel; not looked into.
    Foreign,
    /// A message about a device that could not be read.
    Unreadable(UeventError),
    /// Nothing waits.
    Empty,
    /// Messages were lost: the buffer was full, or one was longer than thought.
    Lost,
}
