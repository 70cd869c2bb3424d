//! What a service manager gives to the process, and wants to hear: nothing, where there is no systemd.

use std::time::Duration;

use usb_daemon_core::{Error, Fact, Notice, Onlooker, UeventHandle};

/// What the service manager has given to this process.
#[derive(Debug, Default)]
pub struct Service;

impl Service {
    /// Variables that are meant for this process alone.
    pub const VARIABLES: [&str; 0] = [];

    /// Nothing, whatever the environment says.
    pub fn of_environment() -> Self {
        Self
    }

    /// No socket is handed over.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the face of Linux's")]
    pub(crate) fn take_uevent_socket(&mut self) -> Result<Option<UeventHandle>, Error> {
        Ok(None)
    }
}

/// Asks the daemon's threads for a sign of life, which nobody waits for here.
pub(crate) type Ask = Box<dyn Fn(Duration) -> Result<String, &'static str> + Send>;

/// The way to the manager: there is none.
#[derive(Debug, Default)]
pub(crate) struct Manager;

#[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the face of Linux's")]
impl Manager {
    pub(crate) fn start(_: &Service) -> Result<Self, String> {
        Ok(Self)
    }

    pub(crate) fn asks(&self, _: Ask) {}

    pub(crate) fn ready(&self) {}

    pub(crate) fn reloading(&self) {}

    pub(crate) fn stopping(&self, _: Duration) {}
}

/// Looks on for the manager.
pub(crate) struct Readiness;

impl Readiness {
    pub(crate) fn new(_: &Manager) -> Self {
        Self
    }
}

impl Onlooker for Readiness {
    fn notice(&self, _: &Notice) {}

    fn fact(&self, _: &Fact<'_>) {}
}
