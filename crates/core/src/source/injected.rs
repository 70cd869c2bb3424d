//! Injected devices: a program has heard of them in its own way, and hands them over to go the same way as all others.
//!
//! They are told apart by bus and address alone, and reconciliation leaves them alone.

use serde::Serialize;

use crate::device::Device;
use crate::error::{Code, Error};
use crate::event::Action;

/// Names one injection among those of a daemon.
pub type Ticket = u64;

/// A transition that a program reports.
#[derive(Clone, Debug)]
pub struct Injection {
    /// Comes back with the outcome.
    pub ticket: Ticket,
    /// What happened.
    pub action: Action,
    /// To which device.
    pub device: Box<Device>,
}

/// What has become of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is an event.
    Announced,
    /// The device was attached already.
    Duplicate,
    /// No such device was attached.
    Unknown,
    /// A filter holds the device back.
    Filtered,
}

impl Injection {
    /// Reads what a program reports.
    ///
    /// # Errors
    /// `ERR_USB_DEVICE` naming what is wrong.
    pub fn read(ticket: Ticket, action: &str, json: &str) -> Result<Self, Error> {
        let bad = |message: String| Error::new(Code::Device, format!("bad device: {message}"));
        let action = match action {
            "attach" => Action::Attach,
            "detach" => Action::Detach,
            other => return Err(bad(format!("action is {other:?}: expected \"attach\" or \"detach\""))),
        };
        Ok(Self { ticket, action, device: Box::new(Device::given(json).map_err(bad)?) })
    }
}
