//! libusb, where this one has no hotplug: it never starts.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use crate::device::Address;

/// None ever comes.
pub type Error = Infallible;

/// What libusb reports.
#[expect(dead_code, reason = "it never does")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// libusb's word for a device that came.
    Arrived(Address),
    /// libusb's word for a device that left.
    Left(Address),
    /// Event handling has failed and the thread has ended.
    Failed(Error),
}

/// Takes reports; never called.
pub type Sink = Arc<dyn Fn(Report, Instant) + Send + Sync>;

/// There is none.
pub enum LibusbSource {}

impl LibusbSource {
    /// Says why it does not start.
    ///
    /// # Errors
    /// Always.
    pub fn start(_: &Sink) -> Result<Self, String> {
        Err("this libusb has no hotplug support".into())
    }
}
